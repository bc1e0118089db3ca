"""`pack`: a trained model becomes a wheel. This file composes; every step lives in a file of its own."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from modelwheel_loader.bundle import Bundle
from modelwheel_loader.errors import DependencyError, PackError, UsageError
from modelwheel_loader.limits import DEFAULT
from modelwheel_loader.model import RESERVED
from modelwheel_loader.opening.manifest import KINDS, Proof, Requirement
from modelwheel_loader.opening.places import WheelFile
from modelwheel_loader.opening.schema import Schema
from modelwheel_loader.run.environment import ANY_PYTHON
from modelwheel_loader.run.isolation import Isolation
from modelwheel_loader.run.trust import Trust
from modelwheel_loader.show.inspection import size_text
from modelwheel_loader.text import clip, counted, shown

from ..adapters import recognise
from ..adapters.base import Adapter
from ..adapters.nativefile import CapturedFile, NativeFile, capture_file
from ..capturing.capture import Captured, capture, origins_for
from ..capturing.overrides import override, read_overrides
from ..capturing.sources import NO_SOURCES, read_code
from ..golden.choose import choose_goldens
from ..golden.recording import chosen_methods, record
from ..inference.infer import Note, infer_schema
from ..locking.lock import Locked, make_lock
from ..options import Dependencies, Examples, NativeFormat, Options, Progress
from ..origins import Origins
from ..parity.measure import Measured, Original, measure
from ..proving.room import prove_bundle
from ..wheel.metadata import About, check_about, identify
from ..wheel.save import save
from .agreement import agree
from .cost import measure_costs
from .draft import Draft, onnxruntime_requirement
from .parameters import parameters_of
from .progress import chosen
from .report import PackReport

_STEPS = ("infer", "pickle", "record", "convert", "lock", "prove", "measure", "write", "done")


class PackedBundle(Bundle):
    """A bundle that this process has just made: `load()` needs no trust. `report` is what there is to say."""

    report: PackReport


def pack(
    model: Any,
    *,
    name: str,
    version: str,
    sample: Any,
    schema: Any = None,
    examples: Examples = Examples(),  # noqa: B008 - an immutable record
    about: About = About(),  # noqa: B008 - an immutable record
    options: Options = Options(),  # noqa: B008 - an immutable record
    dependencies: Dependencies = Dependencies(),  # noqa: B008 - an immutable record
    prove: bool = False,
    out: str | os.PathLike[str] = "dist",
    progress: Progress | bool | None = None,
) -> PackedBundle:
    """Pack a trained model into a wheel in the folder `out`; the bundle, opened, replayed and ready to load.

    `model` is a fitted scikit-learn estimator, a booster, an ONNX model or the path of one, or any callable. `sample`
    is what it is fed: a DataFrame (pandas, Polars, Arrow), an array, a sparse matrix, a dict of arrays, a list of dicts
    or of texts; all of it gives the schema, unless `schema` says more: `infer_schema(sample).schema.with_field(…)`, or
    whatever `Schema.of` takes, such as a pydantic model or a dataclass. Arguments of a callable that have a default
    become parameters of the method.

    `dependencies` are your words on what the model runs on, and how it is locked. `prove` builds the locked environment
    in an empty place, loads the bundle there, replays its golden examples, and writes into the manifest that it held.
    `progress` is called with each step and the bytes written; True writes a line per step to standard error.

    Raises `PackError` with everything that keeps the model from being packed, `InputError` when the sample does not
    fit a given `schema`, `WriteError` when the file cannot be written. A failure leaves nothing behind.
    """
    tell = chosen(progress=progress)
    step = _Steps(tell)
    _check_options(options)
    identity = identify(name, version)
    check_about(about)
    origins = origins_for(dependencies)
    adapter = recognise(model)
    model = adapter.opened(model)
    adapter.check(model)
    names = chosen_methods(model, adapter, options.methods)

    step("infer")
    inferred = infer_schema(adapter.sample(sample), max_categories=options.categories)
    contract = adapter.contract(model, agree(None if schema is None else Schema.of(schema), inferred))
    methods = {name: adapter.function(model, name, contract) for name in names}
    offered = {name: parameters_of(name, function) for name, function in methods.items()}
    golden = choose_goldens(examples, contract, inferred.taken)

    step("pickle")  # before the model is asked anything: answering may leave traces in it
    captured = None
    if "native" in options.runtimes:
        captured = _captured(adapter, model, contract, dependencies, origins, options.native)

    step("record")
    asked = options.methods is not None
    recorded, failed = record(methods, golden, inferred, wanted=asked)

    step("convert")
    measured = None
    if "onnx" in options.runtimes:
        conversion = adapter.convert(model, contract, [method.name for method in recorded])
        original = Original(
            schema=contract,
            methods=methods,
            recorded=recorded,
            golden=golden,
            sample=inferred.taken,
        )
        measured = measure(conversion, original)

    step("lock")
    wanted = replace(dependencies, lock="required") if prove and dependencies.lock == "auto" else dependencies
    locked = _lock(captured, measured, wanted, origins)

    draft = Draft(
        identity=identity,
        about=about,
        schema=contract,
        model={"framework": adapter.framework, "class": adapter.class_name(model)},
        classes={method.name: adapter.classes(model, method.name) for method in recorded},
        parameters={name: schema for name, (schema, _) in offered.items()},
        recorded=recorded,
        golden=golden,
        captured=captured,
        measured=measured,
        locked=locked,
        runtimes=options.runtimes,
    )
    if prove:
        step("prove")
        draft = replace(draft, proof=_proven(draft, dependencies, tell))
    if options.measure_cost:
        step("measure")
        draft = replace(draft, costs=measure_costs(draft, _open, contract, golden, inferred.taken))

    step("write")
    target = Path(out) / identity.file_name
    save(target, lambda stream: draft.write(stream, tell), check=_replay, overwrite=options.overwrite)

    step("done")
    bundle = _open(target)
    notes = (
        *inferred.notes,
        *(note for _, told in offered.values() for note in told),
        *_environment_notes(captured, locked),
    )
    bundle.report = PackReport(
        manifest=bundle.manifest, size=target.stat().st_size, notes=notes, methods_left_out=failed
    )
    return bundle


def _lock(
    captured: Captured | CapturedFile | str | None,
    measured: Measured | None,
    dependencies: Dependencies,
    origins: Origins,
) -> Locked:
    """The lock of what the original object needs, and the graph."""
    needs: dict[str, Sequence[Requirement]] = {}
    python = ANY_PYTHON
    if isinstance(captured, Captured | CapturedFile):
        needs["native"], python = captured.requires, captured.python_specifier
    if measured is not None and measured.candidate is not None:
        needs["onnx"] = (onnxruntime_requirement(measured.candidate),)
    return make_lock(needs, python, dependencies, origins) if needs else Locked()


def _proven(draft: Draft, dependencies: Dependencies, progress: Progress | None) -> Proof:
    """The proof of what `draft` writes; raises `DependencyError` with what did not hold."""
    with tempfile.TemporaryDirectory(prefix="modelwheel-") as folder:
        path = Path(folder, draft.identity.file_name)
        save(path, lambda stream: draft.write(stream, None))
        isolation = Isolation(find_links=dependencies.find_links, no_index=dependencies.no_index)
        with _open(path) as bundle:
            proven = prove_bundle(bundle, trust=None, isolation=isolation, progress=progress)
    if proven.proof is None:
        raise DependencyError("the model does not run in an environment of its own", proven.report.defects)
    return proven.proof


def _environment_notes(captured: Captured | CapturedFile | str | None, locked: Locked) -> Iterator[Note]:
    """What the author should know of the environment that the model needs."""
    if isinstance(captured, Captured) and captured.local_modules:
        names = ", ".join(captured.local_modules)
        only = f"which only Python {captured.python_specifier.strip('=.*')} loads"
        yield Note(
            code="by-value", message=f"{names}: local code, packed by value, {only} (Dependencies(code=…) is not)"
        )
    if isinstance(captured, CapturedFile) and captured.file.settings.get("types"):
        names = ", ".join(str(name) for name in captured.file.settings["types"])  # type: ignore[union-attr]
        yield Note(code="types", message=f"{clip(names, 300)}: types that loading builds and skops does not know")
    files = captured.sources.files if isinstance(captured, Captured) else {}
    if files:
        listed = clip(", ".join(files), 200)
        message = f"{counted(len(files), 'data file')} beside the code, {size_text(sum(files.values()))}: {listed}"
        yield Note(code="code-files", message=message)
    if locked.detail:
        yield Note(code="lock", message=": ".join(filter(None, (locked.reason, locked.detail))))


class _Steps:
    """Tells the caller's progress callback which step begins."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress

    def __call__(self, name: str) -> None:
        if self._progress is not None:
            self._progress(name, _STEPS.index(name), len(_STEPS) - 1)


