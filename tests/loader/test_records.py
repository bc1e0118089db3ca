from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from modelwheel_loader.records import Record


class Point(Record):
    x: int
    y: int = 0


class Named(Point):
    name: str


POINT = Point(x=1)


def test_attributes_are_given_by_keyword_or_by_the_class() -> None:
    assert (POINT.x, POINT.y) == (1, 0)
    assert POINT.attributes() == {"x": 1, "y": 0}
    assert Named(x=1, name="a").attributes() == {"x": 1, "y": 0, "name": "a"}
    assert repr(POINT) == "Point(x=1, y=0)"


@pytest.mark.parametrize(
    ("kind", "given", "said"),
    [
        (Point, {}, "Point needs 'x'"),
        (Named, {"y": 1}, "Named needs 'name', 'x'"),
        (Point, {"x": 1, "z": 2, "a": 3}, "Point has no 'a', 'z'"),
    ],
)
def test_what_is_missing_or_unknown_is_named(kind: type[Record], given: dict[str, Any], said: str) -> None:
    with pytest.raises(TypeError, match=said):
        kind(**given)


def test_records_are_equal_by_class_and_attributes() -> None:
    assert Point(x=1) == POINT
    assert hash(Point(x=1, y=0)) == hash(POINT)
    assert Point(x=2) != POINT
    assert Named(x=1, name="a") != POINT
    assert POINT != {"x": 1, "y": 0}


def test_records_cannot_be_changed_but_replaced() -> None:
    with pytest.raises(AttributeError, match="Point is immutable: 'x' cannot be set"):
        POINT.x = 2  # type: ignore[misc]
    with pytest.raises(AttributeError, match="Point is immutable: 'x' cannot be deleted"):
        del POINT.x
    assert POINT.replace(y=5).attributes() == {"x": 1, "y": 5}
    assert POINT.attributes() == {"x": 1, "y": 0}
    with pytest.raises(TypeError, match="Point has no 'z'"):
        POINT.replace(z=1)
    assert pickle.loads(pickle.dumps(POINT)) == copy.deepcopy(POINT) == POINT
