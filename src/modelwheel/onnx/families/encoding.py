"""Categories to numbers: `sklearn.preprocessing` encoders, discretizers, and the encoders of labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..arrays import FLOAT, WHOLE, Array
from ..frames import Frame
from ..graph import STRING
from ..numpy_names import np
from ..registry import converts
from ..result import Unconvertible
from ..steps import look_up, one_hot, required, searchsorted_rows


def codes(x: Frame, index: int, categories: Any) -> Array:
    """The places of a column's values among its categories, of shape (rows,); their number for unknown values."""
    column, null = x.column(index)
    values = list(np.asarray(categories).tolist())
    if column.dtype == STRING:
        return _text_codes(column[:, 0], values, null)
    if any(isinstance(value, str) for value in values):
        raise Unconvertible("a numeric column has text categories")
    return _number_codes(column[:, 0], values)


def _text_codes(column: Array, values: Sequence[Any], null: str | None) -> Array:
    """The input has the text `null` for a null, and a text equal to it with a zero byte behind."""
    keys, places = [], []
    for place, value in enumerate(values):
        if isinstance(value, str):
            key = f"{value}\0" if value == null else value
        elif _is_null(value):
            if str(value) != null:
                continue
            key = null
        else:
            raise Unconvertible("a text column has numeric categories")
        keys.append(key)
        places.append(place)
    if not keys:
        return column.of(np.array(len(values), np.int64)) + (column != column).astype(WHOLE)  # noqa: PLR0124
    return look_up(column, keys, np.array(places, np.int64), len(values))


def _number_codes(column: Array, values: Sequence[Any]) -> Array:
    if any(isinstance(value, float) or value is None for value in values) or column.dtype.kind == "f":
        column = column.astype(FLOAT)
    elif column.dtype != WHOLE:
        column = column.astype(WHOLE)
    known = [place for place, value in enumerate(values) if not _is_null(value)]
    numbers = np.array([values[place] for place in known], column.dtype)
    made = look_up(column, numbers, np.array(known, np.int64), len(values))
    nulls = [place for place, value in enumerate(values) if _is_null(value)]
    if nulls and column.dtype.kind == "f":
        made = np.where(np.isnan(column), np.int64(nulls[0]), made)
    return made


def _is_null(value: Any) -> bool:
    return value is None or (isinstance(value, float) and np.isnan(value))


def _grouped(model: Any, index: int, count: int) -> list[int | None]:
    """The place of each category, and of an unknown one at the end, after grouping infrequent ones; None: masked."""
    places: list[int | None] = [*range(count), None]
    mappings = getattr(model, "_default_to_infrequent_mappings", None)
    mapping = mappings[index] if mappings is not None else None
    if mapping is not None:
        missing = getattr(model, "_missing_indices", {}).get(index)
        places = [place if place == missing else int(mapping[place]) for place in range(count)] + [None]
        if model.handle_unknown in ("infrequent_if_exist", "warn"):
            places[-1] = int(mapping[model._infrequent_indices[index][0]])  # noqa: SLF001
    return places


@converts("transform", "OneHotEncoder")
def _one_hot(model: Any, x: Frame) -> Array:
    columns = []
    drops = model._drop_idx_after_grouping  # noqa: SLF001
    for index, (categories, width) in enumerate(zip(model.categories_, model._n_features_outs, strict=True)):  # noqa: SLF001
        found = codes(x, index, categories)
        if model.handle_unknown == "error":
            found = required(found, len(categories))
        drop = drops[index] if drops is not None else None
        table = [_after_drop(place, drop) for place in _grouped(model, index, len(categories))]
        if table != [*range(len(categories)), -1]:
            found = found.of(np.array(table, np.int64)).take(found)
        columns.append(one_hot(found, int(width)))
    return np.concatenate(columns, axis=1)


def _after_drop(place: int | None, drop: int | None) -> int:
    if place is None or (drop is not None and place == drop):
        return -1
    return place - 1 if drop is not None and place > drop else place


@converts("transform", "OrdinalEncoder")
def _ordinal(model: Any, x: Frame) -> Array:
    columns = []
    for index, categories in enumerate(model.categories_):
        found = codes(x, index, categories)
        if model.handle_unknown == "error":
            found = required(found, len(categories))
        missing = model._missing_indices.get(index)  # noqa: SLF001
        table = [np.nan if place is None else float(place) for place in _grouped(model, index, len(categories))]
        if missing is not None:
            table[missing] = float(model.encoded_missing_value)
        if model.handle_unknown == "use_encoded_value":
            table[-1] = float(model.unknown_value)
        columns.append(found.of(np.array(table)).take(found))
    return np.stack(columns, axis=1)


@converts("transform", "TargetEncoder")
def _target(model: Any, x: Frame) -> Array:
    """The mean of the target for each category; the overall mean for unseen ones."""
    several = model.target_type_ == "multiclass"
    means = np.ravel(model.target_mean_)
    count = len(model.classes_) if several else 1
    columns = []
    for place, encoding in enumerate(model.encodings_):
        index = place // count
        found = codes(x, index, model.categories_[index])
        table = np.append(np.asarray(encoding, np.float64), means[place % count])
        columns.append(found.of(table).take(found))
    return np.stack(columns, axis=1)


@converts("transform", "KBinsDiscretizer")
def _bins(model: Any, x: Frame) -> Array:
    matrix = x.matrix()
    places = [searchsorted_rows(edges[1:-1], matrix[:, index]) for index, edges in enumerate(model.bin_edges_)]
    if model.encode == "ordinal":
        return np.stack(places, axis=1).astype(FLOAT)
    pairs = zip(places, model.n_bins_, strict=True)
    return np.concatenate([one_hot(place, int(count)) for place, count in pairs], axis=1)


@converts("transform", "LabelEncoder")
def _labels(model: Any, x: Frame) -> Array:
    return required(codes(x, 0, model.classes_), len(model.classes_))


@converts("transform", "LabelBinarizer")
def _binarized(model: Any, x: Frame) -> Array:
    """`label_binarize`: one column for two classes; an unknown label has none."""
    if model.y_type_.startswith("multilabel"):
        raise Unconvertible("multilabel targets do not form a column")
    classes = model.classes_
    hot = one_hot(codes(x, 0, classes), len(classes)).astype(WHOLE)
    if len(classes) == 2:
        hot = hot[:, [1]]
    if len(classes) == 1:
        return hot * 0 + int(model.neg_label)
    return hot * int(model.pos_label - model.neg_label) + int(model.neg_label)


@converts("transform", "DictVectorizer")
def _records(model: Any, x: Frame) -> Array:
    """A numeric field is one column; a text field has one column for each text of the training data."""
    if x.names is None:
        raise Unconvertible("its features have no names")
    columns = []
    for name in model.feature_names_:
        field, _, value = name.partition(model.separator)
        index = x.names.index(name) if name in x.names else x.names.index(field)
        column, null = x.column(index)
        if column.dtype == STRING:
            found = column == (f"{value}\0" if value == null else value)
        elif name in x.names:
            found = np.where(np.isnan(column), 0.0, column) if column.dtype.kind == "f" else column
        else:
            raise Unconvertible("a field mixes text and numbers")
        columns.append(found.astype(FLOAT))
    return np.concatenate(columns, axis=1)
