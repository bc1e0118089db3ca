"""Matches the schema of a sample with the inputs of an ONNX graph: which fields feed which input, and their types."""

from __future__ import annotations

from collections.abc import Sequence

from modelwheel_loader.errors import Defect, PackError
from modelwheel_loader.opening import (
    Category,
    Field,
    GraphInfo,
    GraphInput,
    Physical,
    Schema,
    Shape,
    String,
    Tensor,
    parse_type,
)
from modelwheel_loader.text import clip, nearest


def fitted(schema: Schema, info: GraphInfo) -> Schema:
    """`schema` with the dtypes of the graph's inputs, and their dynamic axes.

    Raises `PackError` with every mismatch between the sample and the graph.
    """
    defects = [*_unusable(info)]
    if not defects:
        fed = _fed(schema, info, defects)
        fields = {
            name: _fitted(schema[name], *info.inputs[source], source, len(names), defects)
            for source, names in fed.items()
            for name in names
        }
    if defects:
        raise PackError("the sample does not fit the inputs of the ONNX model", defects)
    made = schema.replace(fields=tuple(fields[name] for name in schema.names), container="numpy")
    if len(fed) == len(made.fields) and schema.layout != "matrix":
        return made if schema.layout == "array" else made.replace(layout="columns")
    dtype, _ = next(iter(info.inputs.values()))
    return made.replace(layout="matrix", dtype="object" if dtype == "string" else dtype)


def graph_inputs(schema: Schema, info: GraphInfo) -> tuple[GraphInput, ...]:
    """The fields that feed each input of the graph, for a schema from `fitted`."""
    fed = _fed(schema, info, [])
    return tuple(
        GraphInput(name=name, dtype=dtype, fields=fed[name], shape=_shape(shape, schema, fed[name]))
        for name, (dtype, shape) in info.inputs.items()
    )


def _shape(shape: Shape, schema: Schema, fields: Sequence[str]) -> Shape:
    """The shape of an input: its fields are columns (rows, 1) or (rows,), or all columns of a matrix."""
    kind = schema[fields[0]].type
    if isinstance(kind, Tensor):
        return (None, *kind.shape)
    return (None,) if len(shape) == 1 else (None, len(fields))


def _unusable(info: GraphInfo) -> list[Defect]:
    """Inputs and outputs that a call with rows cannot have."""
    defects: list[Defect] = []
    for what, values in (("input", info.inputs), ("output", info.outputs)):
        for name, (dtype, shape) in values.items():
            where = clip(f"{what} {name}", 120)
            if dtype == "?":
                message = "is a sequence, a map, an optional value, or has elements of a type that numpy lacks"
                hint = "Export it as tensors; skl2onnx does with options={'zipmap': False}."
                defects.append(Defect(code="pack.onnx", where=where, message=message, hint=hint))
            elif what == "input" and (not shape or _is_fixed(shape[0])):
                message = "the first axis must be dynamic: it is the number of rows, which differs from call to call"
                found = str(list(shape)) if shape else "no axis"
                hint = "Export it with a dynamic first axis (dynamic_shapes or dynamic_axes of torch.onnx.export)."
                defects.append(Defect(code="pack.onnx", where=where, message=message, found=found, hint=hint))
    return defects


def _is_fixed(axis: int | None) -> bool:
    return axis is not None and axis > 0


def _fed(schema: Schema, info: GraphInfo, defects: list[Defect]) -> dict[str, tuple[str, ...]]:
    """The fields that feed each input, by name; all fields where there is one input."""
    names = tuple(info.inputs)
    by_name = schema.layout in ("columns", "frame", "records")
    if by_name and set(names) == set(schema.names):
        return {name: (name,) for name in names}
    if len(names) == 1 and schema.layout != "columns":
        return {names[0]: schema.names}
    for name in sorted(set(names) - set(schema.names)):
        hint = f"The inputs are {clip(', '.join(names), 300)}: pass a dict of arrays with these keys as the sample."
        defects.append(
            Defect(
                code="pack.onnx",
                field=name,
                message="is an input, but is missing from the sample",
                hint=hint,
            )
        )
    for name in sorted(set(schema.names) - set(names)) if by_name else ():
        hint = nearest(name, names)
        defects.append(Defect(code="pack.onnx", field=name, message="is in the sample, but is not an input", hint=hint))
    return {name: (name,) for name in names if name in schema.names}


def _fitted(field: Field, dtype: str, shape: Shape, source: str, together: int, defects: list[Defect]) -> Field:
    """The field as the input `source` accepts it, alone or `together` with others."""

    def refuse(message: str, found: object, expected: object) -> None:
        defects.append(
            Defect(code="pack.onnx", field=field.name, message=message, found=str(found), expected=str(expected))
        )

    free = tuple(None if not _is_fixed(axis) else axis for axis in shape[1:])
    kind = field.type
    if isinstance(kind, Tensor):
        if kind.sparse or len(kind.shape) != len(free) or _contradict(kind.shape, free):
            refuse(f"does not have the shape of the input {clip(source)}", f"(rows, {kind})", list(shape))
        elif dtype == "string":
            refuse(f"the input {clip(source)} accepts text only", kind, "string")
        return field.replace(type=Tensor(dtype, free), physical=Physical(dtype=dtype)) if dtype != "string" else field
    if len(free) > 1 or _contradict((together,), free):
        refuse(f"does not have the shape of the input {clip(source)}", f"(rows, {together})", list(shape))
    if dtype == "string":
        if not isinstance(kind, String | Category) or field.nullable:
            null = "null, " if field.nullable else ""
            refuse(f"the input {clip(source)} accepts text only, never null", f"{null}{kind}", "string")
        return field.replace(type=String())
    if isinstance(kind, String | Category) or (field.nullable and not dtype.startswith("float")):
        refuse(f"the input {clip(source)} accepts numbers only", f"{kind}{', null' if field.nullable else ''}", dtype)
    return field.replace(type=parse_type(dtype), physical=Physical(dtype=dtype, null="nan" if field.nullable else None))


def _contradict(shape: Sequence[int | None], wanted: Sequence[int | None]) -> bool:
    return any(axis is not None and length != axis for length, axis in zip(shape, wanted, strict=False))
