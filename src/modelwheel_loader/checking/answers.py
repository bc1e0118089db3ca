"""One named answer of a model: its checks, its conversion from what a runtime gives, and its value for a single row.

A check costs about a microsecond for one row and never walks numbers, unless the schema says what they must be: an
inferred output is nullable and may be infinite, for a model may answer NaN tomorrow that did not in the sample.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ..contract.types import Binary, Bool, DataType, Float, Integer, List, String, Struct, Tensor
from ..errors import Defect, OutputError
from ..text import clip, shown

if TYPE_CHECKING:
    from ..contract.schema import Field

Array = np.ndarray[Any, Any]
Check = Callable[[Any, int], Any]
First = Callable[[Any], Any]

_OBJECT = np.dtype(object)
_STR = np.dtype(str)
_BYTES = np.dtype(bytes)
_REAL = "biuf"
_TIMES = "mM"
_PYTHON_TYPES: dict[type[DataType], tuple[type, ...]] = {
    Bool: (bool, np.bool_),
    Integer: (int, np.integer),
    Float: (float, int, np.floating, np.integer),
    String: (str,),
    Binary: (bytes,),
    List: (list, tuple, np.ndarray),
    Struct: (dict,),
}
_NULL_TYPES = frozenset({"NoneType", "float", "NaTType", "NAType"})


def refuse(code: str, message: str, field: Field | None = None, **details: str) -> NoReturn:
    """Raise the `OutputError` for one answer."""
    raise OutputError.of(code, message, field=field.name if field else None, **details)


def answer_dtype(field: Field) -> np.dtype[Any]:
    """The numpy dtype in which `field` is answered; `str` and `bytes` have no width."""
    physical = field.physical.dtype if field.physical else ""
    if physical == "str_" and isinstance(field.type, String):
        return _STR
    if physical == "bytes_" and isinstance(field.type, Binary):
        return _BYTES
    return _OBJECT if physical == "object" else np.dtype(field.type.canonical)


def trailing_shape(field: Field) -> tuple[int | None, ...]:
    """The shape of one row's answer: `()` for a scalar."""
    return field.type.shape if isinstance(field.type, Tensor) else ()


def compile_array(field: Field) -> tuple[Check, First]:
    """For an answer that is one numpy array: its check, and what a single row's caller gets of it."""
    dtype, trailing = answer_dtype(field), trailing_shape(field)
    look = _compile_look(field, dtype)
    fixed = None not in trailing
    axes = len(trailing) + 1

    def check(value: Any, rows: int) -> Any:
        right = (
            type(value) is np.ndarray
            and value.ndim == axes
            and value.shape[0] == rows
            and (value.dtype == dtype or (dtype.itemsize == 0 and value.dtype.kind == dtype.kind))
            and (value.shape[1:] == trailing or (not fixed and _fits(value.shape[1:], trailing)))
        )
        if not right:
            value = _adapt(value, rows, field, dtype, trailing)
        return value if look is None else look(value)

    return check, _first_row if trailing else first_scalar


def _first_row(value: Any) -> Any:
    return value[0]


def first_scalar(value: Any) -> Any:
    """The one element as a Python scalar; times in nanoseconds stay numpy's, for Python has none so fine."""
    item = value[0]
    if isinstance(item, np.generic):
        plain = item.item()
        return item if item.dtype.kind in _TIMES and isinstance(plain, int) else plain
    return item


def _fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(shape) == len(wanted) and all(b is None or a == b for a, b in zip(shape, wanted, strict=True))


def _adapt(value: Any, rows: int, field: Field, dtype: np.dtype[Any], trailing: tuple[int | None, ...]) -> Array:
    """`value` in the shape and dtype of the original's answer: a graph answers (n, 1) for (n,), or float32."""
    if not isinstance(value, np.ndarray):
        refuse("output.type", "the answer is no numpy array", field, expected="an array", found=shown(value))
    if value.ndim == 0 or value.shape[0] != rows:
        found = f"shape {value.shape}"
        refuse("output.rows", "the answer has another number of rows", field, expected=f"{rows} rows", found=found)
    if not _fits(value.shape[1:], trailing):
        inner = [axis for axis in value.shape[1:] if axis != 1]
        if inner != [axis for axis in trailing if axis != 1] or None in trailing:
            expected = f"({', '.join('*' if axis is None else str(axis) for axis in (rows, *trailing))})"
            refuse("output.shape", "the answer has another shape", field, expected=expected, found=str(value.shape))
        value = value.reshape(rows, *[axis for axis in trailing if axis is not None])
    return cast(np.asarray(value), dtype, field)


