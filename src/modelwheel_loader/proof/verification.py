"""`verify`: every byte compared with its digest, then the golden examples replayed on whatever may run here."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal, Protocol

from ..defects import Defect
from ..errors import ModelwheelError, PredictionError
from ..opening.record import PIECE, new_sha256
from ..text import clip, counted
from .comparison import compare
from .report import Report, Step

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from ..opening.manifest import Method
    from ..opening.places import Place
    from ..opening.schema import Schema
    from ..run.selection import Candidate
    from ..run.trust import Trust
    from .examples import Goldens


Progress = Callable[[str, int, int], None]


class Model(Protocol):
    """What a replay needs of a loaded model, beside its prediction methods."""

    @property
    def runtime(self) -> str:
        """The kind of the runtime."""

    @property
    def methods(self) -> tuple[str, ...]:
        """The names of the prediction methods."""


class Bundle(Protocol):
    """What verification needs of an opened bundle."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def version(self) -> str:
        """Its version."""

    @property
    def schema(self) -> Schema:
        """The input schema."""

    @property
    def methods(self) -> Mapping[str, Method]:
        """The prediction methods."""

    @property
    def examples(self) -> Goldens | None:
        """The golden examples."""

    def load(self, *, trust: Trust, runtime: str, integrity: Literal["code"]) -> AbstractContextManager[Model]:
        """Open the model."""


def verify_bundle(
    bundle: Bundle, place: Place, candidates: Sequence[Candidate], trust: Trust, progress: Progress | None
) -> Report:
    """The report on an opened bundle. Unpickles nothing that the trust of `candidates` does not permit."""
    files = counted(len(place.members), "file")
    steps = [
        Step(name="structure", outcome="passed", detail=f"{files}, as the format demands"),
        _digests(place, progress),
    ]
    if all(step.outcome == "passed" for step in steps):
        steps.append(_examples_fit(bundle))
        steps += [step for candidate in candidates for step in _runtime(bundle, candidate, trust)]
    return Report(subject=f"{bundle.name} {bundle.version}", steps=tuple(steps))


def failed_report(subject: str, error: ModelwheelError) -> Report:
    """The report on something that cannot even be opened as a bundle."""
    step = Step(name="structure", outcome="failed", detail=error.message, defects=tuple(error.defects))
    return Report(subject=subject, steps=(step,))


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
            defects += _sums_differ(place, name, digest.hexdigest(), crc)
    return defects


def _sums_differ(place: Place, name: str, sha256: str, crc: int) -> Iterator[Defect]:
    where, code = clip(name, 120), "integrity.digest"
    row, recorded = place.record.get(name), place.members[name].crc
    if row is not None and row.sha256 != sha256:
        yield Defect(
            code=code, where=where, message="differs from its recorded digest", found=sha256, expected=row.sha256
        )
    if recorded is not None and recorded != crc:
        message = "differs from its CRC-32 in the archive"
        yield Defect(code=code, where=where, message=message, found=f"{crc:08x}", expected=f"{recorded:08x}")


def _digests(place: Place, progress: Progress | None) -> Step:
    total = sum(member.size for member in place.members.values())
    defects = tuple(verify_everything(place, progress))
    if defects:
        return Step(name="digests", outcome="failed", detail="bytes differ from what was recorded", defects=defects)
    return Step(name="digests", outcome="passed", detail=f"{total:,} bytes are as recorded")


def _examples_fit(bundle: Bundle) -> Step:
    """The recorded inputs must be valid for the schema they are recorded beside."""
    goldens = bundle.examples
    if goldens is None:
        return Step(name="examples", outcome="not run", detail="the author left golden examples out")
    from ..validate.inputs import compile_input

    try:
        rows = compile_input(bundle.schema)(goldens.input).rows
        for method in goldens.methods:
            goldens.output(method)
    except ModelwheelError as error:
        return Step(name="examples", outcome="failed", detail=error.message, defects=tuple(error.defects))
    fit = "1 row fits" if rows == 1 else f"{rows:,} rows fit"
    return Step(name="examples", outcome="passed", detail=f"{fit} the schema")


def _runtime(bundle: Bundle, candidate: Candidate, trust: Trust) -> Iterator[Step]:
    kind = candidate.kind
    if not candidate.available:
        reasons = "; ".join(defect.message for defect in (*candidate.refusal, *candidate.hindrances))
        yield Step(name=kind, outcome="not run", detail=reasons)
        return
    try:
        with bundle.load(trust=trust, runtime=kind, integrity="code") as model:
            yield from replay(bundle, model)
    except ModelwheelError as error:
        yield Step(name=kind, outcome="failed", detail=error.message, defects=tuple(error.defects))


def replay_report(bundle: Bundle, model: Model) -> Report:
    """The report of replaying the golden examples through one model."""
    return Report(subject=f"{bundle.name} {bundle.version} ({model.runtime})", steps=tuple(replay(bundle, model)))


def replay(bundle: Bundle, model: Model) -> Iterator[Step]:
    """One step per method: the recorded inputs through `model`, compared with the recorded answers."""
    goldens = bundle.examples
    if goldens is None:
        yield Step(name=model.runtime, outcome="not run", detail="the author left golden examples out")
        return
    inputs = goldens.input
    for name in model.methods:
        step = f"{model.runtime} {name}"
        if name not in goldens.methods:
            yield Step(name=step, outcome="not run", detail="no answers of it were recorded")
            continue
        try:
            answer = _answered(getattr(model, name), inputs)
            yield _compared(step, bundle.methods[name], goldens.output(name), answer)
        except ModelwheelError as error:
            yield Step(name=step, outcome="failed", detail=error.message, defects=tuple(error.defects))


def _answered(method: Callable[[object], object], inputs: object) -> object:
    """What a method answers. A warning that the caller has made an error of is no fault of the answer.

    Filters of warnings are the whole process's, so they are touched only where such a warning has come.
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
        return Step(name=step, outcome="passed", detail="not deterministic: only the schema of the answer was checked")
    tolerance = method.tolerance
    result = compare(expected, found, absolute=tolerance.absolute, relative=tolerance.relative)
    if result.exact:
        return Step(name=step, outcome="passed", detail="the golden answers, bit for bit")
    difference = f"largest difference {result.max_absolute:.3g}"
    if result.within:
        return Step(name=step, outcome="passed", detail=f"the golden answers within tolerance: {difference}")
    message = f"answers differ from the golden ones: {difference}, {result.disagreements} different labels"
    defect = result.first or Defect(code="predict.differs", message=message)
    return Step(name=step, outcome="failed", detail=message, defects=(defect,))
