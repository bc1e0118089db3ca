"""The codes of locks and proofs, each with its cause and its cure."""

from __future__ import annotations

LOCK_CODES: dict[str, tuple[str, str]] = {
    "native.code": (
        "The bundle brings a module whose name another module has here, with another source.",
        'Load it where nothing else has that name: runtime="isolated".',
    ),
    "pack.code": (
        "Source that is to travel in the bundle cannot: it is no module, has compiled parts, or needs other local code.",
        "Name the whole package or the file that is imported: Dependencies(code=(…,)).",
    ),
    "prove.missing": (
        "The model needs a package, or a module, that is not in its lock: in the clean room it is not there.",
        "Name it to `pack`: Dependencies(add=(…,)) for a package, Dependencies(code=(…,)) for source of your own.",
    ),
    "prove.failed": (
        "The model does not answer in the clean room as it did when it was packed.",
        "Read the steps: what is different there? The lock holds the versions that were installed here.",
    ),
    "pack.lock": (
        "A lock was asked for and cannot be made, or the one that was given does not hold what the model needs.",
        'Read what the resolver says; `find_links` looks into folders of wheels, and `lock="none"` does without.',
    ),
}
