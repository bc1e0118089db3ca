"""What notebooks show: well-formed, escaped, bounded, without scripts."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import modelwheel
from hostile import EVIL, hostile_bundle
from html_reader import Reader
from models import pack_flights_like
from modelwheel_loader.defects import Defect, listed
from modelwheel_loader.errors import InputError, ModelwheelError
from modelwheel_loader.opening.schema import Field, Schema
from modelwheel_loader.opening.types import String
from modelwheel_loader.proof.report import Report, Step
from modelwheel_loader.show import html
from modelwheel_loader.show.html import LONGEST, Html, joined, paragraph, styled, table, text, view
from modelwheel_loader.text import clip
from modelwheel_loader.validate.inputs import compile_input


def read(value: Any) -> Reader:
    """The view of `value`, as a notebook asks for it."""
    return Reader(value._repr_html_())


def raised(call: Callable[[], object]) -> ModelwheelError:
    with pytest.raises(ModelwheelError) as caught:
        call()
    return caught.value


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> modelwheel.Bundle:
    return pack_flights_like(tmp_path_factory.mktemp("html"))


@given(st.lists(st.lists(st.text(), min_size=2, max_size=2), min_size=1, max_size=4))
def test_any_text_comes_back_as_text(rows: list[list[str]]) -> None:
    kept = [index for index in (0, 1) if any(clip(row[index], LONGEST) for row in rows)]
    read = Reader(view(table(rows)))
    assert read.cells == [[clip(row[index], LONGEST) for index in kept] for row in rows]


@given(st.text())
def test_pieces_escape(value: str) -> None:
    expected = clip(value, LONGEST)
    for piece in (text(value), styled("mono", value), paragraph(value), joined([value])):
        assert "".join(Reader(view(piece)).texts) == expected
    assert text(Html("<br>")) == "<br>"


def test_a_bundle_says_what_it_is(bundle: modelwheel.Bundle) -> None:
    cells = read(bundle).cells
    names = [row[0] for row in cells]
    assert set(bundle.schema.names) <= set(names)
    assert set(bundle.methods) <= set(names)
    assert ["digest", bundle.digest] in cells
    assert [row[1] for row in cells if row[0] in ("onnx", "native")] == ["ready", "ready"]
    schema = read(bundle.schema).cells
    assert all(row in cells for row in schema)
    explained = read(bundle.explain())
    assert [row for row in cells if row[0] == "native"] == [row for row in explained.cells if row[0] == "native"]


def test_a_model_says_what_answers(bundle: modelwheel.Bundle) -> None:
    with bundle.load(runtime="onnx") as model:
        shown = read(model)
        assert "flight-delay 1.2.0, loaded: onnx" in shown.texts
        assert set(model.methods) == {row[0] for row in shown.cells} & set(bundle.methods)


def test_a_closed_bundle_still_shows_itself(tmp_path: Path) -> None:
    packed = pack_flights_like(tmp_path)
    packed.close()
    shown = read(packed)
    assert "flight-delay 1.2.0" in shown.texts
    assert any("usage.closed" in text for text in shown.texts)


@pytest.mark.filterwarnings("ignore:divide by zero")  # the forest's log of 0
def test_a_report_shows_each_step_and_all_defects(bundle: modelwheel.Bundle, tmp_path: Path) -> None:
    good = read(bundle.verify())
    assert "OK" in good.texts
    assert ["✓ passed", "structure"] in [row[:2] for row in good.cells]
    data = bytearray(bundle.path.read_bytes())
    data[data.index(b"sklearn.pipeline")] ^= 1
    broken = tmp_path / bundle.path.name
    broken.write_bytes(data)
    bad = read(modelwheel.verify(broken))
    assert "FAILED" in bad.texts
    assert "✗ failed" in [row[0] for row in bad.cells]
    assert "integrity.digest" in bad.texts


def test_an_error_is_a_table_of_all_defects(bundle: modelwheel.Bundle) -> None:
    model = bundle.load(runtime="onnx")
    error = raised(lambda: model.predict([{"distance": "far"}] * 30))
    assert len(error.defects) == 101  # 100, and the first of the last field
    shown = read(error)
    header, *rows = shown.cells
    assert header[:2] == ["row", "field"]
    told = listed(error.defects, 100, 10)
    assert [row[1] for row in rows] == [defect.field for defect in told]
    assert {defect.field for defect in told} == {defect.field for defect in error.defects}
    assert f"… and {error.counted - len(told):,} more" in shown.texts
    assert f"{type(error).__name__}:" in shown.texts


def test_advice_that_all_share_stands_once_below() -> None:
    defects = [Defect(code="input.null", message="is null", row=row, field="a") for row in (0, 1)]
    shown = read(InputError("two", defects))
    assert shown.cells[0] == ["row", "field", "what is wrong", "code"]
    assert sum("→" in text for text in shown.texts) == 1


def test_a_sentence_stands_once() -> None:
    shown = read(ModelwheelError.of("resolve.missing", "it is not there", where="a.whl"))
    assert shown.cells == [["place", "code"], ["a.whl", "resolve.missing"]]
    assert sum("it is not there" in text for text in shown.texts) == 1


def test_every_class_of_error_has_a_view() -> None:
    for name in modelwheel.errors.__all__:
        kind = getattr(modelwheel.errors, name)
        if isinstance(kind, type) and issubclass(kind, ModelwheelError):
            assert f"{name}:" in read(kind("said")).texts


def test_hostile_bundle_is_shown_as_text(tmp_path: Path) -> None:
    opened = modelwheel.open(hostile_bundle(tmp_path))
    shown = read(opened)
    assert sum("owned" in text for text in shown.texts) >= 8
    for value in (opened.schema, opened.explain(), opened.verify()):
        read(value)
    error = raised(lambda: opened.load(runtime="onnx"))
    read(error)


def test_hostile_data_is_shown_as_text() -> None:
    schema = Schema(fields=(Field(name=EVIL, type=String(), allowed=("a",)),), layout="records", extra="error")
    error = raised(lambda: compile_input(schema)([{EVIL: EVIL}, {EVIL * 2: EVIL}, {EVIL: b"<script>"}]))
    shown = read(error)
    assert sum("owned" in text for text in shown.texts) >= 4
    defect = Defect(code="input.null", message=EVIL, where=EVIL, field=EVIL, found=EVIL, expected=EVIL, hint=EVIL)
    read(ModelwheelError(EVIL, [defect]))
    read(Report(subject=EVIL, steps=(Step(name=EVIL, outcome="failed", detail=EVIL, defects=(defect,)),)))


def test_size_is_bounded() -> None:
    long = "<&>" * 10_000
    field = Field(
        name="f", type=String(), allowed=tuple(f"{long}{number}" for number in range(200)), description=long[:10_000]
    )
    wide = Schema(fields=tuple(field.replace(name=f"{number}{long[:9_000]}") for number in range(1_000)))
    shown = wide._repr_html_()
    assert len(shown) < 250_000
    assert "… and 900 more" in Reader(shown).texts
    defects = [Defect(code="input.null", message=long, field=long, found=long, hint=f"{n}{long}") for n in range(1_000)]
    assert len(ModelwheelError(long, defects)._repr_html_()) < 1_000_000


def test_nothing_of_it_is_imported_before_it_is_asked_for() -> None:
    code = "import sys, modelwheel_loader.bundle; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "modelwheel_loader.bundle" in done.stdout
    assert html.__name__ not in done.stdout


NOTEBOOK = """
import json, sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.history_manager.enabled = False
def shows(cell):
    result = shell.run_cell(cell)
    return sorted(shell.display_formatter.format(result.result)[0]) if result.success else "raised"
shell.run_cell("import modelwheel")
told = {cell: shows(cell) for cell in json.loads(sys.argv[1])}
print("TOLD" + json.dumps(told))
"""


def test_ipython_shows_it(bundle: modelwheel.Bundle, tmp_path: Path) -> None:
    """Of what a cell ends with, the view; of an error that nobody catches, its text; `sys.last_value` is its view."""
    cells = [
        f"b = modelwheel.open({str(bundle.path)!r}); b",
        "m = b.load(runtime='onnx'); m",
        "b.schema",
        "m.check()",
        "m.predict({})",
        "import sys; sys.last_value",
    ]
    environment = {"IPYTHONDIR": str(tmp_path), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "NO_COLOR": "1"}
    command = [sys.executable, "-c", NOTEBOOK, json.dumps(cells)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    told = json.loads(done.stdout.partition("TOLD")[2])
    both = ["text/html", "text/plain"]
    assert told == {cell: "raised" if cell == "m.predict({})" else both for cell in cells}
    assert "the data does not fit the model's schema" in done.stdout
    assert "[input.missing-field]" in done.stdout


def test_numbers_of_numpy_are_text_too() -> None:
    assert text(np.float64(1.5)) == "1.5"
