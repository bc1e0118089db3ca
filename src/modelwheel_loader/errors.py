"""Every error that modelwheel raises, in one tree. Nothing else escapes from a public call.

ModelwheelError
├── BundleError
│   ├── InvalidBundle
│   ├── IntegrityError
│   └── UnsupportedFormat
├── TrustError
├── EnvironmentMismatch
│   └── MissingExtra
├── DataError
│   ├── InputError
│   └── OutputError
├── PredictionError
├── PackError
│   ├── ParityError
│   └── DependencyError
├── WriteError
├── ResolutionError
├── UsageError
│   └── NoSuchMethod
└── WorkerError

An error carries *all* the defects that were found, not the first one. Each defect has a stable code
(`show/codes.py` lists them with cause and cure), the place, what was found, what was expected and a hint.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Self

from .defects import SHOWN_DEFECTS
from .defects import Defect as Defect  # noqa: PLC0414 - a public name of `modelwheel.errors`
from .doors import door
from .text import nearest, shown


class ModelwheelError(Exception):
    """The base of all errors of modelwheel: a message, and the defects behind it."""

    def __init__(self, message: str, defects: Iterable[Defect] = (), *, counted: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.defects: Sequence[Defect] = tuple(defects)
        self.counted = len(self.defects) if counted is None else counted
        """How many defects there are in all; more than `len(defects)` when collecting stopped at its bound."""

    @classmethod
    def of(cls, code: str, message: str, /, **place: Any) -> Self:
        """An error with one defect, whose sentence is also the message."""
        return cls(message, [Defect(code=code, message=message, **place)])

    @property
    def code(self) -> str:
        """The stable code of the first defect."""
        return self.defects[0].code if self.defects else "unknown"

    @property
    def hint(self) -> str:
        """What to do next, by the first defect."""
        return self.defects[0].advice if self.defects else ""

    def __str__(self) -> str:
        try:
            return str(door("error.text")(self))
        except OSError:  # no descriptor is left for the module that knows the advice, which may be what this is about
            return "\n".join([self.message, *(f"  - {defect}" for defect in self.defects[:SHOWN_DEFECTS])])

    def to_dict(self) -> dict[str, Any]:
        """The error as JSON types, for `--json` and logs."""
        return {
            "error": type(self).__name__,
            "code": self.code,
            "message": self.message,
            "defects": [defect.to_dict() for defect in self.defects],
            "counted": self.counted,
        }

    def _repr_html_(self) -> str:
        return str(door("html.error")(self))

    def __reduce__(self) -> tuple[Any, ...]:
        state = {k: v for k, v in self.__dict__.items() if k not in {"message", "defects", "counted"}}
        return _rebuild, (type(self), self.message, self.defects, self.counted), state


def _rebuild(cls: type[ModelwheelError], message: str, defects: Sequence[Defect], counted: int) -> ModelwheelError:
    return cls(message, defects, counted=counted)


class BundleError(ModelwheelError):
    """Something is wrong with the bundle itself."""


class InvalidBundle(BundleError):
    """The file, folder or installation breaks a rule of the format (`docs/format.md`)."""


class IntegrityError(BundleError):
    """Bytes differ from their recorded digest."""


class UnsupportedFormat(BundleError):
    """The bundle is in a format that this version of modelwheel does not read."""


class TrustError(ModelwheelError):
    """Loading would run code of the bundle, and the caller has not said that it may."""


class EnvironmentMismatch(ModelwheelError):
    """This interpreter or its packages do not satisfy what the bundle needs."""


class MissingExtra(EnvironmentMismatch):
    """An optional package is needed for this call and is not installed."""


class DataError(ModelwheelError, ValueError):
    """Data does not fit the schema. A `ValueError` too, so that services which map those to 4xx keep working."""

    title = "The data does not fit the schema"
    status = 422
    """The HTTP status that says whose fault it is."""

    def to_problem(self, *, values: bool = False) -> dict[str, Any]:
        """The error as an RFC 9457 problem (`application/problem+json`).

        Values of the data are left out unless `values` is true: responses end up in logs.
        """
        made: dict[str, Any] = door("error.problem")(self, values=values)
        return made


class InputError(DataError):
    """What the caller passed does not fit the input schema."""

    title = "The data does not fit the model's schema"


class OutputError(DataError):
    """What the model answered does not fit the output schema: no fault of the caller."""

    title = "The answer of the model does not fit its schema"
    status = 500


class PredictionError(ModelwheelError):
    """The model itself raised; the original exception is `__cause__`."""


class PackError(ModelwheelError):
    """A bundle cannot be made from this model."""


class ParityError(PackError):
    """No runtime answers as the original model does."""


class DependencyError(PackError):
    """The model refers to something that no installed distribution provides."""


class WriteError(ModelwheelError):
    """The bundle cannot be written; `errno` is the operating system's reason, or None."""

    errno: int | None = None


class ResolutionError(ModelwheelError):
    """There is no such file, bundle or version."""


class UsageError(ModelwheelError, TypeError):
    """The call itself is wrong: an argument of the wrong type, or two that contradict each other."""

    @classmethod
    def argument(cls, name: str, value: object, expected: str) -> Self:
        """The error for an argument with a value that it cannot have; `expected` says what it must be."""
        return cls.of("usage.argument", f"{name} must be {expected}", found=shown(value))


def misfit(
    kind: type, fields: Sequence[str], needed: Iterable[str], unnamed: Sequence[object], values: Iterable[str]
) -> UsageError:
    """The error for a record that was made without an attribute that it needs, or with one that it does not have."""
    name, code = kind.__name__, "schema.attribute" if kind.__name__ == "Field" else "usage.argument"
    if unnamed:
        message = f"{name} takes its attributes by name, such as {fields[0]}=…"
        return UsageError.of(code, message, found=shown(unnamed[0]))
    if unknown := sorted(set(values) - set(fields)):
        hint = nearest(unknown[0], fields)
        return UsageError.of(code, f"{name} has no {', '.join(map(repr, unknown))}", hint=hint)
    return UsageError.of(code, f"{name} needs {', '.join(map(repr, sorted(set(needed) - set(values))))}")


class NoSuchMethod(UsageError, AttributeError):
    """The model has no method of that name. An `AttributeError` too, so that `hasattr` and `getattr` work."""


class WorkerError(ModelwheelError):
    """The worker process of an isolated model failed."""
