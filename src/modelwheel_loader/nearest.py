"""The nearest of several texts, for "did you mean …?". Bounded work, however many candidates there are."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from .text import clip

_CANDIDATES = 200
_LONGEST = 100


def nearest(wanted: object, candidates: Iterable[object], hint: str = "did you mean {}?") -> str:
    """`hint` with the candidate most like `wanted` in it; empty when none is near."""
    import difflib

    texts = [str(candidate)[:_LONGEST] for candidate in islice(candidates, _CANDIDATES)]
    close = difflib.get_close_matches(str(wanted)[:_LONGEST], texts, n=1)
    return hint.replace("{}", repr(clip(close[0], 40))) if close else ""
