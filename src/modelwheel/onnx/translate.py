"""An estimator as a graph by the converters of `families`, in double precision and with every prediction method."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from modelwheel_loader.opening import GraphInput
from modelwheel_loader.text import clip

from . import families  # noqa: F401 - the converters register themselves
from .arrays import Array
from .frames import Frame
from .graph import STRING, Builder
from .numpy_names import np
from .registry import apply
from .result import Graph, Unconvertible


def translate(
    model: Any,
    inputs: Sequence[GraphInput],
    names: Sequence[str] | None,
    methods: Sequence[str],
    answer: Callable[[Any, str, Frame], Any] = apply,
) -> Graph | str:
    """A graph that answers as many of `methods` as have converters; the reason when none has.

    `names` are those of the columns, where they have some.
    """
    graph = Builder()
    blocks = [_declared(graph, item) for item in inputs]
    x = Frame(blocks, names, [item.null_text for item in inputs])
    outputs: dict[str, tuple[str, ...]] = {}
    values: dict[str, Array] = {}
    reasons: list[str] = []
    for method in methods:
        try:
            parts = _parts(answer(model, method, x))
        except Exception as error:  # noqa: BLE001 - functions of users run too, on arrays that they do not expect
            reasons.append(_reason(error))
            continue
        outputs[method] = tuple(f"{method}.{place}" if len(parts) > 1 else method for place in range(len(parts)))
        values.update(zip(outputs[method], parts, strict=True))
    if not outputs:
        return "; ".join(dict.fromkeys(reasons))
    data = graph.model({name: (value.name, value.dtype, value.shape) for name, value in values.items()})
    return replace(_candidate(graph, data, inputs, outputs), ties=_ties(graph, inputs))


def _candidate(
    graph: Builder, data: bytes, inputs: Sequence[GraphInput], outputs: Mapping[str, tuple[str, ...]]
) -> Graph:
    used = tuple(item for item in inputs if item.name in graph.used)
    return Graph(data=data, inputs=used, outputs=outputs, opsets=graph.opsets)


def _ties(graph: Builder, inputs: Sequence[GraphInput]) -> Graph | None:
    if not graph.ties:
        return None
    tied = graph.ties[0]
    for other in graph.ties[1:]:
        tied = tied | other
    data = graph.model({"tied": (tied.name, tied.dtype, (None,))})
    return _candidate(graph, data, inputs, {"tied": ("tied",)})


def _reason(error: Exception) -> str:
    if isinstance(error, Unconvertible):
        return str(error)
    return f"{type(error).__name__}: {clip(str(error).partition(chr(10))[0], 200)}"


def _declared(graph: Builder, item: GraphInput) -> Array:
    dtype = STRING if item.dtype == "string" else np.dtype(item.dtype)
    graph.input(item.name, dtype, item.shape)
    return Array(graph, item.name, dtype, tuple(item.shape))


def _parts(answer: Any) -> list[Array]:
    """The graph outputs that make up a method's output. Their first axis is that of rows."""
    if isinstance(answer, list):
        return answer
    if isinstance(answer, Frame):
        if len({block.dtype for block in answer.blocks}) > 1 and STRING in {block.dtype for block in answer.blocks}:
            raise Unconvertible("its output mixes text and numbers")
        if answer.blocks[0].dtype == STRING:
            return [np.concatenate(answer.blocks, axis=1)]
        return [answer.matrix()]
    return [answer]
