"""`verify`: every byte compared with its digest, then the golden examples replayed on what may run here."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ..defects import Defect
from ..errors import ModelwheelError, PredictionError
from ..opening.record import PIECE, new_sha256
from ..text import clip, counted
from .comparison import compare
from .report import Report, Step

if TYPE_CHECKING:
    from ..opening.manifest import Manifest, Method
    from ..opening.places import Place
    from ..run.selection import Candidate
    from .examples import Goldens

Progress = Callable[[str, int, int], None]
_NO_EXAMPLES = "the bundle has no golden examples"


def verify_bundle(
    manifest: Manifest,
    goldens: Goldens | None,
    place: Place,
    candidates: Sequence[Candidate],
    replay_on: Callable[[str], Iterable[Step]],
    progress: Progress | None,
    *,
    structure_only: bool,
) -> Report:
    """The report on an opened bundle. `replay_on` loads one runtime and replays the golden examples on it.

    Loads nothing that the trust of `candidates` does not permit, and nothing at all with `structure_only`.
    """
    files = counted(len(place.members), "file")
    steps = [Step(name="structure", outcome="passed", detail=f"{files}, structure valid"), _digests(place, progress)]
    if all(step.outcome == "passed" for step in steps):
        steps.append(_examples_fit(manifest, goldens))
        for candidate in () if structure_only else candidates:
            reasons = "; ".join(defect.message for defect in (*candidate.refusal, *candidate.hindrances))
            if not candidate.available:
                steps.append(Step(name=candidate.kind, outcome="not run", detail=reasons))
                continue
            try:
                steps += replay_on(candidate.kind)
            except ModelwheelError as error:
                steps.append(_failed(candidate.kind, error))
    subject = f"{manifest.name} {manifest.version}"
    return Report(subject=subject, steps=tuple(steps), structure_only=structure_only)


def failed_report(subject: str, error: ModelwheelError) -> Report:
    """The report on something that cannot even be opened as a bundle."""
    return Report(subject=subject, steps=(_failed("structure", error),))


def _failed(name: str, error: ModelwheelError) -> Step:
    return Step(name=name, outcome="failed", detail=error.message, defects=tuple(error.defects))


def verify_everything(place: Place, progress: Progress | None = None) -> list[Defect]:
    """Read every member once and compare SHA-256 and CRC-32 with what is recorded; gives all defects.

    The two sums are taken by two threads at the same time: both release the interpreter's lock.
    """
    from binascii import crc32
    from concurrent.futures import ThreadPoolExecutor

    total = sum(member.size for member in place.members.values())
    done = 0
    defects: list[Defect] = []
    with ThreadPoolExecutor(1) as pool:
        for name, member in place.members.items():
            digest, crc = new_sha256(total), 0
            view, _ = place.map(name)
            for start in range(0, member.size, PIECE):
                piece = view[start : start + PIECE]
                other = pool.submit(crc32, piece, crc) if member.crc is not None else None
                digest.update(piece)
                crc = other.result() if other else crc
                done += len(piece)
                if progress:
                    progress("verifying", done, total)
            recorded = [("digest", row.sha256, digest.hexdigest())] if (row := place.record.get(name)) else []
            recorded += [("CRC-32", f"{member.crc:08x}", f"{crc:08x}")] if member.crc is not None else []
            for what, expected, found in recorded:
                if expected != found:
                    differs = Defect(code="integrity.digest", message=f"differs from its recorded {what}")
                    defects.append(differs.replace(where=clip(name, 120), found=found, expected=expected))
    return defects


def _digests(place: Place, progress: Progress | None) -> Step:
    total = sum(member.size for member in place.members.values())
    defects = tuple(verify_everything(place, progress))
    if defects:
        return Step(name="digests", outcome="failed", detail="bytes do not match their digests", defects=defects)
    return Step(name="digests", outcome="passed", detail=f"all {total:,} bytes match their digests")


def _examples_fit(manifest: Manifest, goldens: Goldens | None) -> Step:
    """The recorded inputs must be valid for the schema they are recorded beside."""
    if goldens is None:
        return Step(name="examples", outcome="not run", detail=_NO_EXAMPLES)
    from ..validate.inputs import compile_input

    try:
        rows = compile_input(manifest.input)(goldens.input).rows
        for method in goldens.methods:
            goldens.output(method)
    except ModelwheelError as error:
        return _failed("examples", error)
    fit = "1 row fits" if rows == 1 else f"{rows:,} rows fit"
    return Step(name="examples", outcome="passed", detail=f"{fit} the schema")


def replay(
    manifest: Manifest, goldens: Goldens | None, runtime: str, methods: Mapping[str, Callable[[object], object]]
) -> Iterator[Step]:
    """One step per method of a loaded model: its predictions for the recorded inputs against the recorded ones."""
    if goldens is None:
        yield Step(name=runtime, outcome="not run", detail=_NO_EXAMPLES)
        return
    inputs = goldens.input
    recorded = {method.name: method for method in manifest.methods}
    for name, predict in methods.items():
        title = f"{runtime} {name}"
        if name not in goldens.methods:
            yield Step(name=title, outcome="not run", detail="no golden examples of this method")
            continue
        try:
            found = _predicted(predict, inputs)
            method = recorded[name]
            step = _compared(title, method, goldens.output(name), found)
            yield step.replace(tried="model" if method.deterministic else "schema")
        except ModelwheelError as error:
            yield _failed(title, error)


def _predicted(method: Callable[[object], object], inputs: object) -> object:
    """The output of a method, also where the caller has made errors of warnings, which are not about the output.

    Filters of warnings belong to the whole process, so they are changed only where such a warning has come.
    """
    try:
        return method(inputs)
    except PredictionError as error:
        if not isinstance(error.__cause__, Warning):
            raise
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return method(inputs)


def _compared(step: str, method: Method, expected: object, found: object) -> Step:
    if not method.deterministic:
        return Step(name=step, outcome="passed", detail="not deterministic: only the schema of the output was checked")
    tolerance = method.tolerance
    result = compare(expected, found, absolute=tolerance.absolute, relative=tolerance.relative)
    if result.exact:
        return Step(name=step, outcome="passed", detail="identical to the golden examples")
    difference = f"largest difference {result.max_absolute:.3g}"
    if result.within:
        return Step(name=step, outcome="passed", detail=f"within tolerance of the golden examples: {difference}")
    message = f"differs from the golden examples: {difference}, {result.disagreements} different labels"
    return Step(name=step, outcome="failed", detail=message, defects=(result.first,) if result.first else ())
