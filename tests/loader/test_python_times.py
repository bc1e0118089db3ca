"""Times as the objects of Python that a model is fed: exact, in their zone, or refused with a reason."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pytest

from modelwheel_loader.errors import InputError, MissingExtra
from modelwheel_loader.opening.schema import Field, Schema
from modelwheel_loader.opening.types import DataType, Date, Duration, List, Struct, Timestamp, parse_type
from modelwheel_loader.validate.building import compile_native
from modelwheel_loader.validate.inputs import compile_input

FAR = np.array([2**62])


def fed(kind: DataType | str, data: Any, **options: Any) -> list[Any]:
    """What a callable that takes dicts is fed for the column `at`."""
    made = Field(name="at", type=parse_type(kind) if isinstance(kind, str) else kind, nullable=True)
    schema = Schema(fields=(made,), layout="records", **options)
    return [row["at"] for row in compile_native(schema)(compile_input(schema)({"at": data}))]


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("date", np.array([10**9], dtype="M8[D]")),
        ("date", np.array([-(10**9)], dtype="M8[D]")),
        ("timestamp[s]", FAR.view("M8[s]")),
        ("timestamp[us]", FAR.view("M8[us]")),
        ("timestamp[ns]", np.array([5], dtype="M8[ns]")),
        ("timestamp[us, America/Lima]", ["0001-01-01T00:00:00Z"]),
        ("timestamp[us, Asia/Tokyo]", ["9999-12-31T23:59:59Z"]),
        ("duration[s]", FAR.view("m8[s]")),
        ("duration[ns]", np.array([5], dtype="m8[ns]")),
        (List(Date()), [[np.datetime64(10**9, "D")]]),
        (List(Timestamp("s")), [[np.datetime64(2**62, "s")]]),
        (Struct((Field(name="x", type=Duration("s")),)), [{"x": np.timedelta64(2**62, "s")}]),
    ],
)
def test_what_python_cannot_hold_is_refused_and_never_cut(kind: Any, data: Any) -> None:
    with pytest.raises(InputError) as caught:
        fed(kind, data)
    (defect,) = caught.value.defects
    assert (defect.code, defect.field.split("[")[0].split(".")[0]) == ("input.out-of-range", "at")  # type: ignore[union-attr]
    assert "cannot be a Python" in defect.message
    assert defect.found


def test_every_row_is_named_and_null_is_not_judged() -> None:
    values = np.array([0, 10**9, 1, 2 * 10**9], dtype="M8[D]")
    with pytest.raises(InputError) as caught:
        fed("date", values)
    assert [defect.row for defect in caught.value.defects] == [1, 3]
    assert fed("date", np.ma.masked_array(values, mask=[False, True, False, True])) == [
        dt.date(1970, 1, 1),
        None,
        dt.date(1970, 1, 2),
        None,
    ]


@pytest.mark.parametrize(
    ("zone", "hours"), [("UTC", 0), ("Z", 0), ("+02:00", 2), ("-0330", -3.5), ("UTC+01:00", 1), ("Europe/Berlin", 1)]
)
def test_zones_are_names_or_offsets(zone: str, hours: float) -> None:
    (moment,) = fed(f"timestamp[us, {zone}]", ["2026-01-31T12:00:00Z"])
    assert moment == dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)
    assert moment.utcoffset() == dt.timedelta(hours=hours)


@pytest.mark.parametrize("zone", ["Mars/Base", "+25:00", "/etc/passwd"])
@pytest.mark.parametrize("container", ["list", "pandas", "polars"])
def test_an_unknown_zone_is_named_before_any_call(zone: str, container: Any) -> None:
    field = Field(name="at", type=Timestamp("us", zone))
    layout: Any = "records" if container == "list" else "frame"
    with pytest.raises(MissingExtra) as caught:
        compile_native(Schema(fields=(field,), layout=layout, container=container))
    assert caught.value.code == "schema.zone"


def test_times_inside_others_are_pythons_but_for_nanoseconds() -> None:
    kind = Struct((Field(name="d", type=Date(), nullable=True), Field(name="n", type=List(Timestamp("ns")))))
    at = np.datetime64("2026-01-31T12:00:00.000000005")
    assert fed(kind, [{"d": "2026-01-31", "n": [at]}, {"d": None, "n": []}]) == [
        {"d": dt.date(2026, 1, 31), "n": [at]},
        {"d": None, "n": []},
    ]
