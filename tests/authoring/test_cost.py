"""The cost of runtimes: measured when asked for, written down, shown, and what `prefer` chooses by."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import modelwheel
from models import flights_like, flights_like_pipeline
from modelwheel.cli import main as cli
from modelwheel.errors import UsageError
from modelwheel.packing.cost import ROWS
from modelwheel.packing.pack import PackedBundle
from modelwheel.version import VERSION
from modelwheel_loader.opening.manifest import (
    Cost,
    Manifest,
    MethodCost,
    read_manifest,
)
from modelwheel_loader.run.isolation import Isolation
from modelwheel_loader.run.selection import (
    ISOLATED_CALL,
    Candidate,
    Preference,
    checked_preference,
    choose,
    seconds,
)
from modelwheel_loader.show.commandline import main as loader_cli
from modelwheel_loader.show.inspection import seconds_text

MEASURED = modelwheel.Options(measure_cost=True)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> PackedBundle:
    model, frame = flights_like_pipeline()
    folder = tmp_path_factory.mktemp("cost")
    return modelwheel.pack(model, name="m", version="1", sample=frame, options=MEASURED, out=folder)


def test_the_cost_of_each_runtime_and_method_is_written_down(bundle: modelwheel.Bundle) -> None:
    with modelwheel.open(bundle.path) as again:
        for payload in again.runtimes:
            cost = payload.cost
            assert cost is not None
            assert cost.open > 0
            assert cost.cores >= 1
            assert set(cost.methods) == set(payload.methods)
            for one in cost.methods.values():
                assert one.row > 0
                assert one.batch > 0
                assert one.rows in (100, 1_000, ROWS)


def test_it_is_shown(bundle: PackedBundle) -> None:
    explained = bundle.explain()
    for text in (str(explained), str(bundle.report)):
        assert text.count("opens in ") == 2
        assert "predict_proba: one row " in text
    shown = explained.to_dict()["runtimes"][0]["cost"]
    assert set(shown) == {"open", "cores", "methods"}


def test_nothing_is_measured_unless_asked_for(tmp_path: Path) -> None:
    """Times differ from packing to packing, and the same model is to give the same bytes."""
    model, frame = flights_like_pipeline()
    made = modelwheel.pack(model, name="m", version="1", sample=frame, out=tmp_path)
    assert [payload.cost for payload in made.runtimes] == [None, None]
    assert "cost" not in made.manifest.to_dict()["runtimes"][0]
    assert "opens in" not in str(made.explain())
    assert made.explain().to_dict()["runtimes"][0]["cost"] is None
    with pytest.raises(UsageError, match="was not measured") as caught:
        made.load(prefer="latency")
    assert caught.value.defects[0].code == "usage.no-cost"
    assert "measure_cost" in str(caught.value)


def test_a_single_runtime_needs_no_numbers(tmp_path: Path) -> None:
    model, frame = flights_like_pipeline()
    options = modelwheel.Options(runtimes=("native",))
    made = modelwheel.pack(model, name="m", version="1", sample=frame, out=tmp_path, options=options)
    assert made.load(prefer="latency").runtime == "native"


def test_a_function_and_rows_that_do_not_travel(tmp_path: Path) -> None:
    made = modelwheel.pack(
        lambda rows: rows.sum(axis=1),
        name="m",
        version="1",
        sample=np.ones((3, 2)),
        examples=modelwheel.Examples(source="none"),
        options=MEASURED,
        out=tmp_path,
    )
    cost = made.runtimes[0].cost
    assert cost is not None
    assert cost.methods["predict"].rows == ROWS


def test_a_slow_method_is_measured_with_fewer_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelwheel.packing.cost.LONGEST", 0.0)
    made = modelwheel.pack(
        lambda rows: rows.sum(axis=1), name="m", version="1", sample=np.ones((3, 2)), options=MEASURED, out=tmp_path
    )
    cost = made.runtimes[0].cost
    assert cost is not None
    assert cost.methods["predict"].rows == 100


@pytest.mark.parametrize("program", ["modelwheel", "modelwheel_loader"])
@pytest.mark.parametrize("prefer", ["latency", "throughput"])
def test_both_command_lines_choose_by_it(
    program: str, prefer: Preference, bundle: PackedBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen: list[str] = []

    def watched(*arguments: Any) -> Candidate:
        found = choose(*arguments)
        chosen.append(found.kind)
        return found

    monkeypatch.setattr("modelwheel_loader.bundle.choose", watched)
    frame, _ = flights_like()
    frame.to_json(tmp_path / "rows.jsonl", orient="records", lines=True)
    files = ["-o", str(tmp_path / "answers.jsonl")]
    given = [str(tmp_path / "rows.jsonl")] if program == "modelwheel" else ["-i", str(tmp_path / "rows.jsonl")]
    run = {"modelwheel": cli, "modelwheel_loader": loader_cli}[program]
    assert run(["predict", str(bundle.path), *given, *files, "--prefer", prefer, "--unsafe-run-code"]) == 0
    assert len((tmp_path / "answers.jsonl").read_text().splitlines()) == len(frame)
    cost = {item.kind: item.cost.methods for item in bundle.runtimes if item.cost is not None}
    count = "row" if prefer == "latency" else "batch"
    assert chosen == [min(cost, key=lambda kind: sum(getattr(one, count) for one in cost[kind].values()))]


@pytest.mark.parametrize("program", ["modelwheel", "modelwheel_loader"])
def test_on_the_command_line_too_it_is_no_guess(
    program: str, bundle: PackedBundle, capsys: pytest.CaptureFixture[str]
) -> None:
    run = {"modelwheel": cli, "modelwheel_loader": loader_cli}[program]
    assert run(["predict", str(bundle.path), "--prefer", "latency", "--runtime", "onnx"]) == 2
    assert "give one of the two" in capsys.readouterr().err


# -- choosing --------------------------------------------------------------------------------------------------------


def cost(row: float, batch: float, method: str = "predict") -> Cost:
    return Cost(open=0.1, cores=2, methods={method: MethodCost(row=row, batch=batch, rows=100)})


def with_costs(bundle: modelwheel.Bundle, costs: Mapping[str, Cost]) -> list[Candidate]:
    return [
        Candidate(kind=kind, payload=bundle.runtimes[0].replace(cost=cost), refusal=(), hindrances=())
        for kind, cost in costs.items()
    ]


def test_prefer_chooses_by_the_numbers(bundle: modelwheel.Bundle) -> None:
    candidates = with_costs(bundle, {"onnx": cost(0.001, 9.0), "native": cost(0.1, 1.0)})
    assert choose(candidates, "auto", bundle.manifest).kind == "onnx"
    assert choose(candidates, "auto", bundle.manifest, "latency").kind == "onnx"
    assert choose(candidates, "auto", bundle.manifest, "throughput").kind == "native"


def test_equal_numbers_leave_the_order_of_the_author(bundle: modelwheel.Bundle) -> None:
    candidates = with_costs(bundle, {"native": cost(0.1, 1.0), "onnx": cost(0.1, 1.0)})
    assert choose(candidates, "auto", bundle.manifest, "latency").kind == "native"


def test_only_methods_that_all_have_are_counted() -> None:
    left = {**cost(1.0, 5.0).methods, **cost(100.0, 100.0, "transform").methods}
    assert seconds(left, ["predict"], "latency", isolated=False) == 1.0
    assert seconds(left, ["predict"], "throughput", isolated=True) == 0.05


def test_another_process_costs_a_call_on_top() -> None:
    methods = cost(0.001, 1.0).methods
    assert seconds(methods, ["predict"], "latency", isolated=True) == 0.001 + ISOLATED_CALL


def test_prefer_by_load(bundle: modelwheel.Bundle) -> None:
    """A forest's row is far cheaper by the graph; the numbers say so, whatever the machine."""
    frame, _ = flights_like()
    by_kind = {payload.kind: payload.cost for payload in bundle.runtimes}
    for prefer in ("latency", "throughput"):
        with bundle.load(prefer=prefer) as model:
            counted = {
                kind: seconds(one.methods, list(one.methods), prefer, isolated=False)
                for kind, one in by_kind.items()
                if one is not None
            }
            assert model.runtime == min(counted, key=counted.__getitem__)
            assert len(model.predict(frame)) == len(frame)
    assert bundle.load(prefer="latency").runtime == "onnx"


