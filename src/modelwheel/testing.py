"""The contract of adapters, as checks that every one passes: ours, and those that other distributions bring.

    from modelwheel.testing import CHECKS, Case

    CASES = {"lines": Case(adapter=LineAdapter(), model=Line(2.0), sample=frame)}

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    @pytest.mark.parametrize("case", CASES.values(), ids=CASES)
    def test_contract(case, check, tmp_path):
        check(case, tmp_path)

A check raises `AssertionError` with a sentence. No test framework is needed, or imported.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelwheel_loader.bundle import open_bundle
from modelwheel_loader.errors import ModelwheelError, PackError, TrustError
from modelwheel_loader.opening import FORMATS, OnnxPayload
from modelwheel_loader.proof import compare

from .adapters import recognise
from .adapters.base import Adapter
from .inference.infer import infer_schema
from .onnx import Graph
from .packing.contract import BOUND_ROWS
from .packing.pack import PackedBundle, pack

__all__ = ["CHECKS", "Case", "Check"]

NAME = "contract"


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """A model that `adapter` recognises, a `sample` of its input, and what the checks expect of them.

    `unfitted` is a model of the same kind that cannot answer yet, `wrong` a sample that the model fails on (None when
    there is no such thing); `graph` says whether an ONNX graph is to come out. `module` is the framework's top-level
    module, which must not be imported before a model of it exists.
    """

    adapter: Adapter
    model: Any
    sample: Any
    unfitted: Any = None
    wrong: Any = None
    graph: bool = True
    module: str = ""


Check = Callable[[Case, Path], None]


def recognises_its_model_and_no_other(case: Case, folder: Path) -> None:
    """`recognises` is asked about anything at all, so it must neither claim it nor raise."""
    assert case.adapter.recognises(case.model), "the adapter does not recognise its own model"
    assert type(recognise(case.model)) is type(case.adapter), "pack finds another adapter for the model"
    for other in (None, 1, "text", b"", [], {}, object(), type(case.model)):
        claimed = case.adapter.recognises(other)
        assert not claimed or isinstance(other, bytes), f"the adapter claims {other!r}"


def names_its_model(case: Case, folder: Path) -> None:
    """What the manifest says of the model are texts, and the methods are names that a loaded model can have."""
    model = case.adapter.opened(case.model)
    assert isinstance(case.adapter.framework, str), "framework must be a text"
    assert "." in case.adapter.class_name(model), "class_name must be a dotted name"
    methods = case.adapter.methods(model)
    assert isinstance(methods, tuple), "methods must be a tuple"
    assert methods, "the model has no method"
    assert all(name.isidentifier() and not name.startswith("_") for name in methods), "methods must be public names"


def refuses_unfitted_models(case: Case, folder: Path) -> None:
    """A model that cannot answer yet is refused with a reason before it is asked anything."""
    if case.unfitted is None:
        return
    try:
        _pack(case, folder, model=case.unfitted)
    except PackError:
        return
    raise AssertionError("a model that cannot answer yet was packed")


def refuses_wrong_samples(case: Case, folder: Path) -> None:
    """A sample that the model fails on gives our error, with the model's own as its cause, and no file."""
    if case.wrong is None:
        return
    try:
        _pack(case, folder, sample=case.wrong)
    except ModelwheelError:
        assert not list(folder.glob("*.whl")), "a failure left a file behind"
        return
    raise AssertionError("a sample that the model fails on was packed")


def converts_without_raising(case: Case, folder: Path) -> None:
    """`convert` gives graphs or reasons; it raises for no model that it cannot convert."""
    model = case.adapter.opened(case.model)
    inferred = infer_schema(case.adapter.sample(case.sample))
    schema = case.adapter.contract(model, inferred.schema)
    case.adapter.bind(model, inferred.taken.take(range(min(inferred.rows, BOUND_ROWS))))
    given = list(case.adapter.convert(model, schema, list(case.adapter.methods(model))))
    assert given, "convert must give a graph or a reason"
    assert all(isinstance(item, Graph) or (isinstance(item, str) and item) for item in given), "of another type"


