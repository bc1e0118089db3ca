"""What `inspect` says of bundles that say much, and of those that say little."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import modelwheel
from modelwheel import About, Examples
from modelwheel_loader.opening.manifest import LockFile, Proof
from modelwheel_loader.show.inspection import SHOWN_FIELDS, describe, lock_text, proof_text, size, size_text

ROWS = pd.DataFrame({"age": [20.0, 60.0], "city": ["Rom", "Bonn"], "code": ["A1", "B2"], "same": [1, 1]})


def scored(table: Any, limit: float = 0.5, mode: str = "mean") -> Any:
    return (table["age"] * limit).to_numpy()


@pytest.fixture
def talkative(tmp_path: Path) -> modelwheel.Bundle:
    schema = modelwheel.infer_schema(ROWS).schema
    schema = schema.with_field("age", minimum=0, maximum=120, unit="years", nullable=True, description="when called")
    schema = schema.with_field("city", allowed=("Rom", "Bonn"), default="Rom")
    schema = schema.with_field("code", pattern="[A-Z][0-9]", deprecated=True).replace(unique=("code",), max_rows=10)
    about = About(summary="Scores.", author="Ada Example", license="MIT")
    return modelwheel.pack(scored, name="scored", version="1", sample=ROWS, schema=schema, about=about, out=tmp_path)


def test_all_that_a_field_says_is_told(talkative: modelwheel.Bundle) -> None:
    text = "\n".join(describe(talkative, verbose=True))
    assert "input: 4 fields, 0 to 10 rows at a time, each code once" in text
    for line in (
        "age [years]  float64  or null  ≥ 0, ≤ 120, seen 20 … 60, when called",
        "city         string            one of Rom, Bonn, default 'Rom', 2 distinct values",
        "code         string            matching [A-Z][0-9], 2 distinct values, deprecated",
        "same         int64             constant: 1",
        "author       Ada Example · MIT",
        "examples     2 real rows from the author's data",
        "parameter limit=0.5 (float64), parameter mode='mean' (string)",
    ):
        assert line in text, text


def test_a_bundle_that_says_little_has_no_empty_lines_for_it(tmp_path: Path) -> None:
    wide = {f"c{number}": [1.0, 2.0] for number in range(SHOWN_FIELDS + 2)}
    none = Examples(source="none")
    bundle = modelwheel.pack(_first, name="wide", version="1", sample=wide, examples=none, out=tmp_path)
    lines = list(describe(bundle))
    assert "  … and 2 more (--verbose lists them)" in lines
    assert not any(line.startswith("  author") for line in lines)
    assert "  examples     none recorded" in lines
    assert any(line.startswith("  isolated: left out when packed, ") for line in lines)
    assert all(line == line.rstrip() for line in lines)
    assert any(f"c{SHOWN_FIELDS + 1}" in line for line in describe(bundle, verbose=True))


def _first(columns: dict[str, Any]) -> Any:
    return columns["c0"]


def test_the_size_is_that_of_the_file_while_it_is_there(talkative: modelwheel.Bundle) -> None:
    assert size(talkative) == talkative.path.stat().st_size
    talkative.path.rename(talkative.path.with_name("away.whl"))
    assert size(talkative) == sum(member.size for member in talkative.manifest.members.values())


def test_locks_and_proofs_in_words() -> None:
    assert lock_text(LockFile(member="pylock.toml", resolver="uv")) == "all platforms (resolved by uv)"
    lock = LockFile(member="pylock.toml", resolver="pip", platforms="linux-x86_64")
    assert lock_text(lock) == "linux-x86_64 only (resolved by pip)"
    proof = Proof(lock="", python="3.12.1", platform="linux-x86_64", tool="uv", rows=16, methods={})
    assert proof_text(proof) == "proven in a clean room: Python 3.12.1 on linux-x86_64, 16 golden examples"


@pytest.mark.parametrize(
    ("bytes_", "said"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (1_440_000, "1.4 MB"), (5 * 10**12, "5000.0 GB")],
)
def test_sizes_for_people(bytes_: int, said: str) -> None:
    assert size_text(bytes_) == said
