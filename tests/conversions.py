"""What each type of the contract takes, cell by cell: the table that `docs/contract.md` shows and the tests hold.

`SENT` are values as callers send them, `TAKEN` the types of fields, `CELLS` what comes of each pair: the canonical
value as text, or the code of the defect without its area. A pair that is not listed is `wrong-type`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal as PythonDecimal
from typing import Any

import numpy as np

from modelwheel_loader.errors import InputError
from modelwheel_loader.opening.schema import Field, Schema
from modelwheel_loader.opening.types import (
    Binary,
    Bool,
    Category,
    DataType,
    Date,
    Decimal,
    Duration,
    Float,
    Integer,
    List,
    String,
    Struct,
    Tensor,
    Timestamp,
)
from modelwheel_loader.validate.inputs import compile_input

SENT: dict[str, Any] = {
    "true": True,
    "3": 3,
    "300": 300,
    "2^53 + 1": 2**53 + 1,
    "2^64": 2**64,
    "3.0": 3.0,
    "3.5": 3.5,
    "1e39": 1e39,
    "infinity": float("inf"),
    "null, NaN, NaT, NA": None,
    "Decimal 3.5": PythonDecimal("3.5"),
    "Decimal 1e30": PythonDecimal("1e30"),
    "text `3`": "3",
    "text `red`": "red",
    "text `2026-01-31`": "2026-01-31",
    "text `2026-01-31T12:30:00`": "2026-01-31T12:30:00",
    "text `2026-01-31T12:30:00+01:00`": "2026-01-31T12:30:00+01:00",
    "text `PT1H30M`": "PT1H30M",
    "text `AAEC`": "AAEC",
    "half a surrogate pair": "\ud800",
    "bytes": b"\x00\x01\x02",
    "date": dt.date(2026, 1, 31),
    "datetime at midnight": dt.datetime(2026, 1, 31),  # noqa: DTZ001
    "datetime": dt.datetime(2026, 1, 31, 12, 30),  # noqa: DTZ001
    "datetime with microseconds": dt.datetime(2026, 1, 31, 12, 30, 0, 5),  # noqa: DTZ001
    "datetime with a zone": dt.datetime(2026, 1, 31, 12, 30, tzinfo=dt.timezone(dt.timedelta(hours=1))),
    "datetime64 with nanoseconds": np.datetime64("2026-01-31T12:30:00.000000005"),
    "timedelta": dt.timedelta(hours=1, minutes=30),
    "timedelta with milliseconds": dt.timedelta(milliseconds=1),
    "list `[1, 2]`": [1, 2],
    "list `[1, null]`": [1, None],
    "list `[1.5, 2.5]`": [1.5, 2.5],
    "list of lists": [[1], [2]],
    "object `{a: 1}`": {"a": 1},
}
TAKEN: dict[str, DataType] = {
    "bool": Bool(),
    "int8": Integer(8),
    "uint8": Integer(8, signed=False),
    "int64": Integer(),
    "float16": Float(16),
    "float32": Float(32),
    "float64": Float(),
    "string": String(),
    "binary": Binary(),
    "date": Date(),
    "timestamp[s]": Timestamp("s"),
    "timestamp[us]": Timestamp("us"),
    "timestamp[us, UTC]": Timestamp("us", "UTC"),
    "duration[s]": Duration("s"),
    "decimal(6, 2)": Decimal(6, 2),
    "category of text": Category(("red", "blue")),
    "category of int": Category((1, 3)),
    "list[int64]": List(Integer()),
    "tensor[float32, (2)]": Tensor("float32", (2,)),
    "struct[a: int8]": Struct((Field(name="a", type=Integer(8)),)),
}

CELLS: dict[str, dict[str, str]] = {
    "true": {
        "bool": "True",
    },
    "3": {
        "int8": "3",
        "uint8": "3",
        "int64": "3",
        "float16": "3.0",
        "float32": "3.0",
        "float64": "3.0",
        "decimal(6, 2)": "3.00",
        "category of int": "3",
    },
    "300": {
        "int8": "out-of-range",
        "uint8": "out-of-range",
        "int64": "300",
        "float16": "300.0",
        "float32": "300.0",
        "float64": "300.0",
        "decimal(6, 2)": "300.00",
        "category of int": "not-allowed",
    },
    "2^53 + 1": {
        "int8": "out-of-range",
        "uint8": "out-of-range",
        "int64": "9007199254740993",
        "float16": "out-of-range",
        "float32": "out-of-range",
        "float64": "out-of-range",
        "decimal(6, 2)": "out-of-range",
        "category of int": "not-allowed",
    },
    "2^64": {
        "int8": "out-of-range",
        "uint8": "out-of-range",
        "int64": "out-of-range",
        "float16": "out-of-range",
        "float32": "1.8446744073709552e+19",
        "float64": "1.8446744073709552e+19",
        "decimal(6, 2)": "out-of-range",
        "category of int": "out-of-range",
    },
    "3.0": {
        "int8": "3",
        "uint8": "3",
        "int64": "3",
        "float16": "3.0",
        "float32": "3.0",
        "float64": "3.0",
        "category of int": "3",
    },
    "3.5": {
        "int8": "not-whole",
        "uint8": "not-whole",
        "int64": "not-whole",
        "float16": "3.5",
        "float32": "3.5",
        "float64": "3.5",
        "category of int": "not-whole",
    },
    "1e39": {
        "int8": "out-of-range",
        "uint8": "out-of-range",
        "int64": "out-of-range",
        "float16": "out-of-range",
        "float32": "out-of-range",
        "float64": "1e+39",
        "category of int": "out-of-range",
    },
    "infinity": {
        "int8": "not-finite",
        "uint8": "not-finite",
        "int64": "not-finite",
        "float16": "not-finite",
        "float32": "not-finite",
        "float64": "not-finite",
        "category of int": "not-finite",
    },
    "null, NaN, NaT, NA": {
        "bool": "null",
        "int8": "null",
        "uint8": "null",
        "int64": "null",
        "float16": "null",
        "float32": "null",
        "float64": "null",
        "string": "null",
        "binary": "null",
        "date": "null",
        "timestamp[s]": "null",
        "timestamp[us]": "null",
        "timestamp[us, UTC]": "null",
        "duration[s]": "null",
        "decimal(6, 2)": "null",
        "category of text": "null",
        "category of int": "null",
        "list[int64]": "null",
        "tensor[float32, (2)]": "null",
        "struct[a: int8]": "null",
    },
    "Decimal 3.5": {
        "int8": "not-whole",
        "uint8": "not-whole",
        "int64": "not-whole",
        "float16": "3.5",
        "float32": "3.5",
        "float64": "3.5",
        "decimal(6, 2)": "3.50",
        "category of int": "not-whole",
    },
    "Decimal 1e30": {
        "int8": "out-of-range",
        "uint8": "out-of-range",
        "int64": "out-of-range",
        "float16": "out-of-range",
        "float32": "1.0000000150474662e+30",
        "float64": "1e+30",
        "decimal(6, 2)": "out-of-range",
        "category of int": "out-of-range",
    },
    "text `3`": {
        "string": "'3'",
        "decimal(6, 2)": "3.00",
        "category of text": "not-allowed",
    },
    "text `red`": {
        "string": "'red'",
        "category of text": "'red'",
    },
    "text `2026-01-31`": {
        "string": "'2026-01-31'",
        "date": "2026-01-31",
        "timestamp[s]": "2026-01-31T00:00:00",
        "timestamp[us]": "2026-01-31T00:00:00.000000",
        "timestamp[us, UTC]": "zone",
        "category of text": "not-allowed",
    },
    "text `2026-01-31T12:30:00`": {
        "string": "'2026-01-31T12:30:00'",
        "timestamp[s]": "2026-01-31T12:30:00",
        "timestamp[us]": "2026-01-31T12:30:00.000000",
        "timestamp[us, UTC]": "zone",
        "category of text": "not-allowed",
    },
    "text `2026-01-31T12:30:00+01:00`": {
        "string": "'2026-01-31T12:30:00+01:00'",
        "timestamp[s]": "zone",
        "timestamp[us]": "zone",
        "timestamp[us, UTC]": "2026-01-31T11:30:00.000000",
        "category of text": "not-allowed",
    },
    "text `PT1H30M`": {
        "string": "'PT1H30M'",
        "duration[s]": "5400 seconds",
        "category of text": "not-allowed",
    },
    "text `AAEC`": {
        "string": "'AAEC'",
        "binary": "b'\\x00\\x01\\x02'",
        "category of text": "not-allowed",
    },
    "half a surrogate pair": {},
    "bytes": {
        "binary": "b'\\x00\\x01\\x02'",
    },
    "date": {
        "date": "2026-01-31",
        "timestamp[s]": "2026-01-31T00:00:00",
        "timestamp[us]": "2026-01-31T00:00:00.000000",
        "timestamp[us, UTC]": "zone",
    },
    "datetime at midnight": {
        "date": "2026-01-31",
        "timestamp[s]": "2026-01-31T00:00:00",
        "timestamp[us]": "2026-01-31T00:00:00.000000",
        "timestamp[us, UTC]": "zone",
    },
    "datetime": {
        "date": "out-of-range",
        "timestamp[s]": "2026-01-31T12:30:00",
        "timestamp[us]": "2026-01-31T12:30:00.000000",
        "timestamp[us, UTC]": "zone",
    },
    "datetime with microseconds": {
        "date": "out-of-range",
        "timestamp[s]": "out-of-range",
        "timestamp[us]": "2026-01-31T12:30:00.000005",
        "timestamp[us, UTC]": "zone",
    },
    "datetime with a zone": {
        "date": "zone",
        "timestamp[s]": "zone",
        "timestamp[us]": "zone",
        "timestamp[us, UTC]": "2026-01-31T11:30:00.000000",
    },
    "datetime64 with nanoseconds": {
        "date": "out-of-range",
        "timestamp[s]": "out-of-range",
        "timestamp[us]": "out-of-range",
        "timestamp[us, UTC]": "zone",
        "tensor[float32, (2)]": "shape",
    },
    "timedelta": {
        "duration[s]": "5400 seconds",
    },
    "timedelta with milliseconds": {
        "duration[s]": "out-of-range",
    },
    "list `[1, 2]`": {
        "list[int64]": "[1, 2]",
        "tensor[float32, (2)]": "[1.0, 2.0]",
    },
    "list `[1, null]`": {
        "list[int64]": "null",
        "tensor[float32, (2)]": "null",
    },
    "list `[1.5, 2.5]`": {
        "list[int64]": "not-whole",
        "tensor[float32, (2)]": "[1.5, 2.5]",
    },
    "list of lists": {
        "tensor[float32, (2)]": "shape",
    },
    "object `{a: 1}`": {
        "struct[a: int8]": "{'a': 1}",
    },
}

CODES = frozenset({"wrong-type", "out-of-range", "not-whole", "not-finite", "not-allowed", "null", "zone", "shape"})


def row_judge(schema: Schema) -> Callable[[object], bool]:
    """Whether the row validator takes a value of the one field, which is called `v`."""
    check = compile_input(schema)

    def takes(value: object) -> bool:
        try:
            check([{"v": value}])
        except InputError:
            return False
        return True

    return takes


def is_taken(sent: str, taken: str) -> bool:
    """Whether the value is accepted."""
    return CELLS[sent].get(taken, "wrong-type") not in CODES


def table() -> str:
    """The table in Markdown: a tick where a value is taken, the code of the defect where it is refused."""
    lines = ["| sent | " + " | ".join(TAKEN) + " |", "| --- |" + " --- |" * len(TAKEN)]
    for sent in SENT:
        cells = ("✓" if is_taken(sent, taken) else CELLS[sent].get(taken, "") for taken in TAKEN)
        lines.append(f"| {sent} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
