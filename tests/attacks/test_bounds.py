"""What is refused costs little (row 8): memory, time and text stay bounded however much is wrong in a file."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import modelwheel
from builders import FILE_NAME, INFO, ROOT, archive, files, manifest, tiny, with_record
from modelwheel.errors import InvalidBundle, ModelwheelError
from modelwheel_loader.defects import MOST_DEFECTS
from modelwheel_loader.limits import MIB
from modelwheel_loader.opening.record import encode_digest

MOST_MEMORY = 300 * MIB
"""Above that of the imports: what a document of 4 MiB, the limit, becomes as Python objects, and names of 40 MB."""
DIGEST = encode_digest("00" * 32)


def of_manifest(text: bytes) -> bytes:
    return archive(with_record(files() | {f"{ROOT}manifest.json": text}))


def of_list(item: str) -> bytes:
    """As many times `item` as the limit of the manifest takes."""
    head, tail = '{"format":"modelwheel/1","x":[', "1]}"
    count = (4 * MIB - len(head) - len(tail)) // len(f"{item},".encode())
    return of_manifest((head + f"{item}," * count + tail).encode())


def of_changes(**changes: object) -> bytes:
    return of_manifest(json.dumps(manifest({}) | changes, separators=(",", ":")).encode())


def of_record(text: str) -> bytes:
    return archive(files() | {f"{INFO}RECORD": text.encode()})


BOMBS: dict[str, Callable[[], bytes]] = {
    "lists": lambda: of_list("[]"),
    "objects": lambda: of_list("{}"),
    "numbers": lambda: of_list("1e9"),
    "texts": lambda: of_list('"é"'),
    "keys": lambda: of_changes(**{f"{number:x}": 1 for number in range(350_000)}),
    "one number": lambda: of_list("1" * 4_000_000),
    "one text": lambda: of_list('"' + "\\u00e9" * 690_000 + '"'),
    "members that are none": lambda: of_changes(members={f"{number:x}": 1 for number in range(350_000)}),
    "members of nothing": lambda: of_changes(members={f"{number:x}": {} for number in range(250_000)}),
    "fields that are none": lambda: of_changes(input={"fields": [1] * 99_999}),
    "fields without end": lambda: of_changes(input={"fields": [1] * 1_900_000}),
    "requirements that are none": lambda: of_changes(runtimes=[{"kind": "native", "requires": [{}] * 1_300_000}]),
    "rows of RECORD": lambda: of_record("a,b,c\n" * 2_700_000),
    "rows of nothing": lambda: of_record("\n" * 16_700_000),
    "rows by carriage returns": lambda: of_record("\r" * 16_700_000),
    "wrong rows": lambda: of_record("a,b\n" * 19_999),
    "one row": lambda: of_record('"' + "a" * 16_000_000 + '",,\n'),
    "rows of ghosts": lambda: of_record("".join(f"{number:x},{DIGEST},1\n" for number in range(19_999))),
    "long names": lambda: archive([(f"a/{number:04}" + "x" * 4080, b"") for number in range(9_999)]),
    "deep names": lambda: archive([("a/" * 2040 + str(number), b"") for number in range(9_999)]),
    "names to fold": lambda: archive([(str(number) + "é" * 2000, b"") for number in range(9_999)]),
    "wrong names": lambda: archive([(f"{number}:", b"") for number in range(9_999)]),
    "names that are no UTF-8": lambda: archive([(b"%d" % number + b"\xff" * 4000, b"") for number in range(9_999)]),
}
MEASURE = """
import resource, sys
import modelwheel
from modelwheel_loader import bundle
from modelwheel_loader.show import codes
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before = peak()
try:
    modelwheel.open(sys.argv[1])
except modelwheel.errors.ModelwheelError as error:
    print(type(error).__name__, len(error.defects), len(str(error)), len(str(modelwheel.verify(sys.argv[1]))))
print(peak() - before)
"""


@pytest.mark.parametrize("bomb", BOMBS)
def test_what_is_refused_costs_little(bomb: str, tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    path.write_bytes(BOMBS[bomb]())
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, path], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    said, memory = done.stdout.splitlines()
    kind, defects, text, report = said.split()
    assert kind == "InvalidBundle"
    assert 1 <= int(defects) <= MOST_DEFECTS
    assert int(text) < 10_000
    assert int(report) < 10_000
    assert int(memory) < MOST_MEMORY


def test_folders_with_files_without_end_are_refused(tmp_path: Path) -> None:
    """Whoever names the wrong folder waits no longer."""
    for folder in range(4):
        (tmp_path / str(folder)).mkdir()
        for number in range(4):
            (tmp_path / str(folder) / str(number)).touch()
    with pytest.raises(InvalidBundle, match="too many files"):
        modelwheel.open(tmp_path, limits=modelwheel.Limits(members=15))
    with pytest.raises(InvalidBundle, match="layout"):
        modelwheel.open(tmp_path, limits=modelwheel.Limits(members=16))


def test_limits_of_the_contract_are_the_callers(tmp_path: Path) -> None:
    with pytest.raises(InvalidBundle, match="more than 0 fields"):
        modelwheel.open(tiny(tmp_path), limits=modelwheel.Limits(fields=0))


def test_limits_travel_with_bundles_and_models(tmp_path: Path) -> None:
    def answer(rows: list[dict[str, int]]) -> list[int]:
        return [row["a"] for row in rows]

    sample = [{"a": number} for number in range(20)]
    path = modelwheel.pack(answer, name="wide", version="1", sample=sample, out=tmp_path).path
    allowed = modelwheel.Limits(name_bytes=61)
    bundle = modelwheel.open(path, limits=allowed)
    model = bundle.load(trust=modelwheel.Trust.unsafe_run_code())
    assert pickle.loads(pickle.dumps(bundle))._limits == allowed
    assert pickle.loads(pickle.dumps(model)).bundle._limits == allowed


def test_limits_of_graphs_are_the_callers(tmp_path: Path) -> None:
    from sklearn.linear_model import LinearRegression

    model = LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
    path = modelwheel.pack(model, name="line", version="1", sample=[[0.0], [1.0]], out=tmp_path).path
    with pytest.raises(InvalidBundle, match="more than 0 nodes"):
        modelwheel.open(path, limits=modelwheel.Limits(onnx_nodes=0)).load(runtime="onnx")
    with pytest.raises(ModelwheelError, match="more than 0 names"):
        modelwheel.open(path, limits=modelwheel.Limits(pickle_references=0)).explain()
