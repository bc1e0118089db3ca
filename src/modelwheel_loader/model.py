"""An opened model: the original's prediction methods, each validating its input and output."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Self

from .doors import door
from .errors import InputError, ModelwheelError, NoSuchMethod, UsageError
from .run.selection import failed
from .text import clip, safe
from .validate.inputs import compile_input
from .validate.outputs import compile_output, empty_output

if TYPE_CHECKING:
    from .bundle import Bundle
    from .opening.manifest import Method
    from .opening.schema import Schema
    from .proof.report import Report
    from .run.selection import Call, Runtime
    from .validate.batch import Batch
    from .validate.inputs import InputCheck
    from .validate.parameters import ParameterCheck


RESERVED = frozenset({"bundle", "check", "close", "methods", "runtime"})
"""Names that a prediction method cannot have: those of format 1, frozen. A later name of `Model` hides no method."""


class BoundMethod:
    """One prediction method: validates the input, runs, validates the output. Pickles as its model does."""

    __slots__ = (
        "_answer",
        "_call",
        "_check",
        "_empty",
        "_index",
        "_name",
        "_parameters",
        "_recipe",
        "output",
        "parameters",
    )

    def __init__(self, method: Method, check: InputCheck, call: Call, recipe: tuple[Any, ...]) -> None:
        self._name = method.name
        self._recipe = recipe
        self._check = check
        self._call = call
        self._answer = compile_output(method.output)
        self._index = method.index
        self._empty: Callable[[], Any] = lambda: empty_output(method.output)
        self._parameters: ParameterCheck | None = None
        if method.parameters is not None:
            self._parameters = _compile_parameters(method.name, method.parameters)
        self.output = method.output
        self.parameters = method.parameters

    def __call__(self, data: object, **parameters: Any) -> Any:
        """Predict for one row (a mapping), many rows, columns, a DataFrame of any library, or an array.

        `parameters` are those of the method, `model.predict(rows, threshold=0.3)`; `parameters` of this object is
        their schema. Raises `InputError` with all defects of the data and of the parameters, `PredictionError` when
        the model itself raises, and `OutputError` when its output does not have the recorded type.
        """
        if parameters:
            parameters = self._checked(parameters, data)
        batch = self._check(data)
        if not batch.rows:
            return self._indexed(self._empty(), batch)
        try:
            raw = self._call(batch, parameters)
        except ModelwheelError:
            raise
        except Exception as error:  # the border to foreign code: whatever a model raises becomes one typed error
            raise failed(self._name, error) from error
        return self._indexed(self._answer(raw, batch.rows, batch.single), batch)

    def _indexed(self, answer: Any, batch: Batch) -> Any:
        """The answer with the caller's index, where the original gives it back."""
        return answer.set_axis(batch.index) if self._index and batch.index is not None else answer

    def _checked(self, parameters: dict[str, Any], data: object) -> dict[str, Any]:
        """The parameters as the original takes them; an error about them also lists what is wrong with the data."""
        from .validate.parameters import both

        check = self._parameters or _compile_parameters(self._name, None)
        try:
            return check(parameters)
        except InputError as error:
            try:
                self._check(data)
            except InputError as other:
                raise both(error, other) from None
            raise

    def __reduce__(self) -> tuple[Any, ...]:
        return _method_again, (*self._recipe, self._name)

    def __repr__(self) -> str:
        return f"<prediction method {self._name!r}>"


def _compile_parameters(method: str, parameters: Schema | None) -> ParameterCheck:
    from .validate.parameters import ParameterCheck

    return ParameterCheck(method, parameters)


def _method_again(load: Callable[..., Model], recipe: tuple[Any, ...], name: str) -> Any:
    """The method of the model, loaded again."""
    return getattr(load(*recipe), name)


class Model:
    """A loaded model. Thread-safe; usable as a context manager; pickles as a reference to its bundle.

    Every method that the bundle lists for this runtime is an attribute: `model.predict(rows)`.
    """

    def __init__(
        self, bundle: Bundle, runtime: Runtime, methods: Mapping[str, Method], recipe: tuple[Any, ...]
    ) -> None:
        self.bundle = bundle
        self._runtime = runtime
        self._recipe = recipe
        self._bind(compile_input(bundle.schema), methods)
        _OPEN.add(self)

    def _bind(self, check: InputCheck, methods: Mapping[str, Method]) -> None:
        self.methods = tuple(methods)
        for name, method in methods.items():
            setattr(self, name, BoundMethod(method, check, self._runtime.prepare(name), self._recipe))

    @property
    def runtime(self) -> str:
        """The kind of runtime: `onnx`, `native` or `isolated`."""
        return self._runtime.kind

    def check(self) -> Report:
        """Replay the golden examples of the bundle through every method of this model."""
        return self.bundle.replay(self)

    def close(self) -> None:
        """Release the runtime's resources. Later calls raise `UsageError`."""
        self._runtime.close()
        for name in self.methods:
            setattr(self, name, _closed)

    if TYPE_CHECKING:
        original: Any
        """The packed object itself, with `runtime="native"`; of a model in its framework's own file, what that holds.

        It validates nothing. A prediction method of this name wins. Other runtimes raise `NoSuchMethod`.
        """

    def __getattr__(self, name: str) -> Any:
        # only for names that are not there, so that `original` never hides a method of the bundle
        bundle = self.__dict__.get("bundle")
        if bundle is None:
            raise NoSuchMethod.of("usage.no-method", f"the model has no method {clip(name)!r}")
        if name in bundle.methods:
            raise NoSuchMethod.of(
                "usage.runtime-method",
                f"the {self.runtime} runtime of {bundle.name} has no method {name!r}; it has {', '.join(self.methods)}",
                hint="Load another runtime: load(…, runtime=…). bundle.runtimes lists the methods of each.",
            )
        if name != "original":
            known = ", ".join(self.__dict__.get("methods", ()))
            raise NoSuchMethod.of(
                "usage.no-method",
                f"the model has no method {clip(name)!r}; its methods are {known}",
                hint='Tools of its framework take the original object: load(…, runtime="native").original.',
            )
        original = getattr(self._runtime, "original", None)
        if original is None:
            raise NoSuchMethod.of(
                "usage.runtime-method",
                f"the {self.runtime} runtime has no original object",
                hint='Load the runtime that has it, if you trust the bundle: load(…, runtime="native").original.',
            )
        return original()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return self._recipe

    def __repr__(self) -> str:
        bundle = self.bundle
        more = "; the object: .original" if self.runtime == "native" else ""  # tools that need it print what they got
        return f"<Model {safe(bundle.name)} {safe(bundle.version)} ({self.runtime}): {', '.join(self.methods)}{more}>"

    def _repr_html_(self) -> str:
        return str(door("html.model")(self))


def _closed(data: object, **parameters: Any) -> Any:  # noqa: ARG001 - it stands in for a prediction method
    raise UsageError.of("usage.closed", "the model is closed")


_OPEN: weakref.WeakSet[Model] = weakref.WeakSet()


def _reopen_all() -> None:
    for model in list(_OPEN):
        model._runtime.reopen()  # noqa: SLF001 - the module's own class


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reopen_all)
