"""Parameters of a prediction method: named arguments with defaults beside the data, checked as the values of a row are.

Only what the caller gives is passed on: the original has its own defaults, which the manifest shows to people.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..opening.schema import Physical
from ..text import clip, counted, nearest
from .batch import Raw
from .building import compile_objects
from .inputs import compile_column
from .problems import Problems

if TYPE_CHECKING:
    from ..opening.schema import Field, Schema


_SEEN = Physical(dtype="object", null="none")
Convert = Callable[[Any, Problems], Any]


class ParameterCheck:
    """Call it with the parameters that a caller gives; it gives them as Python values, or raises `InputError`."""

    def __init__(self, method: str, schema: Schema | None) -> None:
        self._method = method
        self._converts = {field.name: _compile(field) for field in schema.fields} if schema is not None else {}

    def __call__(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The values of those that are given."""
        problems = Problems()
        made = {}
        for name, value in given.items():
            convert = self._converts.get(name)
            if convert is None:
                self._add_unknown(name, problems)
            else:
                made[name] = convert(value, problems)
        if problems.counted:
            raise _error(problems)
        return made

    def _add_unknown(self, name: str, problems: Problems) -> None:
        known = ", ".join(self._converts) or "none"
        hint = nearest(name, self._converts)
        message = f"is not a parameter of {clip(self._method, 100)}"
        problems.add("input.no-parameter", message, field=clip(name, 80), expected=clip(known), hint=hint)


def _compile(field: Field) -> Convert:
    check = compile_column(field)
    restore = compile_objects(field.replace(physical=_SEEN))

    def convert(value: Any, problems: Problems) -> Any:
        column = check(Raw([value]), problems)
        return None if column is None else restore(column)[0]

    return convert


def _error(problems: Problems) -> InputError:
    """The error for wrong parameters: they have a place of their own, and no row."""
    defects = [defect.replace(row=None, where="parameters") for defect in problems.defects]
    message = f"the parameters do not fit the method: {counted(problems.counted, 'defect')}"
    return InputError(message, defects, counted=problems.counted)


def both(parameters: InputError, data: InputError) -> InputError:
    """One error for wrong parameters and wrong data."""
    both = parameters.counted + data.counted
    message = f"neither the data nor the parameters fit: {both:,} defects"
    return InputError(message, [*parameters.defects, *data.defects], counted=both)
