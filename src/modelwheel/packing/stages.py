"""The stages of `pack` that have no folder of their own, and its progress."""

from __future__ import annotations

import os
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

from modelwheel_loader.bundle import Bundle
from modelwheel_loader.errors import DependencyError, PackError, UsageError
from modelwheel_loader.model import RESERVED
from modelwheel_loader.opening import DEFAULT, KINDS, Proof, Requirement, Schema, WheelFile
from modelwheel_loader.run import ANY_PYTHON, Isolation, Trust
from modelwheel_loader.show import size_text
from modelwheel_loader.text import clip, counted, shown

from ..capturing.capture import Captured, capture, capture_file
from ..golden.choose import Golden
from ..golden.recording import Recorded
from ..inference.infer import Note
from ..locking.lock import Locked, make_lock
from ..options import Dependencies, NativeFormat, Options, Progress, Replay
from ..origins import Origins
from ..parity.measure import Measured, Original, measure
from ..proving.room import prove_bundle
from ..replaying.fresh import Seen
from ..wheel.save import save
from .contract import Contract, Subject
from .draft import Draft
from .needs import libraries_of
from .report import PackReport

_STAGES = ("infer", "pickle", "record", "convert", "lock", "replay", "prove", "measure", "write", "done")


class PackedBundle(Bundle):
    """A bundle that this process has just made: `load()` needs no trust. `report` is what there is to say."""

    report: PackReport


def open_packed(path: Path) -> PackedBundle:
    """The bundle at `path`, trusted because this process made it."""
    bundle = PackedBundle(WheelFile(os.fspath(path), DEFAULT))
    bundle.trust_by_default(Trust.digests(bundle.digest))
    return bundle


class Stages:
    """Calls the author's progress callback, or writes lines for True, with each stage that begins."""

    def __init__(self, *, progress: Progress | bool | None) -> None:
        self.progress = (StepLines() if progress else None) if isinstance(progress, bool) else progress

    def begin(self, name: str) -> None:
        """Report that the stage `name` begins."""
        if self.progress is not None:
            self.progress(name, _STAGES.index(name), len(_STAGES) - 1)


