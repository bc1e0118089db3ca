"""The fixed table of payload formats. A manifest names one of these, never a module or a function to import."""

from __future__ import annotations

from typing import NamedTuple

KINDS = ("onnx", "native")
"""The kinds of payload, in the order in which `runtime="auto"` tries them."""
ISOLATED = "isolated"
RUNTIMES = (*KINDS, ISOLATED)
"""What `load` takes for `runtime`, beside `auto`. The isolated runtime runs the payload of the native one."""


class Format(NamedTuple):
    """A payload format: the runtime that opens it, and whether opening it runs code that the bundle brought."""

    kind: str
    runs_code: bool


FORMATS = {
    "onnx": Format(kind="onnx", runs_code=False),
    "pickle": Format(kind="native", runs_code=True),
}
