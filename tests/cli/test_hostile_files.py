"""Files of rows that are broken on purpose: Arrow's libraries believe what a file says of its own memory."""

from __future__ import annotations

import io
import random
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from modelwheel.cli.tables.arrowfile import arrow_chunks
from modelwheel.errors import InputError, ModelwheelError
from modelwheel_loader.opening.schema import Field, Schema
from modelwheel_loader.opening.types import Float, String
from modelwheel_loader.validate.inputs import compile_input

TABLE = pa.table({"a": [1.0, 2.0, 3.0], "c": ["x", "yy", "zé"], "d": pa.array(["q", "r", "q"]).dictionary_encode()})
CHECK = compile_input(Schema(fields=(Field(name="a", type=Float()), Field(name="c", type=String())), layout="columns"))
OFFSETS = struct.pack("<4i", 0, 1, 3, 6)
"""Where the texts of the column `c` begin and end."""


def written(kind: str) -> bytes:
    """The table as a Parquet file, an Arrow file, or an Arrow stream."""
    out = io.BytesIO()
    if kind == "parquet":
        parquet.write_table(TABLE, out)
        return out.getvalue()
    make: Any = pa.ipc.new_file if kind == "file" else pa.ipc.new_stream
    with make(out, TABLE.schema) as batches:
        batches.write_table(TABLE)
    return out.getvalue()


def read(data: bytes, kind: str) -> list[Any]:
    """The texts of the column `c`, as `predict` reads them."""
    found: list[Any] = []
    chunks = arrow_chunks(
        "-" if kind == "stream" else "x", io.BytesIO(data), "parquet" if kind == "parquet" else "arrow", 10
    )
    for chunk in chunks:
        found += CHECK(chunk.columns).column("c").values.tolist()
    return found


@pytest.mark.parametrize("kind", ["file", "stream"])
@pytest.mark.parametrize("offsets", [(0, 1, 3, 1 << 30), (0, 1, -5, 6), (7, 7, 7, 7)])
def test_texts_that_lie_outside_of_the_file(kind: str, offsets: tuple[int, ...]) -> None:
    """They were read: the process ended, or answered by what lies in its memory."""
    data = written(kind)
    assert data.count(OFFSETS) == 1
    assert read(data, kind) == ["x", "yy", "zé"]
    with pytest.raises(InputError) as caught:
        read(data.replace(OFFSETS, struct.pack("<4i", *offsets)), kind)
    assert caught.value.code == "input.file"


def test_a_broken_parquet_file_is_no_failure_of_writing() -> None:
    data = bytearray(written("parquet"))
    for place in range(len(data) - 200, len(data) - 8):
        data[place] = 255
    with pytest.raises(InputError) as caught:
        read(bytes(data), "parquet")
    assert caught.value.code == "input.file"


SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from test_hostile_files import fuzz
fuzz(int(sys.argv[2]))
"""


def fuzz(times: int) -> None:
    """Read that many files of which some bytes are others; only errors of modelwheel may come of it."""
    source = random.Random(0)
    for _ in range(times):
        kind = source.choice(["parquet", "file", "stream"])
        data = bytearray(written(kind))
        for _ in range(source.choice([1, 1, 2, 5])):
            data[source.randrange(len(data))] = source.choice([0, 1, 128, 255, source.randrange(256)])
        try:
            read(bytes(data), kind)
        except ModelwheelError:
            continue


def test_any_bytes_are_rows_or_our_error() -> None:
    """In a process of its own, which might crash."""
    here = Path(__file__).parent
    done = subprocess.run([sys.executable, "-c", SCRIPT, here, "2000"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
