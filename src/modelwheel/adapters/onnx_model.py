"""ONNX models as they are: the graph is the model, so a bundle of one holds nothing that runs code."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from modelwheel_loader.errors import MissingExtra, ModelwheelError, PackError
from modelwheel_loader.opening import Schema
from modelwheel_loader.run import compile_feeds, open_session
from modelwheel_loader.validate import compile_input, is_a

from ..extras import needed
from ..onnx import Conversion, Graph, OnnxModel, fitted, graph_inputs, laid_out, onnxruntime_range, read_model
from .base import Adapter, Predict

PREDICT = "predict"


class OnnxAdapter(Adapter):
    """`onnx.ModelProto`, the bytes of one, or the path of a file that ends in `.onnx`."""

    framework = "onnx"

    def recognises(self, model: object) -> bool:
        """Whether it is an ONNX model. Where onnx was never imported, only bytes and paths can be."""
        if isinstance(model, str | os.PathLike):
            return os.fspath(model).endswith(".onnx")
        return isinstance(model, bytes) or is_a(model, "onnx", "ModelProto")

    def opened(self, model: Any) -> OnnxModel:
        """The graph, read and checked as the loader checks it; raises `MissingExtra` without onnx."""
        with needed("onnx", "packing ONNX models", extra="onnx-pack"):
            import onnx  # noqa: F401
        return read_model(model)

    def class_name(self, model: Any) -> str:
        """The message that every ONNX model is."""
        return "onnx.ModelProto"

    def contract(self, model: OnnxModel, schema: Schema) -> Schema:
        """The sample's fields, with the dtypes and the free axes of the graph's inputs."""
        return fitted(schema, model.info)

    def function(self, model: OnnxModel, method: str, schema: Schema) -> Predict:
        """The graph by onnxruntime: its one output, or a dict of all."""
        names = list(model.info.outputs)
        try:
            session = open_session(model.graph, model.weights, declared=laid_out(model.weights))
        except MissingExtra:
            raise
        except ModelwheelError as error:
            raise PackError("the installed onnxruntime does not open the ONNX model", error.defects) from error
        check = compile_input(schema.replace(min_rows=None, max_rows=None, unique=()))
        feeds = compile_feeds(schema, graph_inputs(schema, model.info))

        def predict(data: Any) -> Any:
            answers = session.run(feeds(check(data)), names)
            return answers[0] if len(names) == 1 else dict(zip(names, answers, strict=True))

        return predict

    def native(self, model: Any) -> str:
        """There is nothing behind the graph."""
        return "the model is an ONNX graph: there is no Python object behind it"

    def convert(self, model: OnnxModel, schema: Schema, methods: Sequence[str]) -> Conversion:
        """The graph itself."""
        yield Graph(
            data=model.graph,
            inputs=graph_inputs(schema, model.info),
            outputs={PREDICT: tuple(model.info.outputs)},
            opsets=model.info.opsets,
            weights=model.weights,
            onnxruntime=onnxruntime_range(model.info),
            as_given=True,
        )