class StepLines:
    """Writes a line per step, with the seconds since the start; of a long step one per tenth of it.

    Nothing is overwritten: a notebook, a terminal and a log show the same, and a traceback begins on its own line.
    """

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._last: tuple[str, int] = ("", 0)

    def __call__(self, what: str, done: int, total: int) -> None:
        """A line when the step is a new one, or a tenth further."""
        now = (what, 10 * done // max(total, 1))
        if now == self._last:
            return
        share = f" {10 * now[1]}%" if what == self._last[0] else ""
        self._last = now
        print(f"pack {time.monotonic() - self._start:6.1f} s  {what}{share}", file=sys.stderr, flush=True)  # noqa: T201


def check_options(options: Options) -> None:
    """Raise `UsageError` or `PackError` for options that contradict themselves or name what there is not."""
    unknown = [kind for kind in options.runtimes if kind not in KINDS]
    if unknown or not options.runtimes or len(set(options.runtimes)) != len(options.runtimes):
        message, expected = "these runtimes cannot be packed", f"some of {', '.join(KINDS)}, each once"
        raise UsageError.of("usage.runtime", message, found=shown(str(options.runtimes)), expected=expected)
    if options.native not in get_args(NativeFormat):
        expected = f"one of {', '.join(get_args(NativeFormat))}"
        raise UsageError.of("usage.argument", "unknown native format", found=shown(options.native), expected=expected)
    if options.replay not in get_args(Replay):
        raise UsageError.argument("replay", options.replay, f"one of {', '.join(get_args(Replay))}")
    reserved = sorted(set(options.methods or ()) & RESERVED)
    if reserved:
        raise PackError.of("pack.method", f"{reserved[0]!r} is a reserved name: loaded models use it themselves")


def capture_native(
    subject: Subject, schema: Schema, dependencies: Dependencies, origins: Origins, options: Options
) -> Captured | str | None:
    """The native payload and what it needs; why there is none; None when the author does not want one."""
    if "native" not in options.runtimes:
        return None
    adapter, model = subject.adapter, subject.model
    native = adapter.native(model) if options.native == "auto" else adapter.native_as(model, options.native)
    if native is None and options.native != "auto":
        kind = adapter.framework or "callables"
        raise PackError.of("pack.native", f"models of {kind} cannot be kept as {options.native} files")
    if isinstance(native, str):
        return native
    fed_by = libraries_of(schema, "the data that the model is fed")
    if native is None:
        return capture(model, fed_by, dependencies, origins)
    return capture_file(native, fed_by, dependencies, origins)


def convert(
    subject: Subject, contract: Contract, recorded: Sequence[Recorded], golden: Golden, options: Options
) -> Measured | None:
    """The graph that predicts as the original does, with its parity; None when the author does not want one."""
    if "onnx" not in options.runtimes:
        return None
    conversion = subject.adapter.convert(subject.model, contract.schema, [method.name for method in recorded])
    original = Original(
        schema=contract.schema,
        methods=contract.methods,
        recorded=recorded,
        golden=golden,
        sample=contract.sample,
    )
    return measure(conversion, original)


def lock(
    captured: Captured | str | None, graph: Sequence[Requirement], dependencies: Dependencies, origins: Origins
) -> Locked:
    """The lock of what the original object and the graph need."""
    needs: dict[str, Sequence[Requirement]] = {}
    python = ANY_PYTHON
    if isinstance(captured, Captured):
        needs["native"], python = captured.requires, captured.python_specifier
    if graph:
        needs["onnx"] = graph
    return make_lock(needs, python, dependencies, origins) if needs else Locked()


def prove_draft(draft: Draft, dependencies: Dependencies, progress: Progress | None) -> Proof:
    """The proof of what `draft` writes; raises `DependencyError` with what did not hold."""
    with tempfile.TemporaryDirectory(prefix="modelwheel-") as folder:
        path = Path(folder, draft.identity.file_name)
        save(path, lambda stream: draft.write(stream, None))
        isolation = Isolation(find_links=dependencies.find_links, no_index=dependencies.no_index)
        with open_packed(path) as bundle:
            proven = prove_bundle(bundle, trust=None, isolation=isolation, progress=progress)
    if proven.proof is None:
        raise DependencyError("the model does not run in an environment of its own", proven.report.defects)
    return proven.proof


def verify(path: Path) -> None:
    """Open what was written, under its temporary name, and replay the golden examples with every runtime."""
    with open_packed(path) as bundle, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the author has seen these warnings
        for payload in bundle.runtimes:
            with bundle.load(runtime=payload.kind, integrity="code") as model:
                report = model.check()
            if report.defects:
                message = f"the {payload.kind} runtime does not predict as the original did"
                raise PackError(message, report.defects)


def packed(path: Path, draft: Draft, left_out: Mapping[str, str], seen: Seen) -> PackedBundle:
    """The bundle at `path` with its report."""
    bundle = open_packed(path)
    notes = [*draft.contract.notes, *_environment_notes(draft.captured, draft.locked)]
    notes += [note for method in draft.recorded for note in method.notes]
    message = "not deterministic: it answers the same rows otherwise, so only the schema of its output can be verified"
    loose = [method.name for method in draft.recorded if not method.deterministic]
    notes += [Note(code="not-deterministic", message=message, field=name) for name in loose]
    bundle.report = PackReport(
        manifest=bundle.manifest,
        size=path.stat().st_size,
        notes=(*notes, *seen.notes),
        methods_left_out=dict(left_out),
        replayed=seen.text,
    )
    return bundle


def _environment_notes(captured: Captured | str | None, locked: Locked) -> Iterator[Note]:
    """What the author should know of the environment that the model needs."""
    if isinstance(captured, Captured):
        if captured.local_modules:
            names = ", ".join(captured.local_modules)
            only = f"which only Python {captured.python_specifier.strip('=.*')} loads"
            message = f"{names}: local code, packed by value, {only} (Dependencies(code=…) avoids that)"
            yield Note(code="by-value", message=message)
        types = captured.content.settings.get("types")
        if isinstance(types, list) and types:
            names = clip(", ".join(map(str, types)), 300)
            yield Note(code="types", message=f"{names}: types that loading builds and skops does not know")
        if files := captured.sources.files:
            listed = clip(", ".join(files), 200)
            message = f"{counted(len(files), 'data file')} beside the code, {size_text(sum(files.values()))}: {listed}"
            yield Note(code="code-files", message=message)
    if locked.detail:
        yield Note(code="lock", message=": ".join(filter(None, (locked.reason, locked.detail))))


def required(dependencies: Dependencies) -> Dependencies:
    """The dependencies with a lock, which a proof needs."""
    return replace(dependencies, lock="required") if dependencies.lock == "auto" else dependencies
