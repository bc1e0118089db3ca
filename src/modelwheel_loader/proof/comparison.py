"""How far two answers of a method are apart: labels must be equal, numbers within a tolerance.

Used to replay golden examples and to measure parity between runtimes. Answers may be of any layout; a table and a
dict of its columns are compared alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..defects import Defect
from ..records import Record
from ..text import clip, shown
from ..validate.batch import Array, null_name, objects
from .codec import to_datetime64

_CODE = "predict.differs"
_PLAIN_LABELS = {str, type(None)}
"""Types whose arrays `!=` compares correctly, so that a column of them is compared at once."""
_FLOATS = (float, np.floating)


class Comparison(Record):
    """`exact`: bit for bit. `within`: labels equal and `|found - expected| <= absolute + relative * |expected|`.

    The largest differences are over finite numbers, the relative one over those whose expected value is not zero.
    `disagreements` counts labels that differ, and places where only one of the two is NaN or infinite.
    """

    exact: bool
    within: bool
    max_absolute: float = 0.0
    max_relative: float = 0.0
    disagreements: int = 0
    first: Defect | None = None


_SAME = Comparison(exact=True, within=True)


def compare(expected: Any, found: Any, *, absolute: float = 0.0, relative: float = 0.0) -> Comparison:
    """Compare two answers of one method for the same rows. NaN equals NaN; infinities equal themselves."""
    if _are_arrays(expected) != _are_arrays(found) and isinstance(expected, list) and isinstance(found, list):
        expected, found = {"": objects(expected)}, {"": objects(found)}  # rows, which one of the two wrote as arrays
    left, right = _parts(expected), _parts(found)
    if len(left) != len(right):
        return _apart(f"{len(left)} parts", f"{len(right)} parts", "another number of parts")
    pairs = [(name, right[name if name in right else by_place]) for name, by_place in zip(left, right, strict=True)]
    return _worst([_compare_arrays(left[name], other, absolute, relative, str(name)) for name, other in pairs])


def _worst(results: list[Comparison]) -> Comparison:
    return Comparison(
        exact=all(result.exact for result in results),
        within=all(result.within for result in results),
        max_absolute=max((result.max_absolute for result in results), default=0.0),
        max_relative=max((result.max_relative for result in results), default=0.0),
        disagreements=sum(result.disagreements for result in results),
        first=next((result.first for result in results if result.first is not None), None),
    )


def _apart(expected: str, found: str, message: str, field: str = "") -> Comparison:
    defect = Defect(
        code=_CODE, message=f"the answer has {message}", expected=expected, found=found, field=field or None
    )
    return Comparison(exact=False, within=False, disagreements=1, first=defect)


def _parts(answer: Any) -> dict[Any, Any]:
    """The answer as named arrays; the one array of an unnamed answer is called ''."""
    if isinstance(answer, Mapping):
        return {name: _array(value) for name, value in answer.items()}
    if isinstance(answer, np.ndarray) or hasattr(answer, "tocsr"):
        return {"": answer}
    if isinstance(answer, list | tuple):
        if _are_arrays(answer):
            return dict(enumerate(answer))
        if answer and all(isinstance(part, Mapping) for part in answer):
            return {name: _array([record.get(name) for record in answer]) for name in answer[0]}
        return {"": _array(answer)}
    if hasattr(answer, "column_names") or hasattr(answer, "columns"):
        return _table_parts(answer)
    return {"": _array(answer)}


def _are_arrays(answer: Any) -> bool:
    """Whether an answer is a list of arrays."""
    known = isinstance(answer, list | tuple) and len(answer) > 0
    return known and all(isinstance(part, np.ndarray) or hasattr(part, "tocsr") for part in answer)


def _table_parts(table: Any) -> dict[Any, Any]:
    if hasattr(table, "iloc"):  # pandas: by position, for labels may be of any type
        return {str(name): _array(table.iloc[:, index]) for index, name in enumerate(table.columns)}
    if hasattr(table, "column_names"):  # Arrow
        return {name: _array(table.column(name).to_pylist()) for name in table.column_names}
    return {name: _array(table[name]) for name in table.columns}


def _array(values: Any) -> Any:
    """One array of what a column holds: numbers as numbers, all else as objects."""
    if isinstance(values, np.ndarray) or hasattr(values, "tocsr"):
        return values
    if hasattr(values, "null_count"):  # Polars: numpy would show null as NaN
        values = values.to_list()
    if hasattr(values, "to_numpy"):
        if hasattr(values, "dt") and getattr(values.dtype, "tz", None) is not None:  # pandas gives objects for these
            values = values.dt.tz_convert("UTC").dt.tz_localize(None)
        if isinstance(values.dtype, np.dtype):
            return values.to_numpy()
        values = list(values)  # of pandas' own dtypes: numpy would show NA as NaN
    items = list(values) if isinstance(values, list | tuple) else [values]
    kinds = set(map(type, items))
    if kinds <= {float} or kinds <= {int} or kinds <= {bool}:
        try:
            return np.array(items)
        except OverflowError:
            pass
    return objects(items)


def _compare_arrays(expected: Any, found: Any, absolute: float, relative: float, name: str) -> Comparison:
    if expected.shape != found.shape:
        return _apart(str(expected.shape), str(found.shape), "another shape", name)
    if hasattr(expected, "tocsr") or hasattr(found, "tocsr"):
        if not (hasattr(expected, "tocsr") and hasattr(found, "tocsr")):
            return _apart("a sparse matrix", "a dense one", "another type", name)
        expected, found = _aligned(expected, found)
    if expected.dtype.kind == "f" and found.dtype.kind == "f":
        return _compare_floats(expected, found, absolute, relative, name)
    if expected.dtype.kind == "O" or found.dtype.kind == "O":
        left, right = expected.ravel().tolist(), found.ravel().tolist()
        if set(map(type, left)) | set(map(type, right)) <= _PLAIN_LABELS:
            return _compare_labels(expected.astype(object), found.astype(object), name)
        return _compare_objects(list(zip(left, right, strict=True)), expected.shape, absolute, relative, name)
    return _compare_labels(expected, found, name)


def _aligned(expected: Any, found: Any) -> tuple[Array, Array]:
    """The values of two sparse matrices at every place where either has one."""
    places, values = zip(*(_coordinates(matrix.tocsr()) for matrix in (expected, found)), strict=True)
    union = np.union1d(*places)
    aligned = []
    for place, value in zip(places, values, strict=True):
        whole = np.zeros(union.size, dtype=value.dtype)
        np.add.at(whole, np.searchsorted(union, place), value)
        aligned.append(whole)
    return aligned[0], aligned[1]


def _coordinates(matrix: Any) -> tuple[Array, Array]:
    rows = np.repeat(np.arange(matrix.shape[0], dtype=np.int64), np.diff(matrix.indptr))
    return rows * np.int64(matrix.shape[1]) + matrix.indices, np.asarray(matrix.data)


def _compare_floats(expected: Array, found: Array, absolute: float, relative: float, name: str) -> Comparison:
    """Two arrays of floats of one shape. They are bit-equal when dtype, values and the signs of zeros are."""
    equal = (expected == found) | (np.isnan(expected) & np.isnan(found))
    if bool(equal.all()):
        signs = bool((np.signbit(expected) == np.signbit(found))[expected == found].all())
        return _SAME if signs and expected.dtype == found.dtype else Comparison(exact=False, within=True)
    wide = np.result_type(expected, found, np.float64)
    left, right = expected.astype(wide), found.astype(wide)
    finite = np.isfinite(left) & np.isfinite(right)
    with np.errstate(all="ignore"):
        difference = np.where(finite & ~equal, np.abs(right - left), 0.0)
        size = np.abs(np.where(finite, left, 0.0))
        ratio = np.where(size > 0, difference / np.where(size > 0, size, 1.0), 0.0)
        outside = ~equal & (~finite | (difference > absolute + relative * size))
    largest = np.finfo(np.float64).max
    return Comparison(
        exact=False,
        within=not bool(outside.any()),
        max_absolute=float(min(difference.max(initial=0.0), largest)),
        max_relative=float(min(ratio.max(initial=0.0), largest)),
        disagreements=int((~equal & ~finite).sum()),
        first=_first(outside, expected, found, name),
    )


def _compare_labels(expected: Array, found: Array, name: str) -> Comparison:
    if {expected.dtype.kind, found.dtype.kind} & set("USmM") and expected.dtype.kind != found.dtype.kind:
        return _apart(str(expected.dtype), str(found.dtype), "another type", name)
    different = np.asarray(expected != found)
    if expected.dtype.kind in "mM":
        different &= ~(np.isnat(expected) & np.isnat(found))
    if not bool(different.any()):
        same = expected.dtype == found.dtype or expected.dtype.kind in "US"
        return _SAME if same else Comparison(exact=False, within=True)
    first = _first(different, expected, found, name)
    return Comparison(exact=False, within=False, disagreements=int(different.sum()), first=first)


def _compare_objects(
    pairs: list[tuple[Any, Any]], shape: tuple[int, ...], absolute: float, relative: float, name: str
) -> Comparison:
    """Element by element: floats by the tolerance, everything else must be equal."""
    floats = [isinstance(a, _FLOATS) and isinstance(b, _FLOATS) for a, b in pairs]
    numbers = _SAME
    if any(floats):
        chosen = [pair for pair, both in zip(pairs, floats, strict=True) if both]
        left, right = np.array(chosen, dtype=np.float64).T
        numbers = _compare_floats(left, right, absolute, relative, name)
    flags = [not both and not _same(a, b) for (a, b), both in zip(pairs, floats, strict=True)]
    different = np.array(flags, dtype=bool).reshape(shape)
    if not bool(different.any()):
        return numbers
    index = int(different.ravel().argmax())
    place = _differs(index // max(different[0].size, 1), name, *pairs[index])
    labels = Comparison(exact=False, within=False, disagreements=int(different.sum()), first=place)
    return _worst([labels, numbers])


def _same(expected: Any, found: Any) -> bool:
    """Whether two single values are equal, of one kind: True is not 1, and null equals null, however it is written."""
    expected, found = _plain_instant(expected), _plain_instant(found)
    nulls = null_name(expected) is not None, null_name(found) is not None
    if any(nulls):
        return all(nulls)
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        return expected.keys() == found.keys() and all(_same(expected[key], found[key]) for key in expected)
    if isinstance(expected, list | tuple | np.ndarray) and isinstance(found, list | tuple | np.ndarray):
        return len(expected) == len(found) and all(map(_same, expected, found))
    if isinstance(expected, bool | np.bool_) != isinstance(found, bool | np.bool_):
        return False
    return bool(expected == found)


def _plain_instant(value: Any) -> Any:
    """A time with a zone, of Python or pandas, as numpy's instant in UTC, as examples are read."""
    if getattr(value, "tzinfo", None) is None or not hasattr(value, "astimezone"):
        return value
    return to_datetime64(value, "ns" if hasattr(value, "nanosecond") else "us")


def _first(different: Array, expected: Array, found: Array, name: str) -> Defect | None:
    if not bool(different.any()):
        return None
    place = np.unravel_index(int(different.argmax()), different.shape)
    return _differs(int(place[0]), name, expected[place], found[place])


def _differs(row: int, name: str, expected: Any, found: Any) -> Defect:
    message = "the answer differs from the recorded one"
    one, other = (shown(value.item() if isinstance(value, np.generic) else value) for value in (expected, found))
    return Defect(code=_CODE, message=message, row=row, field=clip(name) or None, expected=one, found=other)
