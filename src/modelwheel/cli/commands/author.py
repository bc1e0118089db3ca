"""`pack`, `repack`, `prove`, `export`: make or renew a bundle, test it in a clean environment, collect its needs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import click

from modelwheel_loader.bundle import Bundle, open_bundle
from modelwheel_loader.opening import KINDS, NativePayload
from modelwheel_loader.run import Isolation, Trust
from modelwheel_loader.show import size_text
from modelwheel_loader.text import counted

from ...airgap.targets import NAMES, Target, here
from ...options import Dependencies, Examples, NativeFormat, Options, Replay
from ...wheel.metadata import About
from ..options import (
    FILE,
    FOLDER,
    GOOD,
    SHORT,
    Callback,
    Command,
    bundle_argument,
    choice,
    collected,
    json_option,
    options,
    trust_options,
)
from ..packfiles import LIBRARIES, read_model, read_sample, shaped
from ..screen import console, plain, print_indented, print_json, print_report, progress, warn

_BESIDE = " " * 12
"""Below what the report says beside its headings."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """The files of MODEL and SAMPLE, and how to read them."""

    model: Path
    sample: Path
    unsafe_run_code: bool
    drop: tuple[str, ...]
    column: str | None
    sample_as: str | None

    def read(self) -> tuple[Any, Any, list[str]]:
        """The model, the sample as it was fitted on it, and notes on what was left out."""
        model = read_model(self.model, run_code=self.unsafe_run_code)
        sample = read_sample(str(self.sample), self.sample_as)
        return model, *shaped(sample, model, drop=self.drop, column=self.column)


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """The distribution to write, and whether to prove it."""

    name: str
    version: str
    out: str
    prove: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Wheels:
    """Where wheels come from."""

    find_links: tuple[Path, ...]
    no_index: bool


def _or_default(default: Any) -> Any:
    return lambda _, __, values: values or default


def _text(_: click.Context, __: click.Parameter, path: Path | None) -> str:
    return path.read_text(encoding="utf-8", errors="backslashreplace") if path else ""


_given = options(
    click.argument("model", type=FILE),
    click.argument("sample", type=FILE),
    click.option("--unsafe-run-code", is_flag=True, help="Read a pickle, which runs any code that it holds."),
    click.option("--drop", multiple=True, metavar="COLUMN", help="A column of SAMPLE to leave out. Repeatable."),
    click.option("--column", help="For text models: the single column to pass, as a list."),
    choice("--sample-as", of=LIBRARIES, help="The library that the model was fitted with (default: an installed one)."),
    collected("given", Given),
)
_release = options(
    click.option("--name", "-n", required=True, help="The name of the distribution, such as acme-churn."),
    click.option("--version", "-v", required=True, help="Its version, such as 1.2.0."),
    click.option("--out", default="dist", show_default=True, help="Output folder for the wheel."),
    click.option("--prove", is_flag=True, help="Test it in a fresh environment built from its lock."),
    collected("release", Release),
)
_options = options(
    click.option(
        "--method",
        "methods",
        multiple=True,
        callback=_or_default(None),
        help="Prediction methods to include (default: all). Repeatable.",
    ),
    choice(
        "--runtime",
        "runtimes",
        of=KINDS,
        multiple=True,
        callback=_or_default(KINDS),
        help="Runtimes to build (default: all). Repeatable.",
    ),
    choice(
        "--native",
        of=get_args(NativeFormat),
        default="auto",
        help="The format of the original: skops is a file of listed types, for scikit-learn.",
    ),
    choice(
        "--replay",
        of=get_args(Replay),
        default="fresh",
        help="Replay the examples in a new interpreter, or only in this process.",
    ),
    click.option("--measure-cost", is_flag=True, help="Measure and record the cost of each runtime."),
    click.option("--overwrite", is_flag=True, help="Replace a file of this version with different content."),
    choice(
        "--examples",
        "source",
        of=["sample", "synthetic", "none"],
        default="sample",
        help="Golden examples: real rows of SAMPLE, generated rows, or none.",
    ),
    click.option("--example-rows", "rows", type=click.IntRange(min=1), default=16, show_default=True, help="How many."),
    collected("options", Options),
    collected("examples", Examples),
)
_about = options(
    click.option("--summary", default="", help="One line on what the model does."),
    click.option("--description", type=FILE, callback=_text, help="A Markdown file with more."),
    click.option("--author", default="", help="The author's name."),
    click.option("--author-email", default="", help="The author's address."),
    click.option("--license", default="", metavar="SPDX", help="Such as Apache-2.0."),
    click.option("--public", is_flag=True, help="Allow upload to public package indexes."),
    collected("about", About),
)
_dependencies = options(
    click.option(
        "--needs",
        "add",
        multiple=True,
        metavar="REQUIREMENT",
        help="A package the model needs that pack cannot detect. Repeatable.",
    ),
    click.option(
        "--code",
        multiple=True,
        type=click.Path(exists=True, path_type=Path),
        help="Python source to include: a file or package. Repeatable.",
    ),
    choice(
        "--lock",
        of=["auto", "required", "none"],
        default="auto",
        help="Whether to create a lock by asking a package index.",
    ),
    collected("dependencies", Dependencies),
)


@click.command("pack", cls=Command, short_help="Create a bundle from a saved model and sample data.")
@_given
@_release
@_options
@_about
@_dependencies
@json_option
def pack(
    *,
    given: Given,
    release: Release,
    options: Options,
    examples: Examples,
    about: About,
    dependencies: Dependencies,
    as_json: bool,
) -> int:
    """Create a bundle from MODEL, a model file, and SAMPLE, a file of input data.

    MODEL is .joblib, .pkl, .onnx, or a booster's own file (.ubj and .json of XGBoost, .txt of LightGBM, .cbm of
    CatBoost). Reading a joblib or pickle file runs any code that it holds: allow it with --unsafe-run-code.

    SAMPLE is CSV, JSON, JSON lines, Parquet, Arrow or .npy. Columns that the model was not fitted on are left out.
    """
    from ...packing.pack import pack as pack_model

    model, sample, notes = given.read()
    for note in notes:
        warn(note)
    with progress() as tell:
        bundle = pack_model(
            model,
            name=release.name,
            version=release.version,
            sample=sample,
            examples=examples,
            about=about,
            options=options,
            dependencies=dependencies,
            prove=release.prove,
            out=release.out,
            progress=tell,
        )
    bundle.close()
    report = bundle.report
    if as_json:
        print_json({**report.to_dict(), "path": str(bundle.path), "digest": bundle.digest})
    else:
        screen = console()
        for line in report.lines():
            print_indented(screen, line, _BESIDE)
        screen.print(plain(f"wrote {bundle.path}", "bold"), soft_wrap=True)
    return GOOD


@click.command("repack", cls=Command, short_help="Write a bundle again in today's format.")
@bundle_argument
@click.option("--out", default="dist", show_default=True, help="Output folder for the wheel.")
@click.option("--version", help="Version of the new bundle (default: the same).")
@click.option("--overwrite", is_flag=True, help="Replace a file of this version with different content.")
@_about
@json_option
def repack(bundle: str, *, out: str, version: str | None, overwrite: bool, about: About, as_json: bool) -> int:
    """Write BUNDLE again in today's format, with new metadata and the same payloads.

    Does not need the training environment, and does not import or run anything from the bundle. What no option changes
    stays as it is.
    """
    from ...wheel.repack import repack as repack_bundle

    said: dict[str, Any] = {name: value for name in About.__annotations__ if (value := getattr(about, name))}
    made = repack_bundle(bundle, out=out, version=version, about=lambda old: replace(old, **said), overwrite=overwrite)
    made.close()
    if as_json:
        print_json({"name": made.name, "version": made.version, "path": str(made.path), "digest": made.digest})
    else:
        console().print(plain(f"wrote {made.path}", "bold"), soft_wrap=True)
    return GOOD


def _wheels(folder: click.Path) -> Callable[[Callback], Callback]:
    return options(
        click.option(
            "--find-links",
            multiple=True,
            type=folder,
            metavar="DIR",
            help="A folder of wheels to use as well. Repeatable.",
        ),
        click.option("--no-index", is_flag=True, help="Do not use a package index."),
    )


@click.command("prove", cls=Command, short_help="Replay the examples in a clean environment.")
@bundle_argument
@trust_options
@click.option("--python", type=FILE, help="The interpreter for the environment (default: one that is found).")
@_wheels(click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Write a copy with the proof into this folder.")
@json_option
@collected("isolation", Isolation)
def prove(bundle: str, trust: Trust | None, *, isolation: Isolation, out: Path | None, as_json: bool) -> int:
    """Build the environment of the bundle's lock in an empty folder, load it there, and replay its golden examples.

    Nothing of this environment is visible there, and it is deleted afterwards. The bundle itself does not change;
    --out writes a copy that holds the proof (with another digest, because the proof is part of its manifest).
    """
    from ...proving.prove import prove as prove_bundle

    with progress() as tell:
        report = prove_bundle(bundle, trust=trust, isolation=isolation, out=out, progress=tell)
    print_report(report, as_json=as_json)
    return GOOD if report.ok else SHORT


@click.command("export", cls=Command, short_help="Collect a bundle and its wheels in one folder.")
@bundle_argument
@click.option(
    "--with-dependencies",
    "folder",
    type=FOLDER,
    required=True,
    metavar="DIR",
    help="Output folder; created if missing.",
)
@click.option(
    "--platform",
    "platforms",
    multiple=True,
    help=f"Target platform: {', '.join(NAMES)}, or the platform tag of a wheel (default: this one). Repeatable.",
)
@click.option(
    "--python",
    "pythons",
    multiple=True,
    metavar="3.X",
    help="Target Python version (default: the one used to pack). Repeatable.",
)
@_wheels(FOLDER)
@json_option
@collected("wheels", Wheels)
def export(
    bundle: str,
    *,
    folder: Path,
    platforms: tuple[str, ...],
    pythons: tuple[str, ...],
    wheels: Wheels,
    as_json: bool,
) -> None:
    """Put the wheel of BUNDLE, its lock, modelwheel, and the wheels that both need into one folder.

    The folder installs with --no-index, and isolated environments can be built from it. Wheels are downloaded by pip
    and have the hashes of the lock. Running it again changes nothing; several bundles may share a folder.
    """
    from ...airgap.export import export as export_bundle

    with open_bundle(bundle) as opened:
        targets = [
            Target(python=python, platform=name)
            for python in pythons or (_python(opened),)
            for name in platforms or (here(),)
        ]
        with progress() as tell:
            done = export_bundle(
                opened, folder, targets, find_links=wheels.find_links, no_index=wheels.no_index, progress=tell
            )
        name = f"{opened.name}-{opened.version}"
    if as_json:
        files = {"requirements": str(done.requirements), "lock": str(done.lock)}
        print_json({**files, "wheels": list(done.wheels), "added": list(done.added), "size": done.size})
        return
    screen = console()
    news = f"{len(done.added)} of them new" if done.added else "none of them new"
    where = ", ".join(map(str, targets))
    screen.print(
        plain(f"{name} and {counted(len(done.wheels), 'wheel')} for {where}: {size_text(done.size)}, {news}"),
        soft_wrap=True,
    )
    screen.print(plain("install it there with"), soft_wrap=True)
    install = f"  pip install --no-index --find-links {folder} --require-hashes -r {done.requirements}"
    screen.print(plain(install, "bold"), soft_wrap=True)


def _python(bundle: Bundle) -> str:
    """The minor version of the Python that packed the original; of this one where there is none."""
    for payload in bundle.runtimes:
        if isinstance(payload, NativePayload):
            return ".".join(payload.python_version.split(".")[:2])
    return f"{sys.version_info.major}.{sys.version_info.minor}"


COMMANDS = {item.name: item for item in (prove, pack, repack, export)}