def answers_as_the_model(case: Case, folder: Path) -> None:
    """Every runtime and method: the native one bit for bit, the graph within tolerance and with the same labels."""
    expected = _answers(case)
    with _pack(case, folder) as bundle:
        assert {payload.kind for payload in bundle.runtimes} | {item.kind for item in bundle.manifest.left_out} >= {
            "onnx", "native",
        }, "a runtime is missing without a reason"  # fmt: skip
        kinds = {payload.kind for payload in bundle.runtimes}
        assert ("onnx" in kinds) is case.graph, f"the graph: {[item.reason for item in bundle.manifest.left_out]}"
        for payload in bundle.runtimes:
            with bundle.load(runtime=payload.kind) as model:
                for name in model.methods:
                    answer = getattr(model, name)(case.adapter.sample(case.sample))
                    tolerance = bundle.methods[name].tolerance
                    found = compare(expected[name], answer, absolute=tolerance.absolute, relative=tolerance.relative)
                    assert found.within, f"{payload.kind} {name} differs: {found}"
                    assert payload.kind == "onnx" or found.exact, f"native {name} is not the original's: {found}"
            if isinstance(payload, OnnxPayload):
                wrong = {name: parity.label_disagreements for name, parity in payload.parity.items()}
                assert not any(wrong.values()), f"labels disagree: {wrong}"


def leaves_the_model_as_it_was(case: Case, folder: Path) -> None:
    """Packing changes neither the model nor the sample: both answer the same afterwards."""
    before = _answers(case)
    _pack(case, folder).close()
    after = _answers(case)
    for name, answer in before.items():
        assert compare(answer, after[name]).exact, f"{name} answers otherwise after packing"


def packs_to_the_same_bytes(case: Case, folder: Path) -> None:
    """Twice the same model and sample is twice the same file."""
    with _pack(case, folder / "one") as one, _pack(case, folder / "two") as two:
        assert one.path.read_bytes() == two.path.read_bytes(), "packing twice gives different bytes"


def needs_trust_unless_it_is_a_graph(case: Case, folder: Path) -> None:
    """A file from anywhere opens only what runs no code and has a reader for hostile bytes."""
    with _pack(case, folder) as packed:
        path = packed.path
    with open_bundle(path) as bundle:
        for payload in bundle.runtimes:
            risk = FORMATS[payload.format].risk
            try:
                bundle.load(runtime=payload.kind).close()
            except TrustError:
                assert risk, f"{payload.format} needs no trust"
            else:
                assert not risk, f"{payload.format} opened without trust"


def answers_in_another_process(case: Case, folder: Path) -> None:
    """The golden examples are answered alike where nothing of this process is left."""
    with _pack(case, folder) as bundle:
        _run(_CHECK, str(bundle.path), *(payload.kind for payload in bundle.runtimes))


def imports_nothing_early(case: Case, folder: Path) -> None:
    """Asking the adapter about another model does not import its framework."""
    if case.module:
        _run(_RECOGNISE, type(case.adapter).__module__, type(case.adapter).__qualname__, case.module)


CHECKS: tuple[Check, ...] = (
    recognises_its_model_and_no_other,
    names_its_model,
    refuses_unfitted_models,
    refuses_wrong_samples,
    converts_without_raising,
    answers_as_the_model,
    leaves_the_model_as_it_was,
    packs_to_the_same_bytes,
    needs_trust_unless_it_is_a_graph,
    answers_in_another_process,
    imports_nothing_early,
)

_CHECK = """
import sys, modelwheel
for kind in sys.argv[2:]:
    with modelwheel.load(sys.argv[1], runtime=kind, trust=modelwheel.Trust.unsafe_run_code()) as model:
        report = model.check()
    if not report.ok:
        sys.exit(f"{kind}: {report}")
"""
_RECOGNISE = """
import importlib, sys
adapter = getattr(importlib.import_module(sys.argv[1]), sys.argv[2])()
assert not adapter.recognises(object())
sys.exit(f"{sys.argv[3]} was imported" if sys.argv[3] in sys.modules else None)
"""


def _run(code: str, *arguments: str) -> None:
    """Run `code` in another interpreter; its last words are the message of what fails."""
    command: Sequence[str] = [sys.executable, "-W", "ignore", "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own code
    assert done.returncode == 0, done.stderr[-2000:]


def _pack(case: Case, folder: Path, *, model: Any = None, sample: Any = None) -> PackedBundle:
    return pack(
        case.model if model is None else model,
        name=NAME,
        version="1.0",
        sample=case.sample if sample is None else sample,
        out=folder,
    )


def _answers(case: Case) -> dict[str, Any]:
    """What every method of the original answers for the whole sample."""
    model = case.adapter.opened(case.model)
    sample = infer_schema(case.adapter.sample(case.sample))
    schema = case.adapter.contract(model, sample.schema)
    case.adapter.bind(model, sample.taken.take(range(min(sample.rows, BOUND_ROWS))))
    return {name: case.adapter.function(model, name, schema)(sample.sample) for name in case.adapter.methods(model)}