def cast(value: Array, dtype: np.dtype[Any], field: Field) -> Array:
    """`value` as `dtype`. Floats change their width as floats do; every other change must keep each value."""
    source = value.dtype
    if source == dtype or (dtype.itemsize == 0 and source.kind == dtype.kind):
        return value
    if source.kind == "f" and dtype.kind == "f":
        return value.astype(dtype)
    if dtype == _OBJECT and source.kind in "US":
        return value.astype(object)
    if source == _OBJECT and dtype.kind in "US" and _all_of(value, str if dtype.kind == "U" else bytes):
        return value.astype(dtype)
    if (source.kind in _REAL and dtype.kind in _REAL) or (source.kind == dtype.kind and dtype.kind in _TIMES):
        with np.errstate(all="ignore"):
            made = value.astype(dtype)
            back = made.astype(source)
        if np.array_equal(back, value) and np.array_equal(made < 0, value < 0):
            return made
    if dtype == _OBJECT and source.kind in _REAL and isinstance(field.type, Bool | Integer | Float):
        return cast(value, np.dtype(field.type.canonical), field).astype(object)
    refuse("output.dtype", "the answer is of another type", field, expected=_named(dtype, field), found=str(source))


def _all_of(value: Array, kind: type) -> bool:
    return all(isinstance(item, kind) for item in value.flat)


def _named(dtype: np.dtype[Any], field: Field) -> str:
    return str(field.type) if dtype.kind in "OUS" else str(dtype)


def _compile_look(field: Field, dtype: np.dtype[Any]) -> Callable[[Array], Array] | None:
    """What must be looked at in the values themselves; None when nothing must."""
    if dtype == _OBJECT:
        return _compile_objects(field)
    if dtype.kind not in _REAL:
        return None
    finite = dtype.kind == "f" and not (field.nullable and field.allow_infinity)
    if not finite and field.minimum is None and field.maximum is None:
        return None

    def look(value: Array) -> Array:
        if finite:
            _check_finite(value, field)
        _check_bounds(value, field)
        return value

    return look


def _check_finite(value: Array, field: Field) -> None:
    if np.isfinite(value).all():
        return
    if not field.nullable and np.isnan(value).any():
        refuse("output.null", "the answer holds NaN", field, expected="numbers")
    if not field.allow_infinity and np.isinf(value).any():
        refuse("output.infinite", "the answer holds an infinite number", field, expected="finite numbers")


def _check_bounds(value: Array, field: Field) -> None:
    low, high = field.minimum, field.maximum
    if value.size == 0 or isinstance(low, str) or isinstance(high, str):
        return
    if low is not None and bool((value < low).any()):
        refuse(
            "output.range",
            "the answer is too small",
            field,
            expected=f"at least {low}",
            found=shown(value.min().item()),
        )
    if high is not None and bool((value > high).any()):
        refuse(
            "output.range",
            "the answer is too large",
            field,
            expected=f"at most {high}",
            found=shown(value.max().item()),
        )


def _compile_objects(field: Field) -> Callable[[Array], Array] | None:
    wanted = _PYTHON_TYPES.get(type(field.type))
    if wanted is None:
        return None
    known = set(wanted)  # grows by what was judged once

    def look(value: Array) -> Array:
        kinds = set(map(type, value.tolist() if value.ndim == 1 else value.ravel().tolist()))
        if not kinds <= known:
            check_types(kinds - known, wanted, field)
            known.update(kind for kind in kinds if issubclass(kind, wanted))
        return value

    return look


def check_types(kinds: set[type], wanted: tuple[type, ...], field: Field) -> None:
    """Refuse Python types that are not `wanted`; null is accepted where the field is nullable."""
    for kind in kinds:
        right = issubclass(kind, wanted) and (kind is not bool or isinstance(field.type, Bool))
        if not right and not (field.nullable and kind.__name__ in _NULL_TYPES):
            refuse(
                "output.dtype",
                "the answer is of another type",
                field,
                expected=str(field.type),
                found=clip(kind.__name__),
            )


def python_types(field: Field) -> tuple[type, ...] | None:
    """The Python types whose values `field` answers; None when that is not checked."""
    return _PYTHON_TYPES.get(type(field.type))


_FAMILIES = {"uint": "int", "object": "string", "str": "string", "large_string": "string", "boolean": "bool"}
_WORD = r"[a-z_]+"


def family(dtype: object) -> str:
    """The kind of a library's dtype by its name, whatever the width: `Int64`, `int32` and `uint8` are all `int`."""
    match = re.match(_WORD, str(dtype).lower())
    word = match[0].removesuffix("_") if match else ""
    return _FAMILIES.get(word, word)


def several(defects: list[Defect]) -> OutputError:
    """All defects of an answer as one error."""
    return OutputError(defects[0].message if len(defects) == 1 else "the answers do not fit the output schema", defects)


def check_names(raw: Any, names: tuple[str, ...]) -> None:
    """Refuse an answer whose names are not those of the schema, in any order."""
    if not isinstance(raw, Mapping):
        refuse("output.type", "the answer has no names", expected="a dict", found=shown(raw))
    if tuple(raw) == names or (len(raw) == len(names) and set(raw) == set(names)):
        return
    missing = [name for name in names if name not in raw]
    more = [name for name in raw if name not in names]
    defects = [Defect(code="output.names", message="is missing in the answer", field=name) for name in missing]
    defects += [Defect(code="output.names", message="is not in the schema", field=clip(name, 80)) for name in more]
    raise several(defects)


def is_sparse(field: Field) -> bool:
    """Whether `field` is answered as a sparse matrix."""
    return isinstance(field.type, Tensor) and field.type.sparse
