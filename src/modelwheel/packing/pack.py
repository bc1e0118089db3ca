"""`pack`: a trained model becomes a wheel. Each stage lives in a file of its own."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..capturing.capture import Captured, origins_for
from ..golden.choose import choose_goldens
from ..golden.recording import record
from ..locking.lock import Locked
from ..options import Dependencies, Examples, Options, Progress
from ..parity.promise import hold
from ..wheel.metadata import About, check_about, identify
from ..wheel.save import save
from .contract import Contract, Subject
from .cost import measure_costs
from .draft import Draft
from .elsewhere import elsewhere
from .needs import graph_requires, with_answers
from .stages import (
    PackedBundle,
    Stages,
    capture_native,
    check_options,
    convert,
    lock,
    packed,
    prove_draft,
    required,
    verify,
)

__all__ = ["PackedBundle", "pack"]


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
    is input data like the training data: a DataFrame (pandas, Polars, Arrow), an array, a sparse matrix, a dict of
    arrays, a list of dicts or of texts. The schema is inferred from all of it, unless `schema` says more:
    `infer_schema(sample).schema.with_field(…)`, or whatever `Schema.of` takes, such as a pydantic model or a dataclass.
    Arguments of a callable that have a default become parameters of the method.

    `dependencies` add to what the model needs, and say how it is locked. `prove` builds the locked environment in an
    empty folder, loads the bundle there, replays its golden examples, and records the proof in the manifest.
    `progress` is called with each step and the bytes written; True writes a line per step to standard error.

    Raises `PackError` with everything that keeps the model from being packed, `InputError` when the sample does not
    fit a given `schema`, `WriteError` when the file cannot be written. A failure leaves nothing behind.
    """
    stages = Stages(progress=progress)
    check_options(options)
    identity = identify(name, version)
    check_about(about)
    origins = origins_for(dependencies)
    subject = Subject.of(model, options.methods)

    stages.begin("infer")
    contract = Contract.of(subject, sample, schema, options.categories)
    golden = choose_goldens(examples, contract.schema, contract.sample)

    stages.begin("pickle")  # before the model predicts anything, which may leave traces in it
    captured = capture_native(subject, contract.schema, dependencies, origins, options)

    with elsewhere(captured, contract, origins, options) as fresh:
        stages.begin("record")
        wanted = options.methods is not None
        recorded, left_out = record(contract.methods, golden, contract.untouched, contract.notes, wanted=wanted)
        hold(contract.schema, contract.methods, contract.sample, recorded, contract.notes)

        stages.begin("convert")
        measured = convert(subject, contract, recorded, golden, options)

        answers = [method.output for method in recorded]
        if isinstance(captured, Captured):
            captured = with_answers(captured, answers, dependencies)
        graph = None if measured is None else measured.candidate
        graph_needs = () if graph is None else graph_requires(graph, answers, dependencies, origins)
        draft = Draft(
            identity=identity,
            about=about,
            subject=subject,
            contract=contract,
            recorded=recorded,
            golden=golden,
            captured=captured,
            measured=measured,
            graph_requires=graph_needs,
            locked=Locked(),
            runtimes=options.runtimes,
        )
        fresh.ask(draft)

        stages.begin("lock")
        locking = required(dependencies) if prove else dependencies
        draft = replace(draft, locked=lock(captured, graph_needs, locking, origins))
        stages.begin("replay")
        seen = fresh.answer(draft)
        if seen.imported:
            captured = seen.declared(captured)
            draft = replace(draft, captured=captured, locked=lock(captured, graph_needs, locking, origins))

    if prove:
        stages.begin("prove")
        draft = replace(draft, proof=prove_draft(draft, dependencies, stages.progress))
    if options.measure_cost:
        stages.begin("measure")
        draft = replace(draft, costs=measure_costs(draft))

    stages.begin("write")
    target = Path(out) / identity.file_name
    save(target, lambda stream: draft.write(stream, stages.progress), check=verify, overwrite=options.overwrite)

    stages.begin("done")
    return packed(target, draft, left_out, seen)
