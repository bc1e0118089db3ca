"""ONNX models as they are: what goes in, what is refused and how, and what the bundle is then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import TensorProto, helper, numpy_helper

import modelwheel
from graphs import constant, model, node, value
from modelwheel.errors import MissingExtra, PackError
from modelwheel.onnx.externalize import LARGE

RANDOM = np.random.default_rng(0)
TABLE = RANDOM.normal(size=(20_000, 16)).astype("float32")
X = RANDOM.normal(size=(60, 3)).astype("float32")


def two_inputs() -> Any:
    """Texts as numbers of words, any number of them; numbers beside; a large table; two outputs."""
    return model(
        [
            node("Gather", ["table", "ids"], ["words"]),
            node("ReduceMean", ["words", "axis"], ["mean"], keepdims=0),
            node("Concat", ["mean", "x"], ["all"], axis=1),
            node("ReduceSum", ["all", "axis"], ["score"], keepdims=0),
            node("Sigmoid", ["all"], ["parts"]),
        ],
        inputs=[value("ids", TensorProto.INT64, [None, "words"]), value("x", TensorProto.FLOAT, ["rows", 3])],
        outputs=[value("score", TensorProto.FLOAT, [None]), value("parts", TensorProto.FLOAT, [None, 19])],
        initializers=[numpy_helper.from_array(TABLE, "table"), constant("axis", [1])],
    )


SAMPLE = {"ids": RANDOM.integers(0, 20_000, (60, 7)), "x": X.astype("float64")}


def pack(made: Any, sample: Any, out: Path, **more: Any) -> modelwheel.Bundle:
    return modelwheel.pack(made, name="graph", version="1.0", sample=sample, out=out, **more)


def defects(error: pytest.ExceptionInfo[PackError]) -> str:
    return " | ".join(f"{item.field or item.where}: {item.message}" for item in error.value.defects)


def test_several_inputs_with_free_axes_and_several_outputs(tmp_path: Path) -> None:
    made = two_inputs()
    before = made.SerializeToString()
    with pack(made, SAMPLE, tmp_path) as bundle:
        assert made.SerializeToString() == before
        assert [payload.kind for payload in bundle.runtimes] == ["onnx"]
        assert [(item.kind, item.reason) for item in bundle.manifest.left_out] == [
            ("native", "the model is an ONNX graph: there is no Python object behind it")
        ]
        assert [str(field.type) for field in bundle.schema] == ["tensor[int64, (*)]", "tensor[float32, (3)]"]
        (weight,) = bundle.runtimes[0].weights  # type: ignore[union-attr]
        assert (weight.name, weight.size) == ("table", TABLE.nbytes)
        loaded = bundle.load()
        longer = {"ids": np.zeros((2, 11), int), "x": X[:2]}
        answer = loaded.predict(longer)
        expected = np.concatenate([np.repeat(TABLE[:1], 2, axis=0), X[:2]], axis=1)
        np.testing.assert_allclose(answer["score"], expected.sum(axis=1), rtol=1e-5)
        assert answer["parts"].shape == (2, 19)
        one = loaded.predict({"ids": [0], "x": [1.0, 2.0, 3.0]})
        assert isinstance(one["score"], float | np.floating)
        assert modelwheel.verify(bundle.path).ok


def test_a_matrix_feeds_the_one_input_there_is_and_is_rounded_to_its_dtype(tmp_path: Path) -> None:
    with pack(model([node("Abs", ["x"], ["y"])]), X.astype("float64"), tmp_path) as bundle:
        assert bundle.schema.layout == "matrix"
        assert {str(field.type) for field in bundle.schema} == {"float32"}
        np.testing.assert_array_equal(bundle.load().predict(X), np.abs(X))


def test_a_table_feeds_the_one_input_or_an_input_per_column(tmp_path: Path) -> None:
    frame = pd.DataFrame(X, columns=list("abc"))
    with pack(model([node("Abs", ["x"], ["y"])]), frame, tmp_path / "one") as bundle:
        np.testing.assert_array_equal(bundle.load().predict(frame[["c", "a", "b"]]), np.abs(X))
    apart = model(
        [node("Add", ["a", "b"], ["y"])],
        inputs=[value("a", TensorProto.DOUBLE, [None]), value("b", TensorProto.DOUBLE, [None])],
        outputs=[value("y", TensorProto.DOUBLE, [None])],
    )
    with pack(apart, frame[["b", "a"]], tmp_path / "two") as bundle:
        assert bundle.load().predict({"a": 1.5, "b": 2.0}) == 3.5


def test_nulls_are_nan_where_the_input_takes_floats(tmp_path: Path) -> None:
    with_nulls = X.astype("float64")
    with_nulls[3, 1] = np.nan
    with pack(model([node("IsNaN", ["x"], ["y"])], outputs=[value("y", TensorProto.BOOL, None)]), with_nulls,
              tmp_path) as bundle:  # fmt: skip
        assert bundle.load().predict({"x0": 1.0, "x1": None, "x2": 2.0}).tolist() == [False, True, False]
    whole = model(inputs=[value("x", TensorProto.INT64)], outputs=[value("y", TensorProto.INT64, None)])
    with pytest.raises(PackError) as error:
        pack(whole, with_nulls, tmp_path)
    assert defects(error) == "x1: the input x accepts numbers only"


def test_texts_go_in_and_come_out(tmp_path: Path) -> None:
    lower = model(
        [node("StringConcat", ["x", "x"], ["y"])],
        inputs=[value("x", TensorProto.STRING, [None, 1])],
        outputs=[value("y", TensorProto.STRING, [None, 1])],
    )
    with pack(lower, ["a", "bb", "ccc"], tmp_path) as bundle:
        assert bundle.load().predict(["x", "yy"]).tolist() == [["xx"], ["yyyy"]]
    with pytest.raises(PackError) as error:
        pack(lower, X[:, :1], tmp_path)
    assert defects(error) == "x0: the input x accepts text only, never null"


@pytest.mark.parametrize("form", ["bytes", "path", "text"])
def test_bytes_and_paths_are_models_too(form: str, tmp_path: Path) -> None:
    path = tmp_path / "made.onnx"
    path.write_bytes(model([node("Abs", ["x"], ["y"])]).SerializeToString())
    given = {"bytes": path.read_bytes(), "path": path, "text": str(path)}[form]
    with pack(given, X, tmp_path) as bundle:
        assert bundle.manifest.model == {"framework": "onnx", "class": "onnx.ModelProto"}
        np.testing.assert_array_equal(bundle.load().predict(X), np.abs(X))


def save_apart(made: Any, folder: Path) -> Path:
    path = folder / "apart.onnx"
    onnx.save(made, path, save_as_external_data=True, location="apart.data", size_threshold=0)
    return path


def test_tensors_in_a_file_beside_it_are_packed(tmp_path: Path) -> None:
    path = save_apart(two_inputs(), tmp_path)
    assert (tmp_path / "apart.data").stat().st_size > LARGE
    with pack(path, SAMPLE, tmp_path) as bundle, pack(two_inputs(), SAMPLE, tmp_path / "other") as whole:
        assert bundle.digest == whole.digest
    alone = onnx.load(path, load_external_data=False)
    with pytest.raises(PackError, match="was not passed as a path"):
        pack(alone, SAMPLE, tmp_path)
    (tmp_path / "apart.data").write_bytes(b"too little")
    with pytest.raises(PackError, match="the file of a tensor cannot be read"):
        pack(path, SAMPLE, tmp_path)


def test_tensors_of_a_file_elsewhere_are_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(TABLE.nbytes))
    (tmp_path / "inside").mkdir()
    path = save_apart(two_inputs(), tmp_path / "inside")
    for location in ("../secret", str(tmp_path / "secret")):
        made = onnx.load(path, load_external_data=False)
        for tensor in made.graph.initializer:
            next(item for item in tensor.external_data if item.key == "location").value = location
        path.write_bytes(made.SerializeToString())
        with pytest.raises(PackError, match="outside the model's folder"):
            pack(path, SAMPLE, tmp_path)


def test_what_exporters_note_of_their_machine_does_not_travel(tmp_path: Path) -> None:
    made = model([node("Abs", ["x"], ["y"])])
    inner = helper.make_graph([node("Neg", ["x"], ["z"])], "inner", [], [value("z")])
    inner.node[0].doc_string = "/home/ada/inner.py"
    made.graph.node.append(node("If", ["yes"], ["never"], then_branch=inner, else_branch=inner))
    made.graph.initializer.append(constant("yes", True, "bool"))
    made.graph.node[0].doc_string = "/home/ada/model.py"
    made.graph.node[0].metadata_props.add(key="stack_trace", value="/home/ada/train.py")
    made.graph.metadata_props.add(key="stack_trace", value="/home/ada/train.py")
    with pack(made, X, tmp_path) as bundle:
        assert b"/home/ada" not in bundle.path.read_bytes()
    assert made.graph.node[0].doc_string == "/home/ada/model.py"


# --- what is refused ---


def sequences() -> Any:
    kind = helper.make_sequence_type_proto(helper.make_tensor_type_proto(TensorProto.FLOAT, None))
    return model(
        [node("SplitToSequence", ["x"], ["y"])],
        outputs=[helper.make_value_info("y", kind)],
    )


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (sequences(), "output y: is a sequence"),
        (model(inputs=[value("x", shape=[1, 3])]), "input x: the first axis must be dynamic"),
        (model(inputs=[value("x", shape=[])]), "input x: the first axis must be dynamic"),
        (model(inputs=[value("x", shape=[None, 4])]), "x0: does not have the shape of the input x"),
        (model(inputs=[value("x", TensorProto.STRING)]), "x0: the input x accepts text only, never null"),
        (model([node("Evil", ["x"], ["y"], "acme")], opsets={"": 21, "acme": 1}), "acme::Evil: uses an operator"),
        (model([node("Abs", ["x"], ["y"])], opsets={"": 99}), "cannot run the graph"),
        (model([node("Nonsense", ["x"], ["y"])]), "cannot run the graph"),
        (model([node("Abs", ["w"], ["y"])], initializers=[constant("w", [[1.0] * 3], "float32")]), "one row for each"),
        (model([node("Add", ["x", "w"], ["y"])], initializers=[constant("w", np.nan, "float32")]), "gives NaN"),
    ],
)
def test_models_that_no_bundle_can_hold(made: Any, told: str, tmp_path: Path) -> None:
    with pytest.raises(PackError) as error:
        pack(made, X, tmp_path)
    assert told in f"{error.value} {defects(error)}"
    assert not list(tmp_path.iterdir())


def test_names_that_do_not_fit_are_told_all_at_once(tmp_path: Path) -> None:
    with pytest.raises(PackError) as error:
        pack(two_inputs(), {"id": SAMPLE["ids"], "x": X[:, :2]}, tmp_path)
    assert [item.field for item in error.value.defects] == ["ids", "id", "x"]
    assert "did you mean 'ids'?" in str(error.value)
    with pytest.raises(PackError, match="pass a dict of arrays"):
        pack(two_inputs(), X, tmp_path)
    texts = {"ids": SAMPLE["ids"], "x": np.array(["a"] * 60)}
    with pytest.raises(PackError) as error:
        pack(two_inputs(), texts, tmp_path)
    assert defects(error) == "x: does not have the shape of the input x | x: the input x accepts numbers only"


@pytest.mark.parametrize("given", [b"PK not a graph", b""])
def test_bytes_that_are_no_model(given: bytes, tmp_path: Path) -> None:
    with pytest.raises(PackError):
        pack(given, X, tmp_path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PackError, match=r"cannot be read: No such file"):
        pack(tmp_path / "none.onnx", X, tmp_path)


def test_packing_needs_onnx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(MissingExtra, match="onnx-pack"):
        pack(b"any", X, tmp_path)


@pytest.mark.parametrize(("opset", "ir", "expected"), [(21, 10, ">=1.20"), (22, 10, ""), (21, 11, "")])
def test_newer_operator_sets_ask_for_the_onnxruntime_that_ran_them(
    opset: int, ir: int, expected: str, tmp_path: Path
) -> None:
    import onnxruntime

    here = ">=" + ".".join(onnxruntime.__version__.split(".")[:2])
    made = model([node("Abs", ["x"], ["y"])], opsets={"": opset}, ir_version=ir)
    with pack(made, X, tmp_path) as bundle:
        assert bundle.runtimes[0].requires[0].specifier == (expected or here)


@pytest.mark.slow
def test_more_than_two_gigabytes(tmp_path: Path) -> None:
    """Three weights of 0.9 GB in a file that is mostly a hole: no protobuf message could hold them."""
    rows, width = 220_000, 1024
    names = ["one", "two", "three"]
    made = model(
        [*(node("Gather", [name, "x"], [f"of {name}"]) for name in names),
         node("Sum", [f"of {name}" for name in names], ["y"])],
        inputs=[value("x", TensorProto.INT64, [None])],
        outputs=[value("y", TensorProto.FLOAT, [None, width])],
    )  # fmt: skip
    size = rows * width * 4
    with (tmp_path / "weights").open("wb") as stream:
        for index, name in enumerate(names):
            tensor = made.graph.initializer.add(name=name, data_type=TensorProto.FLOAT, dims=[rows, width])
            tensor.data_location = TensorProto.EXTERNAL
            for key, text in (("location", "weights"), ("offset", index * size), ("length", size)):
                tensor.external_data.add(key=key, value=str(text))
            stream.seek(index * size)
            stream.write(np.full(width, 2.0**index, "float32").tobytes())
        stream.truncate(3 * size)
    (tmp_path / "big.onnx").write_bytes(made.SerializeToString())
    with pack(tmp_path / "big.onnx", np.arange(20), tmp_path) as bundle:
        assert bundle.path.stat().st_size > 2**31
        answer = bundle.load().predict(np.array([0, rows - 1]))
        assert answer[:, 0].tolist() == [7.0, 0.0]
    bundle.path.unlink()
