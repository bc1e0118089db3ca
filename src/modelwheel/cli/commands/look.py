"""`inspect`, `explain`, `verify`, `check`, `requirements` and `schema`: what a bundle is, and whether it is sound."""

from __future__ import annotations

import json

import click
from rich.padding import Padding

from modelwheel_loader.bundle import Bundle, open_bundle
from modelwheel_loader.bundle import verify as verify_bundle
from modelwheel_loader.errors import UsageError
from modelwheel_loader.opening import Schema
from modelwheel_loader.run import Trust, unfolded
from modelwheel_loader.show import summary
from modelwheel_loader.text import clip, safe_json

from ..options import GOOD, SHORT, Command, bundle_argument, choice, json_option, runtime_option, trust_options
from ..screen import console, plain, print_json, print_report, progress, show
from ..views import fields_table, needs_table, print_imports, print_page, runtime_states


@click.command("inspect", cls=Command, short_help="Show what a bundle is, its input, methods and requirements.")
@bundle_argument
@click.option("--verbose", "-v", is_flag=True, help="Every field in full, and what the pickle would import.")
@json_option
def inspect(bundle: str, *, verbose: bool, as_json: bool) -> int:
    """Show what a bundle is, its input and methods, who made it, which runtimes work here, and what they need.

    Does not import or run anything from the bundle.
    """
    with open_bundle(bundle) as opened:
        if as_json:
            print_json(summary(opened))
        else:
            print_page(console(), opened, verbose=verbose)
    return GOOD


@click.command("explain", cls=Command, short_help="Say which runtimes work here, and why not.")
@bundle_argument
@trust_options
@json_option
def explain(bundle: str, trust: Trust | None, *, as_json: bool) -> int:
    """Say for each runtime whether it works here, and if not, why and what to do: the part of `inspect` on runtimes.

    Shows the packages that it needs, what its pickle would import, and how it was compared with the original. Does not
    import or run anything from the bundle. Exit status 1 when no runtime works here.
    """
    with open_bundle(bundle) as opened:
        explanation = opened.explain(trust=trust)
    if as_json:
        print_json(explanation.to_dict())
    else:
        screen = console()
        screen.print(plain(f"{explanation.name} {explanation.version}", "bold cyan"))
        for state in runtime_states(explanation):
            show(screen, Padding(state, (1, 0, 0, 2)))
        screen.print()
        show(screen, Padding(needs_table(explanation), (0, 0, 1, 2)))
        print_imports(screen, explanation)
    return GOOD if any(status.available for status in explanation.runtimes) else SHORT


@click.command("verify", cls=Command, short_help="Check every byte and replay the golden examples.")
@bundle_argument
@trust_options
@click.option("--structure-only", is_flag=True, help="Run no model: accept a valid structure.")
@json_option
def verify(bundle: str, trust: Trust | None, *, structure_only: bool, as_json: bool) -> int:
    """Check every byte against its digest and replay the golden examples.

    The examples are replayed on each runtime that may run here. A file's own pickle is not run unless you trust it.
    Exit status 1 when no model ran, unless --structure-only is given.
    """
    with progress() as tell:
        report = verify_bundle(bundle, trust=trust, progress=tell, structure_only=structure_only)
    print_report(report, as_json=as_json)
    return GOOD if report.ok else SHORT


@click.command("check", cls=Command, short_help="Load the model and replay its golden examples.")
@bundle_argument
@runtime_option
@trust_options
@json_option
def check(bundle: str, runtime: str, trust: Trust | None, *, as_json: bool) -> int:
    """Load the model on one runtime and replay its golden examples: the part of `verify` that a service repeats.

    Exit status 1 when it cannot be loaded, when a prediction differs from the recorded one, or without golden examples.
    """
    with open_bundle(bundle) as opened, opened.load(trust=trust, runtime=runtime) as model:
        report = model.check()
    print_report(report, as_json=as_json)
    return GOOD if report.ok else SHORT


@click.command("requirements", cls=Command, short_help="Print the lock as a requirements file.")
@bundle_argument
@choice("--runtime", of=["native", "onnx"], help="Only the requirements of this runtime (default: of all).")
@json_option
def requirements(bundle: str, *, runtime: str | None, as_json: bool) -> int:
    """Print the lock of the bundle as a requirements file: exact versions with the hash of every file.

    For `pip install --require-hashes -r FILE`, with the package index of your machine.
    """
    with open_bundle(bundle) as opened:
        text = opened.requirements(runtime)
        if as_json:
            print_json({"name": opened.name, "version": opened.version, "requirements": unfolded(text)})
        else:
            click.echo(text, nl=False)
    return GOOD


@click.command("schema", cls=Command, short_help="Print the schema: table, JSON Schema, pydantic source.")
@bundle_argument
@choice("--as", "form", of=("table", "json-schema", "pydantic"), default="table", help="What to print.")
@click.option("--answers", metavar="METHOD", help="The output schema of this method (default: the input schema).")
@choice("--rows", of=["one", "many"], default="one", help="For json-schema.")
@json_option
def schema(bundle: str, form: str, answers: str | None, rows: str, *, as_json: bool) -> int:
    """Print the input schema of a model, or the output schema of one of its methods.

    As a table, as JSON Schema (2020-12), or as the source of a pydantic model; --json is the manifest's own form.
    """
    with open_bundle(bundle) as opened:
        chosen = _chosen(opened, answers)
    if as_json:
        print_json(chosen.to_dict())
    elif form == "json-schema":
        made = chosen.to_json_schema(rows="one" if rows == "one" else "many", title=opened.name)
        click.echo(safe_json(json.dumps(made, indent=2, ensure_ascii=False)))
    elif form == "pydantic":
        from ...schemas.pydantic_source import to_pydantic_source

        click.echo(to_pydantic_source(chosen), nl=False)
    else:
        show(console(), fields_table(chosen, verbose=True))
    return GOOD


def _chosen(bundle: Bundle, method: str | None) -> Schema:
    if method is None:
        return bundle.schema
    if method not in bundle.methods:
        known = ", ".join(bundle.methods)
        raise UsageError.of("usage.no-method", f"the model has no method {clip(method)!r}; its methods are {known}")
    return bundle.methods[method].output


COMMANDS = {item.name: item for item in (inspect, explain, verify, check, requirements, schema)}
