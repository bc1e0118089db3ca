"""The author's schema and the inferred one made one: limits from the first, dtypes from the second."""

from __future__ import annotations

import dataclasses

from modelwheel_loader.defects import Defect
from modelwheel_loader.errors import PackError
from modelwheel_loader.opening.schema import Schema

from ..inference.infer import Inferred


def agree(schema: Schema | None, inferred: Inferred) -> Schema:
    """The schema to pack: `schema` with how the model saw each column, which only the sample tells.

    The columns of an array, and the one thing per row that a model takes, have no names of their own: the schema
    gives them, in order. Raises `PackError` when the two do not name the same fields. Whether the sample's values fit
    is seen when the golden examples are checked.
    """
    if schema is None:
        return inferred.schema
    if _without_names(inferred) and len(schema.fields) == len(inferred.schema.fields):
        inferred = _named(inferred, schema)
    seen = {field.name: field for field in inferred.schema.fields}
    defects = [
        Defect(code="pack.schema", message="is in the schema and not in the sample", field=name)
        for name in schema.names
        if name not in seen
    ]
    defects += [
        Defect(code="pack.schema", message="is in the sample and not in the schema", field=name)
        for name in seen
        if name not in schema.names
    ]
    if defects:
        raise PackError("the schema and the sample do not have the same fields", defects)
    fields = {
        field.name: field.replace(
            physical=field.physical or seen[field.name].physical,
            observed=field.observed or seen[field.name].observed,
        )
        for field in schema.fields
    }
    # the order of the columns is the model's
    ordered = tuple(fields[name] for name in seen)
    made = inferred.schema
    return schema.replace(
        fields=ordered, layout=made.layout, container=made.container, dtype=made.dtype, order=made.order
    )


def _without_names(inferred: Inferred) -> bool:
    schema = inferred.schema
    return schema.layout in ("matrix", "array") and schema.container in ("numpy", "list")


def _named(inferred: Inferred, schema: Schema) -> Inferred:
    pairs = zip(inferred.schema.fields, schema.names, strict=True)
    fields = tuple(field.replace(name=name) for field, name in pairs)
    return dataclasses.replace(inferred, schema=inferred.schema.replace(fields=fields))
