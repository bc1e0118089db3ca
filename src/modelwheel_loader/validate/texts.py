"""Texts, bytes and categories."""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING, Any

from ..opening.types import Binary, Bool, Category, DataType, Float, Integer, String
from .batch import Array, Column, Raw, objects
from .kinds import Accept, Kind, Mismatch, kind_of, not_allowed, split

if TYPE_CHECKING:
    from ..opening.schema import Field


_AT_ONCE = 10_000
_NONE = type(None)


class _Words(Kind):
    """Texts and categories: the array of objects itself is canonical when null is None alone."""

    _wanted: set[type]

    def _right(self, items: list[Any], missing: Array | None) -> bool:
        raise NotImplementedError

    def from_list(self, values: list[Any]) -> Column | None:
        return self._from_objects(objects(values), values)

    def _from_any_array(self, raw: Raw) -> Column | None:
        if (raw.missing is None or raw.texts) and raw.values.dtype == object and raw.values.ndim == 1:
            return self._from_objects(raw.values, raw.values.tolist())
        return super()._from_any_array(raw)

    def _from_objects(self, values: Array, items: list[Any]) -> Column | None:
        others = set(map(type, items)) - self._wanted
        if others <= {_NONE}:
            missing = values == None if others else None  # noqa: E711 - one by one
        else:
            parts = split(items, self._wanted, None)
            if parts is None:
                return None
            items, missing = parts
            values = objects(items)
        return Column(values, missing) if self._right(items, missing) else None


class _String(_Words):
    has_length = is_text = True
    answers = (str,)
    arrow_name = "string"
    polars_name = "String"
    _wanted = {str}  # noqa: RUF012 - never changed

    def convert(self, value: Any) -> str:
        if not isinstance(value, str):
            self.wrong()
        text = str.__str__(value)  # not str(): an enumeration of texts has another one
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise Mismatch("input.wrong-type", "holds half of a surrogate pair", "Unicode text") from None
        return text

    def accepts(self, field: Field) -> Accept:  # noqa: ARG002
        # text that is not ASCII might hold half of a surrogate pair
        return lambda value: type(value) is str and value.isascii()

    def _right(self, items: list[Any], missing: Array | None) -> bool:
        """Whether no text holds half of a surrogate pair."""
        texts = items if missing is None else list(filter(None, items))
        for start in range(0, len(texts), _AT_ONCE):
            joined = "".join(texts[start : start + _AT_ONCE])
            try:
                if not joined.isascii():
                    joined.encode("utf-8")
            except UnicodeEncodeError:
                return False
        return True

    def _from_any_array(self, raw: Raw) -> Column | None:
        return Column(raw.values, raw.missing) if raw.texts else super()._from_any_array(raw)


class _Binary(Kind):
    has_length = True
    answers = (bytes,)
    arrow_name = "binary"
    polars_name = "Binary"

    def convert(self, value: Any) -> bytes:
        if isinstance(value, bytes | bytearray | memoryview):
            return bytes(value)
        if not isinstance(value, str):
            self.wrong()
        try:
            return binascii.a2b_base64(value, strict_mode=True)
        except (binascii.Error, ValueError):
            raise Mismatch("input.wrong-type", "is text that is not base64", "bytes, or base64 as text") from None


class _Category(_Words):
    type: Category
    arrow_name = "string"
    polars_name = "String"

    def __init__(self, kind: Category) -> None:
        super().__init__(kind)
        self._values = frozenset(kind.values)
        self._wanted = {type(value) for value in kind.values}
        first = kind.values[0] if kind.values else ""
        self.is_text = len(kind.values) > 0 and isinstance(first, str)
        self._inner = kind_of({bool: Bool(), int: Integer(), float: Float()}.get(type(first), String()))

    def misfit(self) -> str:
        values, kinds = self.type.values, self._wanted
        if len(kinds) < 2 and kinds <= {str, int, float, bool} and len(self._values) == len(values):
            return ""
        return "is a category whose values are not distinct texts, numbers or Booleans of one type"

    def convert(self, value: Any) -> Any:
        plain = self._inner.convert(value)
        if plain not in self._values:
            raise not_allowed(plain, self.type.values)
        return plain

    def accepts(self, field: Field) -> Accept | None:
        if any(part is not None for part in (field.minimum, field.maximum, field.pattern)):
            return None
        types, values = self._wanted, self._values & frozenset(field.allowed or self._values)
        return lambda value: type(value) in types and value in values

    def bound(self, value: Any) -> Any:
        return value

    def _right(self, items: list[Any], missing: Array | None) -> bool:  # noqa: ARG002
        return float not in self._wanted and set(items) - {None} <= self._values

    def from_array(self, raw: Raw) -> Column | None:
        if raw.values.dtype.kind not in "biu" or raw.missing is not None:
            return None
        return self.from_list(raw.values.tolist())


KINDS: dict[type[DataType], type[Kind]] = {String: _String, Binary: _Binary, Category: _Category}
