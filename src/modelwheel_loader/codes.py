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
    # predict.*: calling the model
    # pack.*, write.*: authoring
    # usage.*: a wrong call
    "usage.argument": Code("An argument has a wrong type or value.", "Read the signature in the reference."),
}
