from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto

from graphs import constant, data, external, node, value
from modelwheel_loader.errors import EnvironmentMismatch, InvalidBundle, MissingExtra, PredictionError, UsageError
from modelwheel_loader.opening.manifest import GraphInput, Weight
from modelwheel_loader.run.onnx_runtime import SessionOptions, granted_cores, import_onnxruntime, open_session

X = np.arange(6, dtype="float32").reshape(2, 3)
ADD = data([node("Add", ["x", "one"], ["y"])], initializers=[constant("one", 1.0, "float32")])
INPUT = GraphInput(name="x", dtype="float32", fields=("a", "b", "c"), shape=(None, 3))
DECLARED = Weight(name="w", dtype="float32", shape=(3, 2), offset=0, size=24)
WITH_WEIGHT = data([node("MatMul", ["x", "w"], ["y"])], initializers=[external("w", [3, 2])])


def test_a_graph_answers() -> None:
    session = open_session(ADD)
    (answer,) = session.run({"x": X}, ["y"])
    np.testing.assert_array_equal(answer, X + 1)
    assert session.info.inputs == {"x": ("float32", (None, 3))}


@pytest.mark.parametrize("options", [SessionOptions(), SessionOptions(threads=1), SessionOptions(spinning=True)])
def test_options(options: SessionOptions) -> None:
    (answer,) = open_session(ADD, options=options).run({"x": X}, ["y"])
    np.testing.assert_array_equal(answer, X + 1)


def test_declared_weights_are_given_as_arrays_and_not_copied() -> None:
    memory = np.arange(6, dtype="float32").reshape(3, 2)
    session = open_session(WITH_WEIGHT, {"w": memory}, declared=[DECLARED])
    expected = X @ memory
    del memory
    gc.collect()
    for _ in range(3):  # the array is kept alive by the session
        np.testing.assert_allclose(session.run({"x": X}, ["y"])[0], expected)


LOOKUP = data(
    [node("Gather", ["w", "i"], ["y"])],
    inputs=[value("i", TensorProto.INT64, [None])],
    initializers=[external("w", [3, 2])],
)
FOLDED = data(
    [node("Transpose", ["w"], ["t"]), node("MatMul", ["x", "t"], ["y"])],
    inputs=[value("x", shape=[None, 2])],
    initializers=[external("w", [3, 2])],
)


def lent(graph: bytes, feeds: dict[str, Any], options: SessionOptions | None = None) -> bool:
    """Whether the session reads the memory that it was given, at each call."""
    memory = np.arange(6, dtype="float32").reshape(3, 2)
    session = open_session(graph, {"w": memory}, declared=[DECLARED], options=options)
    before = session.run(feeds, ["y"])[0].copy()
    memory[:] = 7
    return not np.array_equal(session.run(feeds, ["y"])[0], before)


def test_weights_that_are_not_rearranged_stay_where_they_are() -> None:
    assert lent(LOOKUP, {"i": np.array([0, 2])})
    assert lent(WITH_WEIGHT, {"x": X}, SessionOptions(prepacking=False))


def test_weights_that_onnxruntime_computes_with_at_once_are_copied() -> None:
    assert not lent(FOLDED, {"x": X[:, :2]})
    memory = np.arange(6, dtype="float32").reshape(3, 2)
    (answer,) = open_session(FOLDED, {"w": memory}, declared=[DECLARED]).run({"x": X[:, :2]}, ["y"])
    np.testing.assert_array_equal(answer, X[:, :2] @ memory.T)


