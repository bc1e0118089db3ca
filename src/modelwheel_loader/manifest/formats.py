"""The fixed table of payload formats. A manifest names one of these, never a module or a function to import."""

from __future__ import annotations

from ..records import Record

KINDS = ("onnx", "native")
"""The kinds of payload, in the order in which `runtime="auto"` tries them."""
ISOLATED = "isolated"
RUNTIMES = (*KINDS, ISOLATED)
"""What `load` takes for `runtime`, beside `auto`. The isolated runtime runs the payload of the native one."""


class Format(Record):
    """A payload format: the runtime that opens it, and whether opening it runs code that the bundle brought.

    `risk` says why opening needs trust, as the end of "the native model is …"; empty when it does not.
    """

    kind: str
    runs_code: bool
    member: str
    risk: str = ""


def _compiled(framework: str) -> str:
    return f"a file of {framework}, whose compiled reader is not made for files of strangers"


FORMATS = {
    "onnx": Format(kind="onnx", runs_code=False, member="onnx/model.onnx"),
    "pickle": Format(
        kind="native", runs_code=True, member="native/model.pkl", risk="a pickle, which runs code when it is loaded"
    ),
    # no code, and readers in C++ that fall over damaged files (docs/decisions/0004)
    "xgboost-ubj": Format(kind="native", runs_code=False, member="native/model.ubj", risk=_compiled("XGBoost")),
    "lightgbm-text": Format(kind="native", runs_code=False, member="native/model.txt", risk=_compiled("LightGBM")),
    "catboost-cbm": Format(kind="native", runs_code=False, member="native/model.cbm", risk=_compiled("CatBoost")),
    # configurations and graphs that frameworks follow wherever they lead (docs/decisions/0012)
    "keras": Format(
        kind="native",
        runs_code=False,
        member="native/model.keras",
        risk="an archive of Keras, which builds the layers that it names",
    ),
    "saved-model": Format(
        kind="native",
        runs_code=False,
        member="native/saved_model.zip",
        risk="a SavedModel of TensorFlow, whose graph is a program that may read and write files",
    ),
    # no code, and classes that were not made to be built from bytes of strangers (docs/decisions/0011)
    "skops": Format(
        kind="native",
        runs_code=False,
        member="native/model.skops",
        risk="a skops file, which builds objects of the classes that it lists",
    ),
}
