"""Builds the environment of a bundle from its lock in an empty place, loads it there and replays its golden examples.

What answers as recorded there has all that it needs: neither the author's modules nor packages are in the room.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import modelwheel_loader
from modelwheel_loader.bundle import Bundle
from modelwheel_loader.errors import Defect, EnvironmentMismatch, ModelwheelError
from modelwheel_loader.isolated import Environment, find, listed, ready
from modelwheel_loader.opening import NativePayload, Proof, open_place
from modelwheel_loader.proof import Report, Step
from modelwheel_loader.run import LOCK, MOST_BYTES, Isolation, Trust, read_lock
from modelwheel_loader.text import clip, counted

from ..origins import Origins, is_standard

Progress = Callable[[str, int, int], None]
_LOADED = Step(name="load", outcome="passed", detail="the model was loaded there", tried="model")
_OUTCOMES = {"exact": "bit for bit", "within": "within tolerance", "schema": "not deterministic"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Proven:
    """What the clean room showed: the report, and the proof when all went well."""

    report: Report
    proof: Proof | None


def prove_bundle(bundle: Bundle, *, trust: Trust | None, isolation: Isolation, progress: Progress | None) -> Proven:
    """Prove `bundle`. Its code runs in the room, so it must be trusted.

    `isolation` says where packages come from and which Python is used; its folder of environments is not. Raises
    `EnvironmentMismatch` without a lock or when the environment cannot be built, and `TrustError`.
    """
    if LOCK not in bundle.manifest.members:
        bundle.requirements()  # says why there is no lock
    with tempfile.TemporaryDirectory(prefix="modelwheel-proof-") as folder:
        steps: list[Step] = []
        built: list[Environment] = []
        for payload in sorted(bundle.runtimes, key=lambda payload: payload.kind):
            settings = isolation.replace(environments=f"{folder}/{payload.kind}", workers=1, progress=progress)
            shown = list((_native if isinstance(payload, NativePayload) else _graph)(bundle, trust, settings))
            environments = listed(settings)
            built += environments
            steps += [*map(_built, environments), *shown]
        report = Report(subject=f"{bundle.name} {bundle.version}", steps=tuple(steps))
        proof = _proof(bundle, built[0], steps) if report.ok and built else None
        return Proven(report=report, proof=proof)


def _built(environment: Environment) -> Step:
    """What was built."""
    packages = f"{counted(len(environment.packages), 'package')} of the lock"
    detail = f"Python {environment.python} with {packages} and nothing else, built by {environment.tool}"
    return Step(name="environment", outcome="passed", detail=detail)


def _native(bundle: Bundle, trust: Trust | None, settings: Isolation) -> Iterator[Step]:
    """The original object, loaded in the room."""
    try:
        with bundle.load(trust=trust, runtime="isolated", isolation=settings, integrity="code") as model:
            yield _LOADED
            yield from map(explained, model.check().steps)
    except EnvironmentMismatch as error:
        if not any(defect.code.startswith("native.") for defect in error.defects):
            raise  # there was no room to load it in
        yield explained(Step(name="load", outcome="failed", detail=error.message, defects=tuple(error.defects)))
    except ModelwheelError as error:
        if error.code.startswith(("trust.", "usage.", "isolated.")):
            raise
        yield explained(Step(name="load", outcome="failed", detail=error.message, defects=tuple(error.defects)))


# --- a bundle that has a graph alone ---

_VERIFY = """
import importlib.util, json, os, sys
folder, path, digest = sys.argv[1:]
spec = importlib.util.spec_from_file_location("boot", os.path.join(folder, "isolated", "worker_boot.py"))
boot = importlib.util.module_from_spec(spec)
spec.loader.exec_module(boot)
boot._make_importable(folder)
from modelwheel_loader.bundle import open_again
bundle = open_again(path, digest, None)
bundle.load(runtime="onnx").close()
print(json.dumps(bundle.verify().to_dict()))
"""


def _graph(bundle: Bundle, _trust: Trust | None, settings: Isolation) -> Iterator[Step]:
    """The graph, verified by the caller's own loader in the room. It runs no code of the bundle."""
    try:
        bundle.requirements("onnx")
    except EnvironmentMismatch as error:
        yield Step(name="onnx", outcome="not run", detail=error.message)
        return
    environment = _environment(bundle, settings)
    folder = os.path.dirname(os.path.abspath(modelwheel_loader.__file__))  # noqa: PTH100, PTH120 - as workers do
    path = os.path.abspath(bundle.path)  # noqa: PTH100 - the room is another folder
    command = [environment.interpreter, "-I", "-B", "-c", _VERIFY, folder, path, bundle.digest]
    done = subprocess.run(  # noqa: S603 - the interpreter of the room
        command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, cwd=environment.folder
    )
    if done.returncode:
        said = clip(done.stderr.strip().rpartition("\n")[2], 300)
        defect = Defect(code="prove.failed", message=f"the loader ended there: {said}")
        yield explained(Step(name="load", outcome="failed", detail=defect.message, defects=(defect,)))
        return
    yield _LOADED
    for step in json.loads(done.stdout)["steps"]:
        if step["name"].startswith("native"):
            continue  # it has a room of its own
        defects = tuple(
            Defect(**{key: defect[key] for key in ("code", "message", "found", "expected") if defect.get(key)})
            for defect in step["defects"]
        )
        plain = {key: step[key] for key in ("name", "outcome", "detail", "tried")}
        yield explained(Step(**plain, defects=defects))