def test_where_our_empty_file_is_not_weights_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a zip file that is imported from."""
    monkeypatch.setattr("modelwheel_loader.run.onnx_runtime.__file__", str(tmp_path / "all.zip" / "session.py"))
    monkeypatch.chdir(tmp_path)
    assert not lent(LOOKUP, {"i": np.array([0, 2])})


def test_a_file_of_that_name_in_the_current_directory_is_never_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "weights.bin").write_bytes(np.full(6, 9, "float32").tobytes())
    monkeypatch.chdir(tmp_path)
    memory = np.arange(6, dtype="float32").reshape(3, 2)
    for graph, feeds, expected in (
        (LOOKUP, {"i": np.array([1])}, memory[1:2]),
        (FOLDED, {"x": X[:, :2]}, X[:, :2] @ memory.T),
        (WITH_WEIGHT, {"x": X}, X @ memory),
    ):
        (answer,) = open_session(graph, {"w": memory}, declared=[DECLARED]).run(feeds, ["y"])
        np.testing.assert_array_equal(answer, expected)


def test_a_weight_that_nobody_gives_is_refused() -> None:
    with pytest.raises(InvalidBundle, match="lies outside the file"):
        open_session(WITH_WEIGHT)
    with pytest.raises(InvalidBundle):
        open_session(WITH_WEIGHT, {}, declared=[DECLARED])


@pytest.mark.parametrize(
    "feeds",
    [
        {},
        {"z": X},
        {"x": X.astype("float64")},
        {"x": X[:, :2]},
        {"x": "text"},
        {"x": None},
        {"x": X, "z": X},
    ],
)
def test_feeds_that_do_not_fit_are_typed(feeds: dict[str, Any]) -> None:
    with pytest.raises(PredictionError) as caught:
        open_session(ADD).run(feeds, ["y"])
    assert caught.value.code == "predict.failed"
    assert caught.value.__cause__ is not None


def test_outputs_that_are_not_there_are_typed() -> None:
    with pytest.raises(PredictionError, match="nope"):
        open_session(ADD).run({"x": X}, ["nope"])


def test_failures_while_running_are_typed_and_name_no_path_of_the_build() -> None:
    made = data([node("Reshape", ["x", "s"], ["y"])], initializers=[constant("s", [7, 7])])
    with pytest.raises(PredictionError) as caught:
        open_session(made).run({"x": X}, ["y"])
    assert "onnxruntime_src" not in caught.value.message[:60]


@pytest.mark.parametrize(
    ("made", "error", "code"),
    [
        (data([node("Nope", ["x"], ["y"])]), EnvironmentMismatch, "onnx.runtime"),
        (data(opsets={"": 60}), EnvironmentMismatch, "onnx.runtime"),
        (data(ir_version=50), EnvironmentMismatch, "onnx.runtime"),
        (data([node("Add", ["x"], ["y"])]), InvalidBundle, "onnx.graph"),
        (data([node("Add", ["x", "nobody"], ["y"])]), InvalidBundle, "onnx.graph"),
        (data([node("Neg", ["z"], ["y"]), node("Neg", ["y"], ["z"])]), InvalidBundle, "onnx.graph"),
        (data(initializers=[external("w", [3])]), InvalidBundle, "onnx.graph"),
        (b"", InvalidBundle, "onnx.graph"),
    ],
)
def test_graphs_that_cannot_be_opened_are_typed(made: bytes, error: type[Exception], code: str) -> None:
    with pytest.raises(error) as caught:
        open_session(made)
    assert caught.value.code == code  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("inputs", "outputs", "messages"),
    [
        ([INPUT], ["y"], []),
        ([], ["nope"], ["disagree on an input", "no such output"]),
        ([GraphInput(name="x", dtype="float64", fields=("a",), shape=(None, 3))], ["y"], ["disagree on an input"]),
        ([INPUT, GraphInput(name="z", dtype="string", fields=("z",), shape=(None, 1))], [], ["disagree on an input"]),
    ],
)
def test_the_graph_is_the_one_that_the_manifest_describes(
    inputs: list[GraphInput], outputs: list[str], messages: list[str]
) -> None:
    if not messages:
        open_session(ADD, inputs=inputs, outputs=outputs)
        return
    with pytest.raises(InvalidBundle) as caught:
        open_session(ADD, inputs=inputs, outputs=outputs)
    assert len(caught.value.defects) == len(messages)
    assert all(part in defect.message for part, defect in zip(messages, caught.value.defects, strict=True))


def test_strings_and_no_rows() -> None:
    made = data(inputs=[value("x", TensorProto.STRING, [None, 1])], outputs=[value("y", TensorProto.STRING, [None, 1])])
    session = open_session(made)
    texts = np.array([["a"], ["ü\0x"], [""]], dtype=object)
    assert session.run({"x": texts}, ["y"])[0].tolist() == texts.tolist()
    assert open_session(ADD).run({"x": X[:0]}, ["y"])[0].shape == (0, 3)


def test_threads_may_run_at_the_same_time() -> None:
    session = open_session(WITH_WEIGHT, {"w": np.ones((3, 2), "float32")}, declared=[DECLARED])
    start = threading.Barrier(8)

    def work(number: int) -> bool:
        start.wait()
        feed = np.full((5, 3), number, dtype="float32")
        return all(bool((session.run({"x": feed}, ["y"])[0] == 3 * number).all()) for _ in range(50))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))


def test_without_onnxruntime_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtra) as caught:
        open_session(ADD)
    assert caught.value.code == "onnx.extra"
    assert "modelwheel[onnx]" in caught.value.hint
    assert "which is not installed" in str(caught.value)


def test_a_broken_onnxruntime_is_told_from_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('libstdc++.so.6: version GLIBCXX_9 not found')")
    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(MissingExtra, match=r"installed and cannot be imported.*GLIBCXX_9") as caught:
        open_session(ADD)
    assert "--force-reinstall" in caught.value.hint


def test_nothing_is_printed_and_nothing_is_imported_early() -> None:
    program = (
        "import sys\n"
        "from modelwheel_loader.run import onnx_runtime as onnx_session\n"
        "assert 'onnxruntime' not in sys.modules\n"
        "import numpy as np\n"
        "session = onnx_session.open_session(sys.stdin.buffer.read())\n"
        "try: session.run({'x': np.zeros((1, 4), 'float32')}, ['y'])\n"
        "except Exception as error: assert type(error).__name__ == 'PredictionError', error\n"
    )
    done = subprocess.run([sys.executable, "-c", program], input=ADD, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


OPENED = (
    "import os, sys\n"
    "from modelwheel_loader.run.onnx_runtime import open_session\n"
    "open_session(sys.stdin.buffer.read())\n"
    "print(os.environ['ORT_DISABLE_TELEMETRY'])\n"
)


@pytest.mark.parametrize(("given", "then"), [(None, "1"), ("0", "0"), ("", "")])
def test_nothing_is_kept_for_its_maker_unless_somebody_wants_that(tmp_path: Path, given: str | None, then: str) -> None:
    unset = {
        "XDG_CACHE_HOME",
        "ORT_DISABLE_TELEMETRY",
        "CI",
        "GITHUB_ACTIONS",
    }  # onnxruntime is silent where it sees CI
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment |= {"HOME": str(tmp_path)} | ({} if given is None else {"ORT_DISABLE_TELEMETRY": given})
    done = subprocess.run([sys.executable, "-c", OPENED], input=ADD, capture_output=True, check=True, env=environment)
    assert done.stdout.decode().strip() == then
    if given is None:
        assert not list(tmp_path.rglob("*"))


def test_an_onnxruntime_that_is_there_already_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    assert import_onnxruntime() is onnxruntime
    assert "ORT_DISABLE_TELEMETRY" not in os.environ


@pytest.mark.parametrize(
    "wrong",
    [
        {"threads": 0},
        {"threads": True},
        {"threads": 1.5},
        {"threads": 5000},
        {"spinning": 1},
        {"arena": None},
        {"prepacking": 0},
    ],
)
def test_settings_that_mean_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=f"{next(iter(wrong))} must be "):
        SessionOptions(**wrong)


def test_only_settings_are_settings() -> None:
    assert SessionOptions.checked(None) is None
    assert SessionOptions.checked(SessionOptions(threads=2)) == SessionOptions(threads=2)
    with pytest.raises(UsageError, match="onnx must be "):
        SessionOptions.checked({"threads": 2})


@pytest.mark.parametrize(
    ("options", "threads", "spinning", "arena", "plain"),
    [
        (SessionOptions(), 3, "0", True, None),
        (SessionOptions(threads=1, spinning=True, arena=False, prepacking=False), 1, None, False, "1"),
    ],
)
def test_settings_reach_onnxruntime(
    options: SessionOptions,
    threads: int,
    spinning: str | None,
    arena: bool,
    plain: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("modelwheel_loader.run.onnx_runtime.granted_cores", lambda: 3)
    kept = []

    class Kept(onnxruntime.InferenceSession):  # type: ignore[misc]
        def __init__(self, data: bytes, settings: Any, **more: Any) -> None:
            kept.append(settings)
            super().__init__(data, settings, **more)

    monkeypatch.setattr(onnxruntime, "InferenceSession", Kept)
    open_session(ADD, options=options)
    (settings,) = kept
    assert settings.intra_op_num_threads == threads
    assert settings.enable_cpu_mem_arena is arena
    if spinning is not None:
        assert settings.get_session_config_entry("session.intra_op.allow_spinning") == spinning
    if plain is not None:
        assert settings.get_session_config_entry("session.disable_prepacking") == plain


@pytest.mark.parametrize(
    ("quota", "granted"),
    [
        ("200000 100000", 2),
        ("50000 100000", 1),
        ("max 100000", None),
        ("6400000 100000", None),
        ("", None),
        ("1 0", None),
        ("\N{SNOWMAN}", None),
        (None, None),
    ],
)
def test_a_container_grants_fewer_cores_than_the_machine_has(
    quota: str | None, granted: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(64)))
    path = tmp_path / "cpu.max"
    if quota is not None:
        path.write_text(quota, encoding="utf-8")
    assert granted_cores(str(path)) == granted


def test_affinity_grants_fewer_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {1, 3})
    assert granted_cores("/nowhere") == 2
    monkeypatch.delattr(os, "sched_getaffinity")
    assert granted_cores("/nowhere") is None


@pytest.mark.parametrize("said", [RuntimeError("env.cc:327 pthread_create failed, error code: 11"), MemoryError()])
def test_a_system_that_refuses_threads_or_memory_is_no_fault_of_the_graph(
    said: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise said

    monkeypatch.setattr(onnxruntime, "InferenceSession", refused)
    with pytest.raises(EnvironmentMismatch) as caught:
        open_session(data([node("Neg", ["x"], ["y"])]))
    assert caught.value.code == "onnx.resources"
