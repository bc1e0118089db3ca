"""The codes of what can be wrong with a schema that is made or changed by hand: cause and cure."""

from __future__ import annotations

SCHEMA_CODES: dict[str, tuple[str, str]] = {
    "schema.bound": ("A limit of a field does not fit its type.", "Correct the limit in the schema."),
    "schema.default": ("The default of a field does not fit its own field.", "Correct the default."),
    "schema.name": ("The name of a field is no text.", "Name fields as the columns are named, in text."),
    "schema.table": ("The schema contradicts itself.", "Correct what is named."),
    "schema.type": ("The type of a field is unknown.", "Use one of the types listed in docs/contract.md."),
    "schema.no-field": ("The schema has no field of that name.", "Look at `schema.names`."),
    "schema.source": (
        "No schema can be read from the object.",
        "Pass a Schema, a pydantic model, dataclass or TypedDict, a callable with type hints, or an Arrow schema.",
    ),
    "schema.hint": (
        "A type hint is missing, or describes no type of the contract.",
        "Use the types listed in docs/contract.md, or make the field by hand.",
    ),
    "schema.zone": (
        "A time zone of the schema is not known on this machine.",
        "Install its data (pip install tzdata), or correct the zone in the schema.",
    ),
    "schema.pydantic": ("pydantic is not installed.", 'Install it: pip install "modelwheel[pydantic]".'),
    "schema.arrow": (
        "An Arrow type has no counterpart in the contract.",
        "Convert the column, or make the field by hand.",
    ),
    "schema.attribute": ("A field has no such attribute.", "Look at `modelwheel.Field` in the reference."),
}