@pytest.mark.parametrize("value", ["fast", 1, True, "Latency"])
def test_prefer_takes_two_words(value: Any) -> None:
    with pytest.raises(UsageError, match="prefer must be 'latency' or"):
        checked_preference(value, "auto")


def test_prefer_beside_a_named_runtime_is_refused(bundle: modelwheel.Bundle) -> None:
    with pytest.raises(UsageError, match="give one of the two"):
        bundle.load(runtime="native", prefer="latency")


def test_prefer_does_not_run_what_may_not_run(bundle: modelwheel.Bundle) -> None:
    with modelwheel.open(bundle.path) as file:
        assert file.load(prefer="throughput").runtime == "onnx"
        assert [status.cost is not None for status in file.explain(isolation=Isolation()).runtimes] == [
            True,
            True,
            False,
        ]


@pytest.mark.parametrize(
    ("number", "text"), [(2.5, "2.5 s"), (0.0123, "12.3 ms"), (0.00028, "280 µs"), (1e-7, "0.1 µs"), (0, "0 µs")]
)
def test_durations_in_words(number: float, text: str) -> None:
    assert seconds_text(number) == text


def test_the_manifest_reads_back_and_judges_costs(bundle: modelwheel.Bundle) -> None:
    import json

    document = bundle.manifest.to_dict()
    assert isinstance(read_manifest(json.dumps(document).encode()), Manifest)
    document["runtimes"][0]["cost"]["methods"]["predict"]["rows"] = 0
    document["runtimes"][1]["cost"]["open"] = "soon"
    with pytest.raises(modelwheel.errors.InvalidBundle) as caught:
        read_manifest(json.dumps(document).encode())
    assert {defect.where for defect in caught.value.defects} == {
        "manifest.json.runtimes[0].cost.methods.predict.rows",
        "manifest.json.runtimes[1].cost.open",
    }


def test_the_graph_says_what_it_is(bundle: modelwheel.Bundle) -> None:
    root = bundle.path
    import zipfile

    with zipfile.ZipFile(root) as archive:
        data = archive.read("modelwheel_bundles/m/onnx/model.onnx")
    model = onnx.ModelProto.FromString(data)
    onnx.checker.check_model(model, full_check=True)
    assert (model.producer_name, model.producer_version) == ("modelwheel", VERSION)
    found = {item.key: item.value for item in model.metadata_props}
    assert found["modelwheel.name"] == "m"
    assert found["modelwheel.version"] == "1"
    assert len(found["modelwheel.schema"]) == 64