def _environment(bundle: Bundle, settings: Isolation) -> Environment:
    with contextlib.closing(open_place(bundle.path)) as place:
        lock = place.read(place.root + LOCK, limit=MOST_BYTES)
    packages = read_lock(lock, "onnx")
    found = find((packages.requires_python,), bundle.manifest.packed_with.get("python", "3.11"))
    if found is None:
        raise EnvironmentMismatch.of("isolated.python", f"no Python {packages.requires_python} was found")
    return ready(lock, packages.lines, found, settings)


# --- what is written down ---


def _proof(bundle: Bundle, environment: Environment, steps: list[Step]) -> Proof:
    methods: dict[str, str] = {}
    for step in steps:
        runtime, _, method = step.name.partition(" ")
        if runtime in ("isolated", "onnx") and method in bundle.methods and step.outcome == "passed":
            methods.setdefault(method, _outcome(step.detail))
    examples = bundle.manifest.examples
    return Proof(
        lock=bundle.manifest.members[LOCK].sha256,
        python=environment.python,
        platform=sysconfig.get_platform(),
        tool=environment.tool,
        rows=examples.rows if examples else 0,
        methods=methods,
    )


def _outcome(detail: str) -> str:
    return next((name for name, words in _OUTCOMES.items() if words in detail), "exact")


# --- what is missing in the room, and the words of the author that would bring it ---


_PATTERNS = (r"No module named '([\w.]+)'", r"Missing optional dependency '([\w.-]+)'", r"needs the module ([\w.]+),")


def explained(step: Step) -> Step:
    """`step`; where it failed for want of a module, its defect names the distribution and what to tell `pack`."""
    if step.outcome != "failed":
        return step
    text = " ".join([step.detail, *(defect.message for defect in step.defects)])
    module = next((match[1] for pattern in _PATTERNS for match in [re.search(pattern, text)] if match), None)
    if module is None:
        return step
    top = module.partition(".")[0]
    return step.replace(defects=(_defect(top, step.detail), *step.defects[1:]))


def _defect(module: str, detail: str) -> Defect:
    owner = None if is_standard(module) else Origins().distribution(module)
    if owner is not None and owner.from_index:
        hint = f'Tell pack of it: dependencies=Dependencies(add=("{owner.name}",)).'
        return Defect(code="prove.missing", message=f"{owner.name} is missing: {clip(detail, 300)}", hint=hint)
    if owner is not None:
        hint = f'If an index has it: Dependencies(add=("{owner.name}",)); else its source: Dependencies(code=(…,)).'
    else:
        hint = f"Let its source travel, Dependencies(code=(…,)), or add the distribution that has {clip(module, 60)}."
    return Defect(
        code="prove.missing", message=f"the module {clip(module, 60)} is missing: {clip(detail, 300)}", hint=hint
    )
