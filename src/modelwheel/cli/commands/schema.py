"""`modelwheel schema`: what a model takes, or what a method answers, as a table, JSON Schema or pydantic source."""

from __future__ import annotations

import json

import click

from modelwheel_loader.bundle import Bundle, open_bundle
from modelwheel_loader.errors import UsageError
from modelwheel_loader.opening.schema import Schema
from modelwheel_loader.text import clip, safe_json

from ...schemas.pydantic_source import to_pydantic_source
from ..arguments import Command, bundle_argument, json_option
from ..page import fields_table
from ..screen import console, print_json, show
from ..status import GOOD

FORMS = ("table", "json-schema", "pydantic")


@click.command("schema", cls=Command, short_help="Print the schema: table, JSON Schema, pydantic source.")
@bundle_argument
@click.option("--as", "form", type=click.Choice(FORMS), default="table", show_default=True, help="What to print.")
@click.option("--answers", metavar="METHOD", help="The schema of what this method answers; else of what goes in.")
@click.option("--rows", type=click.Choice(["one", "many"]), default="one", show_default=True, help="For json-schema.")
@json_option
def command(bundle: str, form: str, answers: str | None, rows: str, *, as_json: bool) -> int:
    """Print what a model takes, or what one of its methods answers.

    As a table, as JSON Schema (2020-12), or as the source of a pydantic model; --json is the manifest's own form.
    """
    with open_bundle(bundle) as opened:
        schema = _chosen(opened, answers)
    if as_json:
        print_json(schema.to_dict())
    elif form == "json-schema":
        made = schema.to_json_schema(rows="one" if rows == "one" else "many", title=opened.name)
        click.echo(safe_json(json.dumps(made, indent=2, ensure_ascii=False)))
    elif form == "pydantic":
        click.echo(to_pydantic_source(schema), nl=False)
    else:
        show(console(), fields_table(schema, verbose=True))
    return GOOD


def _chosen(bundle: Bundle, method: str | None) -> Schema:
    if method is None:
        return bundle.schema
    if method not in bundle.methods:
        known = ", ".join(bundle.methods)
        raise UsageError.of("usage.no-method", f"the model has no method {clip(method)!r}; its methods are {known}")
    return bundle.methods[method].output
