"""The codes of locks and proofs, each with its cause and its cure; part of `codes.py`."""

from __future__ import annotations

LOCK_CODES: dict[str, tuple[str, str]] = {
    "pack.lock": (
        "A lock was asked for and cannot be made, or the one that was given does not hold what the model needs.",
        'Read what the resolver says; `find_links` looks into folders of wheels, and `lock="none"` does without.',
    ),
}
