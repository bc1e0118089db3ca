"""Holds the promise: what the contract makes of the author's sample is predicted as for that very sample.

The author's object has predicted the author's own sample, untouched. Here the sample goes the way of a caller's data:
validated, and restored as the schema says that the model saw it. Where that changes a prediction, the contract cannot
carry something that the model tells apart, and nothing is packed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from modelwheel_loader.errors import Defect, ModelwheelError, PackError
from modelwheel_loader.opening import Schema
from modelwheel_loader.validate import compile_input, compile_native, is_pandas

from ..golden.recording import Predict, Recorded, numbered, part, predict, reads_index
from ..inference.infer import Note, Sample
from .measure import MOST_ROWS

_COUNTED = 2_000
"""Rows that are compared one by one, to say how many differ."""
_HINTS = {
    "mixed-nulls": "Write null in one way before fitting: frame[name].where(frame[name].notna(), None). "
    "If the difference means something, make it a value of its own.",
    "widened": "Give the column one type before fitting: frame[name].astype(float).",
    "absent": "Give every row the key, with the value that stands for its absence.",
    "categories-not-stored": "Store the categories: Options(categories=…).",
}
"""What to do about a field, by the note that says that it was not taken as it was."""
_HINT = "Pass the sample with the dtypes and nulls that callers will send, and fit the model on that."


def hold(
    schema: Schema,
    methods: Mapping[str, Predict],
    sample: Sample,
    recorded: Sequence[Recorded],
    notes: Iterable[Note],
) -> None:
    """Raise `PackError`, with the fields that may be why, when a method predicts otherwise by way of the contract."""
    check = compile_input(schema.replace(min_rows=None, max_rows=None, unique=()))
    places = np.unique(np.linspace(0, sample.rows - 1, min(sample.rows, MOST_ROWS)).astype(np.int64))
    given = compile_native(schema)(check(sample.take(places)))
    for method in recorded:
        if method.deterministic and (found := _differs(method, methods[method.name], given, places)):
            if _is_by_index(method, methods[method.name], sample.take(places), places):
                raise reads_index(method.name)
            message = f"the contract cannot carry what {method.name}() tells apart in the sample"
            raise PackError(message, list(_defects(found, notes)))


def _differs(method: Recorded, function: Predict, given: Any, places: np.ndarray[Any, Any]) -> str:
    """How the predictions differ from those for the sample itself; empty when they do not."""
    expected = part(method.output, method.whole, places)
    try:
        found = predict(method.name, function, given)
    except ModelwheelError as error:
        return error.message
    if method.agrees(expected, found):
        return ""
    if len(places) > _COUNTED:
        return f"some of {len(places):,} rows are predicted otherwise"
    rows = (np.array([place]) for place in range(len(places)))
    pairs = ((part(method.output, expected, row), part(method.output, found, row)) for row in rows)
    wrong = sum(not method.agrees(one, other) for one, other in pairs)
    return f"{wrong:,} of {len(places):,} rows are predicted otherwise"


def _is_by_index(method: Recorded, function: Predict, data: Any, places: np.ndarray[Any, Any]) -> bool:
    """Whether the same rows with another index are predicted otherwise, and with their own as expected."""
    if not is_pandas(data) or _differs(method, function, data, places):
        return False
    return bool(_differs(method, function, numbered(data), places))


def _defects(found: str, notes: Iterable[Note]) -> Iterator[Defect]:
    suspects = [note for note in notes if note.code in _HINTS and note.field]
    for note in suspects:
        yield Defect(code="pack.promise", field=note.field, message=f"{found}: {note.message}", hint=_HINTS[note.code])
    if not suspects:
        yield Defect(code="pack.promise", message=found, hint=_HINT)
