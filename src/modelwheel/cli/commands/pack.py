"""`modelwheel pack`: a model that lies on disk becomes a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

import click

from modelwheel_loader.opening.manifest import KINDS

from ...options import Dependencies, Examples, NativeFormat, Options, Source
from ...packing.pack import pack
from ...wheel.metadata import About
from ..arguments import Command, json_option
from ..modelfile import read_model
from ..progress import progress
from ..samplefile import LIBRARIES, read_sample, shaped
from ..screen import console, hanging, plain, print_json, warn
from ..status import GOOD

_BESIDE = " " * 12
"""Below what the report says beside its headings."""
_PATH = click.Path(exists=True, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("pack", cls=Command, short_help="Make a bundle of a model on disk and a sample.")
@click.argument("model", type=_FILE)
@click.argument("sample", type=_FILE)
@click.option("--name", "-n", required=True, help="The name of the distribution, such as acme-churn.")
@click.option("--version", "-v", required=True, help="Its version, such as 1.2.0.")
@click.option("--out", default="dist", show_default=True, help="The folder that the wheel is written to.")
@click.option("--unsafe-run-code", is_flag=True, help="Read a pickle, which runs whatever code it holds.")
@click.option("--drop", multiple=True, metavar="COLUMN", help="A column of SAMPLE that is no input. Repeatable.")
@click.option("--column", help="The one column that the model is fed, as a list: for models of texts.")
@click.option("--sample-as", type=click.Choice(LIBRARIES), help="What the model was fitted on; else what is installed.")
@click.option("--method", "methods", multiple=True, help="A prediction method to keep; else all. Repeatable.")
@click.option("--runtime", "runtimes", multiple=True, type=click.Choice(KINDS), help="What to make; else all.")
@click.option(
    "--native",
    type=click.Choice(get_args(NativeFormat)),
    default="auto",
    show_default=True,
    help="How the original is kept: skops is a file of listed types, for scikit-learn.",
)
@click.option(
    "--examples",
    type=click.Choice(["sample", "synthetic", "none"]),
    default="sample",
    show_default=True,
    help="Golden examples: real rows of SAMPLE, made-up ones, or none.",
)
@click.option("--example-rows", type=click.IntRange(min=1), default=16, show_default=True, help="How many.")
@click.option("--summary", default="", help="One line on what the model does.")
@click.option("--description", type=_FILE, help="A Markdown file with more.")
@click.option("--author", default="", help="Who made it.")
@click.option("--author-email", default="", help="Where to reach them.")
@click.option("--license", "licence", default="", metavar="SPDX", help="Such as Apache-2.0.")
@click.option("--public", is_flag=True, help="Public indexes may take it.")
@click.option("--needs", multiple=True, metavar="REQUIREMENT", help="A package that nothing shows. Repeatable.")
@click.option("--code", multiple=True, type=_PATH, help="Source that travels: a file or package. Repeatable.")
@click.option(
    "--lock",
    type=click.Choice(["auto", "required", "none"]),
    default="auto",
    show_default=True,
    help="Whether an index is asked for a lock.",
)
@click.option("--prove", is_flag=True, help="Load it in an environment of nothing but its lock, and ask it there.")
@click.option("--measure-cost", is_flag=True, help="Measure what each runtime takes, and write it down.")
@click.option("--overwrite", is_flag=True, help="Replace a file of this version that has other content.")
@json_option
def command(  # noqa: PLR0913 - one argument per option
    model: Path,
    sample: Path,
    *,
    name: str,
    version: str,
    out: str,
    unsafe_run_code: bool,
    drop: tuple[str, ...],
    column: str | None,
    sample_as: str | None,
    methods: tuple[str, ...],
    runtimes: tuple[str, ...],
    native: NativeFormat,
    examples: Source,
    example_rows: int,
    summary: str,
    description: Path | None,
    author: str,
    author_email: str,
    licence: str,
    public: bool,
    needs: tuple[str, ...],
    code: tuple[Path, ...],
    lock: Literal["auto", "required", "none"],
    prove: bool,
    measure_cost: bool,
    overwrite: bool,
    as_json: bool,
) -> int:
    """Make a bundle of MODEL, a model file, and SAMPLE, a file of what it is fed.

    MODEL is .joblib, .pkl, .onnx, or a booster's own file (.ubj and .json of XGBoost, .txt of LightGBM, .cbm of
    CatBoost). Reading a joblib or pickle file runs whatever code it holds: --unsafe-run-code says that it may.

    SAMPLE is CSV, JSON, JSON lines, Parquet, Arrow or .npy. Columns that the model was not fitted on are left out.
    """
    read = read_model(model, run_code=unsafe_run_code)
    fed, notes = shaped(read_sample(str(sample), sample_as), read, drop=drop, column=column)
    for note in notes:
        warn(note)
    about = About(
        summary=summary,
        description=description.read_text(encoding="utf-8", errors="backslashreplace") if description else "",
        author=author,
        author_email=author_email,
        license=licence,
        public=public,
    )
    with progress() as tell:
        bundle = pack(
            read,
            name=name,
            version=version,
            sample=fed,
            examples=Examples(rows=example_rows, source=examples),
            about=about,
            options=Options(
                methods=methods or None,
                runtimes=runtimes or KINDS,
                overwrite=overwrite,
                measure_cost=measure_cost,
                native=native,
            ),
            dependencies=Dependencies(add=needs, code=code, lock=lock),
            prove=prove,
            out=out,
            progress=tell,
        )
    with bundle:
        if as_json:
            print_json({**bundle.report.to_dict(), "path": str(bundle.path), "digest": bundle.digest})
        else:
            screen = console()
            for line in bundle.report.lines():
                words = line.lstrip()
                indent = " " * (len(line) - len(words))
                screen.print(hanging(screen, plain(words), indent, max(indent, _BESIDE)), soft_wrap=True)
            screen.print(plain(f"wrote {bundle.path}", "bold"), soft_wrap=True)
    return GOOD
