"""What a graph says of itself outside its bundle: who wrote it, of which model, for what input."""

from __future__ import annotations

import hashlib

from modelwheel_loader.opening.schema import Schema
from modelwheel_loader.opening.strictjson import dump_json

from ..version import VERSION
from .candidates import Candidate


def described(candidate: Candidate, name: str, version: str, schema: Schema) -> bytes:
    """The graph with its producer, and metadata that name the model and the SHA-256 of its input schema as JSON.

    A message of protobuf is extended by what follows it, so nothing is parsed. Graphs of the author stay as they are.
    """
    if candidate.as_given:
        return candidate.graph
    import onnx

    more = onnx.ModelProto(producer_name="modelwheel", producer_version=VERSION)
    metadata = {
        "modelwheel.name": name,
        "modelwheel.version": version,
        "modelwheel.schema": hashlib.sha256(dump_json(schema.to_dict())).hexdigest(),
    }
    for key, value in metadata.items():
        more.metadata_props.add(key=key, value=value)
    added: bytes = more.SerializeToString(deterministic=True)
    return candidate.graph + added