def _check_options(options: Options) -> None:
    unknown = [kind for kind in options.runtimes if kind not in KINDS]
    if unknown or not options.runtimes or len(set(options.runtimes)) != len(options.runtimes):
        expected = f"some of {', '.join(KINDS)}, each once"
        raise UsageError.of(
            "usage.runtime", "not runtimes to pack", found=shown(str(options.runtimes)), expected=expected
        )
    if options.native not in get_args(NativeFormat):
        expected = f"one of {', '.join(get_args(NativeFormat))}"
        raise UsageError.of("usage.argument", "no native format", found=shown(options.native), expected=expected)
    reserved = sorted(set(options.methods or ()) & RESERVED)
    if reserved:
        raise PackError.of("pack.method", f"{reserved[0]!r} is a name that a loaded model has for itself")


def _captured(
    adapter: Adapter, model: Any, schema: Schema, dependencies: Dependencies, origins: Origins, form: str
) -> Captured | CapturedFile | str:
    """The native payload and what it needs, or why there is none."""
    native = adapter.native(model) if form == "auto" else _asked_for(adapter, model, form)
    if isinstance(native, str):
        return native
    if native is not None:
        sources = read_code(dependencies.code) if native.references else NO_SOURCES
        file = capture_file(native, _fed_by(schema), origins, sources)
        found = override({item.name: item for item in file.requires}, read_overrides(dependencies), origins)
        return replace(file, requires=tuple(found[name] for name in sorted(found)))
    return capture(model, _fed_by(schema), dependencies, origins)


