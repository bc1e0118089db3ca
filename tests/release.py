"""The release recipe, as a command: `make release` builds what is uploaded and tries it as its users will.

`tests/whole/test_release.py` runs it. It uploads nothing: CONTRIBUTING.md says what is left to do.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from environments import ROOT, environment, run
from modelwheel.version import VERSION

GOLDEN = ROOT / "tests" / "compat" / "modelwheel-1" / "golden-1.0.0-py3-none-any.whl"
FROM_SOURCE = ("tests/test_architecture.py", "tests/compat", "tests/test_docs.py", "tests/loader/test_names.py")
"""The tests that are run in the unpacked source archive: those that read the most of its files."""
NOT_RUN = "not test_every_block_does"
TRIED = """
import sys, modelwheel
assert modelwheel.__version__ == sys.argv[2], modelwheel.__version__
golden = modelwheel.load(sys.argv[1], runtime="onnx")
assert golden.check().ok
assert golden.predict({"x0": 2.0, "x1": -2.0, "x2": 0.0}) == "above"
def double(rows):
    return [2 * row["x"] for row in rows]
rows = [{"x": float(number)} for number in range(20)]
alone = modelwheel.Dependencies(lock="none")
bundle = modelwheel.pack(double, name="double", version="1.0", sample=rows, dependencies=alone)
assert bundle.load().predict({"x": 21.0}) == 42.0
assert modelwheel.verify(bundle.path, trust=modelwheel.Trust.unsafe_run_code()).ok
"""
"""What a new environment with the built wheel does: the golden row, then a bundle of its own."""


def release(out: Path) -> Iterator[str]:
    """Build into `out` and check; yields what was done. Raises AssertionError at the first thing that is wrong."""
    run(sys.executable, "-m", "build", "--outdir", out, ROOT)  # the wheel is built from the source archive
    source, wheel = out / f"modelwheel-{VERSION}.tar.gz", out / f"modelwheel-{VERSION}-py3-none-any.whl"
    yield f"built {source.name} and {wheel.name}"
    run(sys.executable, "-m", "twine", "check", "--strict", source, wheel)
    ours = ("--toplevel", "modelwheel,modelwheel_loader", "--ignore", "W009")  # W009: more than one package at the top
    run(Path(sys.executable).with_name("check-wheel-contents"), *ours, wheel)
    yield "twine and check-wheel-contents find nothing"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        unpacked = unpack(source, folder / "source")
        yield f"the source archive has all {len(tracked())} files of the repository that it should have"
        run_tests(unpacked)
        yield f"its own tests pass: {', '.join(FROM_SOURCE)}"
        python = environment(folder / "empty", f"modelwheel[pack,onnx] @ {wheel.resolve().as_uri()}")
        run(python, "-I", "-c", TRIED, GOLDEN, VERSION, cwd=folder)
        yield "in an empty environment the wheel answers a golden row, and packs, verifies and loads a model"
    if f"\n## {VERSION}" not in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"):
        yield f"TO DO: name the section 'Unreleased' of CHANGELOG.md '{VERSION} (DATE)', and begin a new one"


def tracked() -> set[str]:
    """The files of the repository that belong into the source archive."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return {name for name in listed.split("\0") if name and not name.startswith(".")}


def unpack(source: Path, folder: Path) -> Path:
    """The folder of the unpacked source archive, which has every file that is tracked."""
    with tarfile.open(source) as archive:
        archive.extractall(folder, filter="data")
    unpacked = next(folder.iterdir())
    missing = {name for name in tracked() if (ROOT / name).exists() and not (unpacked / name).exists()}
    assert not missing, f"not in the source archive, see [tool.hatch.build.targets.sdist]: {sorted(missing)}"
    return unpacked


def run_tests(unpacked: Path) -> None:
    """Run some tests of the source archive on its own source, with the packages of this environment."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-k", NOT_RUN, *FROM_SOURCE]
    run(*command, cwd=unpacked, PYTHONPATH=str(unpacked / "src"))


def main() -> None:
    """Do it, into the folder that is named, or into dist/release."""
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "dist" / "release"
    for done in release(out):
        print(f"  {done}", flush=True)


if __name__ == "__main__":
    main()
