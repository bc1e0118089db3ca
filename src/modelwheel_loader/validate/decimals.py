"""Decimal numbers: exact, from integers, decimals and text."""

from __future__ import annotations

import decimal
import re
from typing import Any

import numpy as np

from ..opening.types import DataType, Decimal
from .kinds import Kind, Mismatch
from .numbers import NO_NUMBERS

_TEXT = r"(?a)[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?"


class _Decimal(Kind):
    type: Decimal
    has_order = True

    def convert(self, value: Any) -> decimal.Decimal:
        if isinstance(value, NO_NUMBERS):
            self.wrong()
        if isinstance(value, int | np.integer):
            return self._exact(decimal.Decimal(int(value)))
        if isinstance(value, decimal.Decimal):
            return self._exact(value)
        if not isinstance(value, str):
            floats = "floats are not exact decimals: send text such as '1.10'"
            self.wrong(floats if isinstance(value, float) else "")
        text = str.__str__(value)
        # Python's own reading takes underscores, blanks and the digits of every script
        if len(text) > 100 or re.fullmatch(_TEXT, text) is None:
            self.wrong()
        return self._exact(decimal.Decimal(text))

    def _exact(self, number: decimal.Decimal) -> decimal.Decimal:
        context = decimal.Context(prec=self.type.precision, traps=[decimal.Inexact, decimal.InvalidOperation])
        try:
            return number.quantize(decimal.Decimal(1).scaleb(-self.type.scale), context=context)
        except (decimal.Inexact, decimal.InvalidOperation):
            message = f"does not fit {self.type} exactly"
            raise Mismatch("input.out-of-range", message, str(self.type)) from None

    def arrow(self, pyarrow: Any) -> Any:
        make = pyarrow.decimal128 if self.type.precision <= 38 else pyarrow.decimal256
        return make(self.type.precision, self.type.scale)

    def polars(self, polars: Any) -> Any:
        return polars.Decimal(self.type.precision, self.type.scale)


KINDS: dict[type[DataType], type[Kind]] = {Decimal: _Decimal}