def _asked_for(adapter: Adapter, model: Any, form: str) -> NativeFile:
    """The model in the native format that the author asks for."""
    made = adapter.native_as(model, form)
    if made is None:
        kind = adapter.framework or "callables"
        raise PackError.of("pack.native", f"models of {kind} cannot be kept as {form} files")
    return made


def _fed_by(schema: Schema) -> dict[str, str]:
    """Distributions that are needed to make what the model is fed, and why."""
    needed: dict[str, str] = {}
    if schema.container in ("pandas", "polars", "pyarrow"):
        needed[schema.container] = "the data that the model is fed"
    if any(field.physical is not None and field.physical.dtype.endswith("[pyarrow]") for field in schema.fields):
        needed["pyarrow"] = "Arrow's columns in the data that the model is fed"
    if any(getattr(field.type, "sparse", False) for field in schema.fields):
        needed["scipy"] = "the sparse matrices that the model is fed"
    return needed


def _open(path: Path) -> PackedBundle:
    """The bundle at `path`, trusted because this process made it."""
    bundle = PackedBundle(WheelFile(os.fspath(path), DEFAULT))
    bundle.trust_by_default(Trust.digests(bundle.digest))
    return bundle


def _replay(path: Path) -> None:
    """Open what was written, under its temporary name, and let every runtime answer the golden examples again."""
    with _open(path) as bundle, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the model warns of, it has warned of when it was recorded
        for payload in bundle.runtimes:
            with bundle.load(runtime=payload.kind, integrity="code") as model:
                report = model.check()
            if report.defects:
                message = f"the {payload.kind} runtime does not answer as the model did"
                raise PackError(message, report.defects)
