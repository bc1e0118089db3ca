"""The distributions that a runtime needs beside what its payload names: those of its input and of its answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from modelwheel_loader.opening import Requirement, Schema
from modelwheel_loader.run import specifier_for

from ..capturing.capture import Captured, distribution_requirement
from ..capturing.overrides import override, read_overrides
from ..onnx import Graph
from ..options import Dependencies
from ..origins import Origins


def libraries_of(schema: Schema, what: str) -> dict[str, str]:
    """Distributions that make the data of a schema, and why; `what` is the data in words."""
    needed: dict[str, str] = {}
    if schema.container in ("pandas", "polars", "pyarrow"):
        needed[schema.container] = what
    if any(field.physical is not None and field.physical.dtype.endswith("[pyarrow]") for field in schema.fields):
        needed["pyarrow"] = f"Arrow's columns in {what}"
    if any(getattr(field.type, "sparse", False) for field in schema.fields):
        needed["scipy"] = f"the sparse matrices in {what}"
    return needed


def with_answers(captured: Captured, outputs: Iterable[Schema], settings: Dependencies) -> Captured:
    """A native payload that also needs what its answers are made of, unless the author's words are against it."""
    ours = read_overrides(settings)
    known = {*(item.name for item in captured.requires), *ours.drop, *ours.replace}
    added = [item for name, item in _of_answers(outputs).items() if name not in known]
    return replace(captured, requires=tuple(sorted((*captured.requires, *added), key=lambda item: item.name)))


def graph_requires(
    graph: Graph, outputs: Iterable[Schema], settings: Dependencies, origins: Origins
) -> tuple[Requirement, ...]:
    """What runs a graph and makes its answers, after the author's words; these name what another runtime needs too."""
    found = {"onnxruntime": distribution_requirement("onnxruntime", graph.onnxruntime, "the graph")}
    found |= _of_answers(outputs)
    made = override(found, read_overrides(settings).within(found), origins)
    return tuple(made[name] for name in sorted(made))


def _of_answers(outputs: Iterable[Schema]) -> Mapping[str, Requirement]:
    from importlib.metadata import version

    reasons: dict[str, str] = {}
    for output in outputs:
        reasons |= libraries_of(output, "the answers of the model")
    return {
        name: distribution_requirement(name, specifier_for(name, version(name)), why)
        for name, why in sorted(reasons.items())
    }
