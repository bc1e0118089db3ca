"""How near a runtime comes to the original, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ..text import clip

if TYPE_CHECKING:
    from ..manifest.records import Parity


def parity_lines(parities: Mapping[str, Parity]) -> Iterator[str]:
    """How far a runtime is from the original, made safe: one line for all methods of which the same can be said."""
    said: dict[tuple[str, str], list[str]] = {}
    largest: dict[tuple[str, str], float] = {}
    for method, parity in sorted(parities.items(), key=lambda item: not item[1].exact):
        kind = ("bit for bit" if parity.exact else _labels(parity), parity.rows_text)
        said.setdefault(kind, []).append(clip(method))
        largest[kind] = max(largest.get(kind, 0.0), parity.max_absolute)
    for kind, methods in said.items():
        words, rows = kind
        what = (
            "as the original, bit for bit"
            if words == "bit for bit"
            else f"within {largest[kind]:.1g} of the original{words}"
        )
        yield f"{', '.join(methods)}: {what}, on {rows}"


def _labels(parity: Parity) -> str:
    return f", {parity.label_disagreements:,} labels differ" if parity.label_disagreements else ""
