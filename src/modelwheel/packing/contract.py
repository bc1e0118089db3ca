"""What a model is and what it takes: its methods, the schema of its input, and the parameters of its methods."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Optional

from modelwheel_loader.bridges import HintError, arguments_of, field_of, hints_of, plain_default
from modelwheel_loader.errors import Defect, PackError, UsageError
from modelwheel_loader.opening import Field, Schema, can_be_called

from ..adapters import Adapter, recognise
from ..golden.recording import chosen_methods
from ..inference.bound import bind, labels_of
from ..inference.infer import Note, Sample, infer_named

FRAMEWORKS = frozenset({"sklearn", "xgboost", "lightgbm", "catboost", "torch", "keras", "tensorflow", "imblearn"})
"""Parameters of these packages' own methods (`return_std`, `copy`, `raw_score`) change what kind of answer comes, or
how it is computed: they are no part of the contract. A method that the author wrote, in a subclass too, is asked."""
BOUND_ROWS = 2
"""Rows of the sample that adapters see to find out how the model is fed."""
_PLAIN = (bool, int, float, str)


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """The model as its author gave it and as its adapter opened it, and the names of the methods to pack."""

    adapter: Adapter
    given: Any
    model: Any
    names: tuple[str, ...]

    @classmethod
    def of(cls, given: Any, methods: tuple[str, ...] | None) -> Subject:
        """The model that the author gave; raises `PackError` for what cannot predict."""
        adapter = recognise(given)
        model = adapter.opened(given)
        adapter.check(model)
        return cls(adapter=adapter, given=given, model=model, names=chosen_methods(model, adapter, methods))


@dataclass(frozen=True, kw_only=True, slots=True)
class Contract:
    """The schema of a model's input, its methods with their parameters, and the sample that showed them.

    `sample` is as it was taken, with one way to write null in a column; `untouched` is the author's own.
    """

    schema: Schema
    methods: Mapping[str, Callable[..., Any]]
    parameters: Mapping[str, Schema | None]
    sample: Sample
    untouched: Sample
    notes: tuple[Note, ...]

    @classmethod
    def of(cls, subject: Subject, sample: Any, schema: Any, categories: int) -> Contract:
        """What `sample` shows and the author's `schema`, if there is one, says."""
        adapter, model = subject.adapter, subject.model
        given = adapter.sample(sample)
        names = adapter.columns(subject.given, labels_of(given))
        untouched, moved = bind(given, names, complete=not adapter.checks_columns)
        inferred = infer_named(untouched, names, categories)
        agreed = agree(None if schema is None else Schema.of(schema), inferred.schema, named=names is not None)
        contract = adapter.contract(model, agreed)
        rows = Sample.of(untouched)
        adapter.bind(model, rows.take(range(min(rows.rows, BOUND_ROWS))))
        methods = {name: adapter.function(model, name, contract) for name in subject.names}
        offered = {name: parameters_of(name, function) for name, function in methods.items()}
        notes = (*moved, *inferred.notes, *(note for _, told in offered.values() for note in told))
        parameters = {name: made for name, (made, _) in offered.items()}
        return cls(
            schema=contract,
            methods=methods,
            parameters=parameters,
            sample=inferred.taken,
            untouched=rows,
            notes=notes,
        )


def agree(schema: Schema | None, made: Schema, *, named: bool = False) -> Schema:
    """The author's `schema` with how the model saw each column, which only the schema `made` of the sample tells.

    The columns of an array, and a single value per row, have no names of their own: the schema gives them, in order,
    unless the model `named` them.
    Raises `PackError` when the two do not name the same fields. Whether the sample's values fit is seen when the
    golden examples are validated.
    """
    if schema is None:
        return made
    seen = {field.name: field for field in made.fields}
    if not named and _without_names(made) and len(schema.fields) == len(made.fields):
        seen = dict(zip(schema.names, made.fields, strict=True))
    only = {name: "schema and not in the sample" for name in schema.names if name not in seen}
    only |= {name: "sample and not in the schema" for name in seen if name not in schema.names}
    defects = [Defect(code="pack.schema", message=f"is in the {where}", field=name) for name, where in only.items()]
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
    return schema.replace(
        fields=ordered, layout=made.layout, container=made.container, dtype=made.dtype, order=made.order
    )


def _without_names(schema: Schema) -> bool:
    return schema.layout in ("matrix", "array") and schema.container in ("numpy", "list")


# --- parameters of methods ---


def parameters_of(name: str, function: Callable[..., Any]) -> tuple[Schema | None, tuple[Note, ...]]:
    """The parameters of the method `name`, None when it has none, and notes on arguments that cannot be offered.

    They are all arguments with a default but the first, by type hint, or by the type of the default. Raises
    `PackError` when a default does not fit its own hint.
    """
    if _is_of_a_framework(function):
        return None, ()
    try:
        arguments = arguments_of(function)[1:]
    except (TypeError, ValueError):  # built-in functions may have no signature
        return None, ()
    hints = hints_of(function)
    fields, notes = [], []
    for item in arguments:
        if item.default is item.empty or item.kind is item.POSITIONAL_ONLY:
            continue
        try:
            fields.append(_field(item, hints))
        except HintError as error:
            message = f"the parameter {item.name!r} {error}: callers cannot set it"
            notes.append(Note(code="parameter-left-out", message=message, field=name))
    made = Schema(fields=tuple(fields), layout="records", container="list", extra="error") if fields else None
    return made, tuple(notes)


def _is_of_a_framework(function: Callable[..., Any]) -> bool:
    module: Any = getattr(inspect.unwrap(function), "__module__", "")
    return str(module).partition(".")[0] in FRAMEWORKS


def _field(item: inspect.Parameter, hints: dict[str, Any]) -> Field:
    """The field of a parameter; raises `HintError` when it has none, `PackError` when its default does not fit."""
    if not can_be_called(item.name):
        raise HintError("has a name that modelwheel or Python keeps for itself")
    if item.name not in hints and type(item.default) not in _PLAIN:
        raise HintError("has no type hint, and its default does not tell the type")
    default = plain_default(item.default)
    hint = hints.get(item.name, type(item.default))
    try:
        return field_of(item.name, Optional[hint] if default is None else hint, default)  # noqa: UP045 - any hint
    except UsageError as error:
        first = error.defects[0]
        raise PackError.of(
            "pack.parameter", first.message, field=item.name, found=first.found, expected=first.expected
        ) from None
