"""Records what the original's methods predict for the golden rows and the whole sample, and whether twice alike."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from modelwheel_loader.errors import Defect, OutputError, PackError
from modelwheel_loader.opening import Float, Schema, Tensor, Tolerance
from modelwheel_loader.proof import compare
from modelwheel_loader.text import clip
from modelwheel_loader.validate import compile_output, is_pandas, library_of, objects, where_null

from ..adapters.base import Adapter
from ..inference.infer import Note, Sample, classes_lost, infer_output, infer_outputs
from .choose import Golden
from .state import changed_settings

SINGLE_PRECISION = Tolerance(absolute=1e-5, relative=1e-4)
"""What float32 arithmetic and another machine's libraries may change in probabilities; scaled for other numbers."""
_NAN = "pack.nan"
_INDEX = "pack.index"
_STATE = "pack.state"
_NEVER = frozenset({_NAN, _INDEX, _STATE})
"""What no method of the model may show: with scores of NaN, its labels mean nothing either."""
_GENERATED = (
    "State what a field may hold, and generated rows hold that: schema.with_field(NAME, allowed=(…)). "
    "Or give rows that may be stored: Examples(source='given', data=…)."
)
Predict = Callable[[Any], Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Recorded:
    """A method of the original: its answers for the golden rows and the whole sample, and what follows from them.

    `index` when an answer has the index of the DataFrame or Series that the method was given.
    """

    name: str
    output: Schema
    golden: Any
    whole: Any
    deterministic: bool
    tolerance: Tolerance
    index: bool
    notes: tuple[Note, ...] = ()

    def agrees(self, expected: Any, found: Any) -> bool:
        """Whether two answers of the method for the same rows are the same answer, within its tolerance."""
        with np.errstate(all="ignore"):
            return compare(expected, found, absolute=self.tolerance.absolute, relative=self.tolerance.relative).within


def chosen_methods(model: Any, adapter: Adapter, wanted: Sequence[str] | None) -> tuple[str, ...]:
    """The names of the methods to record; raises `PackError` for those that the model does not have."""
    names = adapter.methods(model)
    if unknown := [name for name in wanted or () if name not in names]:
        have = ", ".join(names) or "none"
        defects = [
            Defect(code="pack.method", message=f"the model has no method {clip(name)!r}", expected=have)
            for name in unknown
        ]
        raise PackError("the model does not have all requested methods", defects)
    if not names:
        message = f"this {type(model).__name__} has no prediction method"
        raise PackError.of(
            "pack.method",
            message,
            expected="predict, predict_proba, transform, …",
            hint="It cannot predict new rows: wrap what does in a function, and pack that.",
        )
    return tuple(name for name in names if wanted is None or name in wanted)


def record(
    methods: Mapping[str, Predict],
    golden: Golden,
    sample: Sample,
    notes: Iterable[Note],
    *,
    wanted: bool,
) -> tuple[list[Recorded], dict[str, str]]:
    """The answers of every method, and why others were left out.

    A method that fails on the sample is left out with its reason, unless the author asked for it by name (`wanted`),
    none is left, or it shows what no method may (`_NEVER`): then `PackError`.
    """
    hint = _hint(notes)
    recorded: list[Recorded] = []
    failed: dict[str, str] = {}
    defects: list[Defect] = []
    cause: BaseException | None = None
    for name, function in methods.items():
        try:
            recorded.append(_record(name, function, golden, sample))
        except PackError as error:
            if wanted or error.defects[0].code in _NEVER:
                raise
            failed[name] = error.message
            defects += [_of_method(name, defect, hint) for defect in error.defects]
            cause = error.__cause__ or error
    if not recorded:
        defects = _once(defects)
        rows = "generated rows" if golden.source == "synthetic" else "the sample"
        raise PackError(f"none of the model's methods works on {rows}", defects) from cause
    return recorded, failed


def _of_method(name: str, defect: Defect, hint: str) -> Defect:
    field = name if defect.field is None else f"{name}: {defect.field}"
    return defect.replace(field=field, hint=defect.hint or (hint if defect.code == "pack.predict" else ""))


def _once(defects: Sequence[Defect]) -> list[Defect]:
    """The defects, the same one of several methods once."""
    kept: dict[str, Defect] = {}
    for defect in defects:
        method = str(defect.field).partition(":")[0]
        kept.setdefault(defect.message.replace(f"the model's {method}()", "", 1), defect)
    return list(kept.values())


def _hint(notes: Iterable[Note]) -> str:
    """What may be why the model fails: a model of categories that is fed their values."""
    fields = [str(note.field) for note in notes if note.code == "categories-not-stored"]
    if not fields:
        return ""
    why = f"{clip(', '.join(fields), 200)}: too many categories to be stored, so the model was fed their plain values."
    return f"{why} Store them with options=Options(categories=…)."


def _record(name: str, function: Predict, golden: Golden, sample: Sample) -> Recorded:
    try:
        first = predict(name, function, golden.sample.data)
    except PackError as error:
        if golden.source != "synthetic":
            raise
        predict(name, function, sample.data)  # when it fails there too, that is what is wrong
        _asked_by_index(name, function, sample.data)  # or that the generated rows have another index
        message = error.message.replace("fails on the sample", "fails on generated rows", 1)
        raise PackError.of("pack.predict", message, hint=_GENERATED) from error.__cause__
    again = predict(name, function, golden.sample.data)
    whole = predict(name, function, sample.data)
    infer_output(whole, sample.rows)  # the output for many rows must have a layout too
    answers = [(first, golden.rows)]
    if type(whole) is type(first):  # what is fed as arrays may have been lists in the author's sample
        answers.append((whole, sample.rows))
    # another number of rows than the golden ones: of one row, that row twice
    places = np.arange(golden.rows - 1 if golden.rows > 1 else 2) % golden.rows
    few, notes = None, []
    try:
        few = predict(name, function, golden.sample.take(places))
        answers.append((few, len(places)))
    except PackError as error:
        notes.append(Note(code="batch", message=f"{error.message}, when it has {len(places)} rows", field=name))
    output = infer_outputs(answers)
    _check(name, output, answers)
    _refuse_nan(name, whole)
    tolerance = _tolerance(output, whole)
    # threads add in any order, so the last bits may differ: within the tolerance that is the same answer
    alike = compare(first, again, absolute=tolerance.absolute, relative=tolerance.relative).within
    made = Recorded(
        name=name, output=output, golden=first, whole=whole, deterministic=alike, tolerance=tolerance, index=False
    )
    _refuse_state(made, function, golden)
    if alike and few is not None and not made.agrees(part(output, first, places), few):
        message = f"{name}() answers a row by the other rows of the call too: one row alone may get another answer"
        notes.append(Note(code="batch", message=message, field=name))
    lost = (Note(code="not-kept", message=f"{name}: {words}", field=name) for words in classes_lost(first, output))
    made = replace(made, notes=(*notes, *lost))
    if golden.source in ("sample", "none"):
        return replace(made, index=_keeps_index(made, function, golden.sample.data, first))
    head = sample.take(np.arange(min(golden.rows, sample.rows)))
    return replace(made, index=_keeps_index(made, function, head, predict(name, function, head)))


def _refuse_state(method: Recorded, function: Predict, golden: Golden) -> None:
    """Raise `PackError` when the method answers otherwise where a setting of this process is at its default."""
    for what, neutral in changed_settings():
        try:
            with neutral():
                found = predict(method.name, function, golden.sample.data)
            same = infer_output(found, golden.rows) == infer_output(method.golden, golden.rows)
            if same and (not method.deterministic or method.agrees(method.golden, found)):
                continue
        except PackError:
            pass
        raise PackError.of(
            _STATE,
            f"the answers of the model's {method.name}() depend on {what}, which a bundle does not carry",
            hint="Set it inside the function or module that is packed, around what needs it; or pack without it.",
        )


def _keeps_index(method: Recorded, function: Predict, data: Any, own: Any) -> bool:
    """Whether what the method gives has the index of what it is given; raises `PackError` when it reads the index.

    `own` is what it gives for `data`, whose index may be any. The same rows are numbered in two ways: what a method
    reads shows in another answer, what it hands through in another index.
    """
    if not is_pandas(data):
        return is_pandas(own) and bool(own.index.equals(numbered(own).index))
    asked = [(data, own), *_asked_by_index(method.name, function, data)]
    if method.deterministic and not all(method.agrees(own, answer) for _, answer in asked):
        raise reads_index(method.name)
    if not is_pandas(own):
        return False
    if all(found.index.equals(given.index) and found.index.names == given.index.names for given, found in asked):
        return True
    if not all(found.index.equals(numbered(found).index) for _, found in asked):
        raise PackError.of(
            _INDEX,
            f"the answer of the model's {method.name}() has an index of its own, which a bundle does not carry",
            hint="Make it a column of the answer, or answer in the order of the rows: answer.reset_index().",
        )
    return False


def _asked_by_index(name: str, function: Predict, data: Any) -> list[tuple[Any, Any]]:
    """The rows numbered upward from 0 and downward to 1, each with what the method gives for them."""
    if not is_pandas(data):
        return []
    given = [numbered(data), data.set_axis(range(len(data), 0, -1))]
    try:
        return [(rows, predict(name, function, rows)) for rows in given]
    except PackError as error:
        raise reads_index(name) from error.__cause__


def numbered(data: Any) -> Any:
    """A DataFrame or Series whose rows are numbered from 0, as a bundle gives it to its model."""
    return data.set_axis(range(len(data)))


def reads_index(name: str) -> PackError:
    """The refusal of a model that reads the index."""
    message = f"the model's {name}() reads the index of its input, which a bundle does not carry"
    hint = (
        "Make it a column that the model reads: frame.reset_index(). A model that only aligns rows by it begins with "
        "frame.reset_index(drop=True)."
    )
    return PackError.of(_INDEX, message, hint=hint)


def _check(name: str, output: Schema, answers: Iterable[tuple[Any, int]]) -> None:
    """Raise `PackError` when the output schema does not describe one of the answers that it was inferred from."""
    check = compile_output(output)
    for answer, rows in answers:
        try:
            check(answer, rows, False)  # noqa: FBT003 - a call of many rows
        except OutputError as error:
            message = f"no output schema describes every answer of {name}(): {error.message}"
            raise PackError.of("infer.answer", message, found=f"an answer for {rows:,} rows") from None


def part(output: Schema, answer: Any, places: np.ndarray[Any, Any]) -> Any:
    """Some rows of an answer of any layout."""
    if output.layout == "columns":
        return {name: values[places] for name, values in answer.items()}
    if output.layout == "arrays":
        return [values[places] for values in answer]
    return Sample.of(answer).take(places)


def _refuse_nan(name: str, whole: Any) -> None:
    """Raise `PackError` when every number of the answer is NaN: weights that broke in training give such."""
    values = _numbers(whole)
    if values and all((missing := where_null(array)) is not None and missing.all() for array in values):
        raise PackError.of(_NAN, f"the model's {name}() gives NaN for every row of the sample")


def predict(name: str, function: Predict, data: Any) -> Any:
    """The model's prediction; raises `PackError` when it raises, with its own error as the cause.

    It gets a copy: a model that works in place must change neither the author's sample nor what is recorded.
    """
    data = fresh(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the author has seen these warnings
            return function(data)
    except Exception as error:  # the border to foreign code
        said = clip(" ".join(str(error).split()), 300)
        message = f"the model's {name}() fails on the sample: {type(error).__name__}: {said}"
        raise PackError.of("pack.predict", message) from error


def fresh(data: Any) -> Any:
    """A copy of a sample of any kind. Frames of Polars and Arrow cannot be changed, and are their own copies."""
    return data if library_of(data) in ("polars", "pyarrow") else copy.deepcopy(data)


def _tolerance(output: Schema, whole: Any) -> Tolerance:
    """No tolerance for labels; for numbers what float32 leaves of them, by their usual size."""
    if not any(_is_float(field.type) for field in output.fields):
        return Tolerance()
    values = [np.asarray(part, dtype=np.float64).ravel() for part in _numbers(whole)]
    sizes = [np.abs(part[np.isfinite(part)]) for part in values]
    usual = max((float(np.median(part)) for part in sizes if part.size), default=1.0)
    return Tolerance(absolute=SINGLE_PRECISION.absolute * max(usual, 1e-3), relative=SINGLE_PRECISION.relative)


def _is_float(kind: object) -> bool:
    return isinstance(kind, Float) or (isinstance(kind, Tensor) and kind.dtype.startswith("float"))


def _numbers(answer: Any) -> list[Any]:
    """The numeric arrays in an answer of any layout."""
    if hasattr(answer, "tocsr"):
        return [answer.tocsr().data]
    if isinstance(answer, Mapping):
        parts = list(answer.values())
    elif isinstance(answer, list | tuple) and answer and isinstance(answer[0], np.ndarray):
        parts = list(answer)
    elif isinstance(answer, list | tuple) and answer and isinstance(answer[0], Mapping):
        parts = [[row.get(name) for row in answer] for name in answer[0]]
    elif hasattr(answer, "columns") and not isinstance(answer, np.ndarray):
        parts = [answer[name] for name in answer.columns]
    else:
        parts = [answer]
    return [array for array in map(_as_array, parts) if array.dtype.kind == "f"]


def _as_array(values: Any) -> Any:
    """An array of the values; of objects when they are lists of different lengths."""
    try:
        return np.asarray(values)
    except ValueError:
        return objects(values)
