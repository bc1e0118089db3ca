"""Unpickling. It runs code of the bundle: the caller has established trust and verified the digests of all bytes."""

from __future__ import annotations

import io
import pickle
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any

from ..errors import EnvironmentMismatch, InvalidBundle, MissingExtra
from ..opening.manifest import Requirement
from ..text import clip
from .environment import satisfies, specifier_for, unsatisfied


def load_pickle(data: bytes, buffers: Sequence[memoryview] = (), *, bundle: str = "") -> object:
    """Rebuild the object that the pickle `data` holds, which **runs code of the bundle**.

    `buffers` are its arrays, in order, used in place: writable ones give writable arrays. `bundle` is the name for the
    advice in errors.

    Raises EnvironmentMismatch (MissingExtra for cloudpickle) when a module or a name is absent here or scikit-learn
    has a version that may predict differently, and InvalidBundle for everything else that goes wrong. The original
    exception is the `__cause__`.
    """
    supply = iter(buffers)
    try:
        with version_warnings(data):
            unpickler = _Unpickler(io.BytesIO(data), buffers=supply)
            unpickler.bundle = bundle
            model = unpickler.load()
    except EnvironmentMismatch:
        raise
    except ImportError as error:
        named = f"the module {clip(error.name, 100)}" if error.name else "a module"
        message = f"the model needs {named}, which cannot be imported: {clip(error, 200)}"
        raise EnvironmentMismatch.of("native.module", message) from error
    except (Exception, SystemExit) as error:
        raise _failed(error) from error
    if next(supply, None) is not None:
        raise InvalidBundle.of("native.buffers", "the pickle uses fewer buffers than the manifest lists")
    return model


class _Unpickler(pickle.Unpickler):
    """The C unpickler, which reports the name that it did not find."""

    bundle = ""

    def find_class(self, module: str, name: str, /) -> Any:
        try:
            return super().find_class(module, name)
        except (ImportError, AttributeError) as error:
            raise _absent(module, name, error, self.bundle) from error


def _absent(module: str, name: str, cause: Exception, bundle: str) -> EnvironmentMismatch:
    if isinstance(cause, ModuleNotFoundError) and (cause.name or "").partition(".")[0] == "cloudpickle":
        message = "the model holds code by value, which cloudpickle rebuilds, and cloudpickle is not installed"
        hint = 'pip install "modelwheel[pack]"' + (f', or pip install "{clip(bundle)}[native]"' if bundle else "")
        return MissingExtra.of("native.cloudpickle", message, hint=hint)
    return EnvironmentMismatch.of(
        "native.module" if isinstance(cause, ModuleNotFoundError) else "native.reference",
        f"the model refers to {clip(module, 100)}.{clip(name, 100)}, which is not here: {clip(cause, 200)}",
    )


def _failed(error: BaseException) -> InvalidBundle:
    if isinstance(error, pickle.UnpicklingError) and "out-of-band" in str(error):
        return InvalidBundle.of("native.buffers", "the pickle needs more buffers than the manifest lists")
    kind = type(error).__name__
    return InvalidBundle.of("native.unpickle", f"the model cannot be rebuilt: {kind}: {clip(error, 300)}")


_WARNING_LOCK = Lock()  # the list of warning filters belongs to the process


@contextmanager
def version_warnings(data: bytes) -> Iterator[None]:
    """While the object in `data` is built, catch scikit-learn's InconsistentVersionWarning and apply the rule table.

    A version is accepted or an error, never a warning. Other warnings go to the filters that the caller has set.
    """
    if b"_sklearn_version" not in data:
        yield
        return
    with _WARNING_LOCK, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    defects = []
    for item in caught:
        if type(item.message).__name__ != "InconsistentVersionWarning":
            warnings.warn_explicit(item.message, item.category, item.filename, item.lineno, source=item.source)
            continue
        packed, here = (
            str(getattr(item.message, name, "")) for name in ("original_sklearn_version", "current_sklearn_version")
        )
        specifier = specifier_for("scikit-learn", packed)
        if not satisfies(here, specifier):
            needed = Requirement(name="scikit-learn", version=packed, specifier=specifier)
            defects.append(unsatisfied(needed, here, f'pip install "scikit-learn{clip(specifier)}"'))
    if defects:
        raise EnvironmentMismatch(defects[0].message, dict.fromkeys(defects))
