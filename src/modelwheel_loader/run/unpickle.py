"""Unpickling. It runs code of the bundle: whoever calls this has made sure of trust and of the digests of all bytes."""

from __future__ import annotations

import io
import pickle
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from threading import Lock
from typing import Any

from ..defects import Defect
from ..errors import EnvironmentMismatch, InvalidBundle, MissingExtra
from ..text import clip
from . import environment as rules


def load_pickle(data: bytes, buffers: Sequence[memoryview] = (), *, bundle: str = "") -> object:
    """Rebuild the object that the pickle `data` holds, which **runs code of the bundle**.

    `buffers` are its arrays, in order, used where they lie: writable ones give writable arrays. `bundle` is the name
    for the advice in errors.

    Raises EnvironmentMismatch (MissingExtra for cloudpickle) when a module or a name is absent here or scikit-learn
    is of a version that may answer differently, and InvalidBundle for everything else that goes wrong. The original
    exception is the `__cause__`.
    """
    supply = iter(buffers)
    try:
        with judged_warnings(data):
            model = _Unpickler(io.BytesIO(data), buffers=_memoryviews(supply)).load()
    except EnvironmentMismatch:
        raise
    except _Absent as error:
        raise _absent(error, bundle) from error.__cause__
    except ImportError as error:
        raise _unimportable(error) from error
    except (Exception, SystemExit) as error:
        raise _failed(error) from error
    if next(supply, None) is not None:
        raise InvalidBundle.of("native.buffers", "the pickle uses fewer buffers than the manifest lists")
    return model


def _memoryviews(supply: Iterator[memoryview]) -> Iterator[memoryview]:
    """The buffers one by one; no reference stays behind, so that what the model copies can be freed."""
    yield from supply


class _Absent(Exception):
    """A name of the pickle is not here; the reason is the `__cause__`."""

    def __init__(self, module: str, name: str) -> None:
        super().__init__(module, name)
        self.module = module
        self.name = name


class _Unpickler(pickle.Unpickler):
    """The C unpickler, which says what it was looking for when it did not find it."""

    def find_class(self, module: str, name: str, /) -> Any:
        try:
            return super().find_class(module, name)
        except (ImportError, AttributeError) as error:
            raise _Absent(module, name) from error


def _absent(error: _Absent, bundle: str) -> EnvironmentMismatch:
    cause = error.__cause__
    if isinstance(cause, ModuleNotFoundError) and (cause.name or "").partition(".")[0] == "cloudpickle":
        extra = f'pip install "modelwheel[pack]", or pip install "{clip(bundle)}[native]"'
        return MissingExtra.of(
            "native.cloudpickle",
            "the model holds code by value, which cloudpickle rebuilds, and cloudpickle is not installed",
            hint=extra if bundle else 'pip install "modelwheel[pack]"',
        )
    return EnvironmentMismatch.of(
        "native.module" if isinstance(cause, ModuleNotFoundError) else "native.reference",
        f"the model refers to {clip(error.module, 100)}.{clip(error.name, 100)}, which is not here: {clip(cause, 200)}",
    )


def _unimportable(error: ImportError) -> EnvironmentMismatch:
    named = f"the module {clip(error.name, 100)}" if error.name else "a module"
    return EnvironmentMismatch.of(
        "native.module", f"the model needs {named}, which cannot be imported: {clip(error, 200)}"
    )


def _failed(error: BaseException) -> InvalidBundle:
    if isinstance(error, pickle.UnpicklingError) and "out-of-band" in str(error):
        return InvalidBundle.of("native.buffers", "the pickle needs more buffers than the manifest lists")
    kind = type(error).__name__
    return InvalidBundle.of("native.unpickle", f"the model cannot be rebuilt: {kind}: {clip(error, 300)}")


# --- scikit-learn's warning about versions: a decision, never a warning ---

_WARNING_LOCK = Lock()  # the list of warning filters belongs to the process


def judged_warnings(data: bytes) -> AbstractContextManager[None]:
    """While the object in `data` is built, judges what scikit-learn warns of versions by the rule table."""
    return _Judged() if b"_sklearn_version" in data else nullcontext()


class _Judged(AbstractContextManager[None]):
    """Catches scikit-learn's InconsistentVersionWarning and judges it by the rule table; other warnings pass."""

    def __enter__(self) -> None:
        _WARNING_LOCK.acquire()
        self._catching = warnings.catch_warnings(record=True)
        caught = self._catching.__enter__()
        self._caught: list[warnings.WarningMessage] = [] if caught is None else caught
        warnings.simplefilter("always")

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        try:
            self._catching.__exit__(kind, *rest)  # type: ignore[arg-type]
        finally:
            _WARNING_LOCK.release()
        if kind is None:
            _judge(self._caught)


def _judge(caught: Sequence[warnings.WarningMessage]) -> None:
    """Raise for versions out of range; give every other warning to the filters that the caller has set."""
    defects = []
    for item in caught:
        if type(item.message).__name__ != "InconsistentVersionWarning":
            warnings.warn_explicit(item.message, item.category, item.filename, item.lineno, source=item.source)
            continue
        packed, here = (
            str(getattr(item.message, name, "")) for name in ("original_sklearn_version", "current_sklearn_version")
        )
        if not rules.satisfies(here, rules.specifier_for("scikit-learn", packed)):
            defects.append(_version_defect(packed, here))
    if defects:
        unique = list(dict.fromkeys(defects))
        raise EnvironmentMismatch("scikit-learn is of a version that may answer differently", unique)


def _version_defect(packed: str, here: str) -> Defect:
    specifier = rules.specifier_for("scikit-learn", packed)
    return Defect(
        code="environment.version",
        message="scikit-learn is of a version that may answer differently",
        found=clip(here),
        expected=f"scikit-learn{clip(specifier)}",
        hint=f'pip install "scikit-learn{clip(specifier)}"',
    )
