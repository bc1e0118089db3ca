"""The one table by which methods of the face reach an optional or outer layer.

A method stays where people look for it (`Schema.to_pydantic`, `Bundle.explain`, `_repr_html_`), typed and one line
long; what does the work is imported at its first use. These are the only arrows that point outward.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

DOORS = {
    "arrow.read": "bridges.arrow:read_arrow",
    "arrow.write": "bridges.arrow:to_arrow",
    "check.column": "validate.columns:compile_column",
    "check.data": "validate.inputs:check_data",
    "code": "show.codes:code",
    "diff": "show.diff:diff",
    "explain": "show.explanation:explain",
    "hints.callable": "bridges.hints:fields_of_callable",
    "hints.class": "bridges.hints:fields_of",
    "hints.extra": "bridges.hints:class_extra",
    "hints.row": "bridges.hints:row_class",
    "html.bundle": "show.html:bundle_view",
    "html.error": "show.html:error_view",
    "html.explanation": "show.html:explanation_view",
    "html.model": "show.html:model_view",
    "html.report": "show.html:report_view",
    "html.schema": "show.html:schema_view",
    "misfit": "errors:misfit",
    "open_isolated": "isolated.plan:open_isolated",
    "plan_isolated": "isolated.plan:plan",
    "type.nested": "bridges.typetext:parse_nested",
    "json_schema": "bridges.json_schema:to_json_schema",
    "pydantic": "bridges.pydantic_model:to_pydantic",
}
"""The name of each door, and the function behind it as `module:function`, the module relative to this package."""


def door(name: str) -> Any:
    """The function behind the door `name`."""
    module, _, function = DOORS[name].partition(":")
    return getattr(import_module(f".{module}", __package__), function)
