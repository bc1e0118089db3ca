"""The stable codes of all defects, each with its cause and its cure. `docs/errors.md` is checked against this table.

A code never changes its meaning and is never reused; new ones are added.
"""

from __future__ import annotations

from typing import NamedTuple


class Code(NamedTuple):
    """What a code means: `cause` is why it happens, `cure` is what to do about it."""

    cause: str
    cure: str


CODES: dict[str, Code] = {
    # archive.*: the wheel file (archive.py), the folder and the installation (places.py), RECORD (record.py)
    # json.*: a JSON document inside the bundle (documents.py)
    "json.invalid": Code(
        "A JSON document of the bundle is not strict JSON.", "Get the bundle again from where it was published."
    ),
    # manifest.*: manifest.json and what it declares (manifest.py)
    "manifest.invalid": Code(
        "The manifest breaks a rule of the format.", "Get the bundle again from its author, or pack it again."
    ),
    "manifest.format": Code(
        "The bundle is of a format that this modelwheel does not read.", "Install a newer modelwheel."
    ),
    "manifest.members": Code(
        "The manifest and the files of the bundle do not fit together.",
        "Get the bundle again from its author, or pack it again.",
    ),
    # integrity.*: digests (integrity.py)
    # trust.*: permission to run code (trust.py)
    # resolve.*: finding what a reference means (resolve.py)
    # native.*, onnx.*: the payloads and their runtimes
    # environment.*: this interpreter and its packages (environment.py)
    # input.*, output.*, schema.*: the contract
    "schema.type": Code("The type of a field is unknown.", "Use one of the types listed in docs/contract.md."),
    "schema.no-field": Code("The schema has no field of that name.", "Look at `schema.names`."),
    "schema.attribute": Code("A field has no such attribute.", "Look at `modelwheel.Field` in the reference."),
    "output.type": Code(
        "The model answered with another kind of object than it did when it was packed.",
        "The model does not answer as it did when it was packed: compare the package versions with `explain`, or pack again.",
    ),
    "output.rows": Code(
        "The model did not answer one row for each row that it was given.",
        "The model does not answer as it did when it was packed: compare the package versions with `explain`, or pack again.",
    ),
    "output.shape": Code(
        "The answer has another shape than the output schema says.",
        "The model does not answer as it did when it was packed: compare the package versions with `explain`, or pack again.",
    ),
    "output.dtype": Code(
        "The answer is of another type than the output schema says.",
        "The model does not answer as it did when it was packed: compare the package versions with `explain`, or pack again.",
    ),
    "output.names": Code(
        "The names in the answer are not those of the output schema.",
        "The model does not answer as it did when it was packed: compare the package versions with `explain`, or pack again.",
    ),
    "output.null": Code(
        "The answer holds NaN, which the output schema excludes.",
        "Look at the rows that give NaN, or make the output nullable.",
    ),
    "output.infinite": Code(
        "The answer holds an infinite number, which the output schema excludes.",
        "Look at the rows that give it, or allow infinity in the output schema.",
    ),
    "output.range": Code(
        "The answer lies outside the minimum or maximum of the output schema.",
        "Look at the rows that give it, or widen the output schema.",
    ),
    "output.library": Code(
        "The library of the original's answers is not installed.",
        "Install it: `bundle.explain()` names what the model needs.",
    ),
    # predict.*: calling the model
    "predict.failed": Code(
        "The model itself raised an exception.",
        "Look at the `__cause__`: it is the model's own exception. Compare the data with the golden examples.",
    ),
    "predict.differs": Code(
        "The model's answers for the golden examples are outside the recorded tolerance.",
        "Do not serve it from this environment: compare the package versions with `explain`, or use another runtime.",
    ),
    "predict.no-method": Code("The packed object lacks a method that the bundle lists.", "Pack the model again."),
    # pack.*, write.*: authoring
    # usage.*: a wrong call
    "usage.closed": Code("The bundle or the model was closed.", "Open or load it again."),
    "usage.no-examples": Code("The bundle holds no such golden examples.", "Pack with examples, or skip the replay."),
    "usage.runtime": Code("No runtime has that name.", "Use one of the names listed."),
    "usage.runtime-left-out": Code(
        "The bundle was packed without that runtime.", "Use another runtime: `bundle.runtimes` lists them."
    ),
    "usage.no-method": Code("The model has no such method.", "Look at `model.methods`."),
    "usage.runtime-method": Code(
        "The bundle has that method, but not in the runtime that was loaded.", "Load the runtime that has it."
    ),
    "usage.argument": Code("An argument has a wrong type or value.", "Read the signature in the reference."),
}
