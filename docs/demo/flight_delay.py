"""The whole way of a model: trained on real flights, packed, installed elsewhere with hashes, asked, and attacked.

Run it by `make demo`. It writes into demo-output/ and takes a few minutes, most of them installing and training.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import modelwheel
from model import features, train
from modelwheel_loader.show.inspection import describe

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
OUT = ROOT / "demo-output"
CARRIERS = "9E AA AS B6 DL EV F9 FL HA MQ OO UA US VX WN YV".split()  # noqa: SIM905 - reads as a list
SHOWN: list[str] = []


@contextmanager
def step(title: str) -> Iterator[None]:
    """Say what begins, and how long it took."""
    print(f"\n── {title}", flush=True)
    start = time.perf_counter()
    yield
    print(f"   ({time.perf_counter() - start:.1f} s)", flush=True)


def shown(text: str) -> None:
    """Remember what was shown, for the summary."""
    SHOWN.append(text)
    print(f"   ✓ {text}", flush=True)


def run(*command: str | Path, **environment: str) -> str:
    """Run a command; its output."""
    done = subprocess.run(
        [str(part) for part in command], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(done.stdout, done.stderr)
        raise SystemExit(f"failed: {' '.join(map(str, command))}")
    return done.stdout


def pack(model: Any, sample: pd.DataFrame) -> modelwheel.Bundle:
    """Pack the model; the author knows which carriers there are, and says so."""
    schema = modelwheel.infer_schema(sample).schema
    schema = schema.with_field("carrier", allowed=tuple(CARRIERS), description="IATA code of the airline")
    schema = schema.with_field("distance", unit="miles", minimum=0)
    bundle = modelwheel.pack(
        model,
        name="flight-delay",
        version="1.2.0",
        sample=sample,
        schema=schema,
        about=modelwheel.About(summary="Will a flight from New York arrive more than 15 minutes late?"),
        options=modelwheel.Options(overwrite=True),
        out=OUT / "index",
        progress=lambda what, done, total: print(f"   {what}", flush=True) if total < 100 else None,
    )
    print("\n".join(f"   {line}" for line in str(bundle.report).splitlines()))
    return bundle


def second_environment(bundle: modelwheel.Bundle) -> Path:
    """A new environment with the bundle in it, installed from a folder, every file by its hash."""
    index = OUT / "index"
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", index, ROOT)
    wanted = f"{bundle.name}[native,onnx]=={bundle.version}"
    run(sys.executable, "-m", "pip", "download", "--quiet", "--find-links", index, "--dest", index, wanted)
    requirements = OUT / "requirements.txt"
    requirements.write_text("".join(_pins(index, wanted)))
    print(f"   {requirements.name}: {len(requirements.read_text().splitlines())} pinned files, such as")
    print(f"   {requirements.read_text().splitlines()[0][:100]}…")
    environment = OUT / "service"
    run(sys.executable, "-m", "venv", environment)
    python = environment / "bin" / "python"
    # an own folder of pip's configuration keeps settings of this machine out
    arguments = ["--no-index", "--find-links", index, "--require-hashes", "--requirement", requirements]
    run(python, "-m", "pip", "install", "--quiet", *arguments)
    return python


def _pins(index: Path, bundle: str) -> Iterator[str]:
    """One line per wheel: name, version and SHA-256; the bundle first, with its extras."""
    name = bundle.partition("[")[0]
    for wheel in sorted(
        index.glob("*.whl"), key=lambda path: (not path.name.startswith(name.replace("-", "_")), path.name)
    ):
        project, version = wheel.name.split("-")[:2]
        requirement = bundle if project.replace("_", "-") == name else f"{project.replace('_', '-')}=={version}"
        yield f"{requirement} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"


def ask_the_service(python: Path, model: Any, held_back: pd.DataFrame) -> None:
    """Let the other environment answer the held-back flights, and compare with the original pipeline."""
    columns = {str(name): held_back[name].to_numpy() for name in held_back.columns}
    texts = {name: values.astype(str) for name, values in columns.items() if values.dtype == object}
    np.savez(OUT / "held_back.npz", **{**columns, **texts})
    print(run(python, "-I", HERE / "service.py", OUT / "held_back.npz", OUT / "answers.npz").rstrip())
    answers = np.load(OUT / "answers.npz")
    labels, probabilities = model.predict(held_back), model.predict_proba(held_back)
    if not (
        np.array_equal(answers["native_labels"], labels)
        and np.array_equal(answers["native_probabilities"], probabilities)
    ):
        raise SystemExit("the native answers differ from the original's")
    shown(f"native: {len(labels):,} held-back flights answered as by the original pipeline, bit for bit")
    disagreements = int((answers["onnx_labels"] != labels).sum())
    difference = float(np.abs(answers["onnx_probabilities"] - probabilities).max())
    if disagreements:
        raise SystemExit(f"{disagreements} ONNX labels differ from the original's")
    shown(f"onnx: the same labels, probabilities within {difference:.1g}; nothing of the bundle's code ran")


def refuse_a_wrong_row(bundle: modelwheel.Bundle, row: dict[str, Any]) -> None:
    """Three mistakes in one row, told in one error."""
    wrong = {**row, "carrier": "UAL", "distance": "far"}
    del wrong["dest"]
    try:
        bundle.load().predict(wrong)
    except modelwheel.errors.InputError as error:
        print("\n".join(f"   {line}" for line in str(error).splitlines()))
        shown(f"a wrong row is refused with all {error.counted} defects at once")
    else:
        raise SystemExit("a wrong row was accepted")


def refuse_a_tampered_copy(bundle: modelwheel.Bundle) -> None:
    """One bit of the pickle is turned over."""
    data = bytearray(Path(bundle.path).read_bytes())
    data[data.index(b"sklearn.pipeline")] ^= 1
    copy = OUT / "tampered" / Path(bundle.path).name
    copy.parent.mkdir(exist_ok=True)
    copy.write_bytes(data)
    report = modelwheel.verify(copy)
    print("\n".join(f"   {line}" for line in str(report).splitlines()))
    try:
        modelwheel.load(copy, runtime="native", trust=modelwheel.Trust.unsafe_run_code())
    except modelwheel.errors.IntegrityError as error:
        print("\n".join(f"   {line}" for line in f"{type(error).__name__}: {error}".splitlines()))
        shown("a tampered copy is refused before a byte of it is unpickled, even when the caller trusts it")
    else:
        raise SystemExit("a tampered copy was loaded")


def main() -> None:
    """The whole way."""
    began = time.perf_counter()
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    with step("train a pipeline on the flights of 2013, January to October"):
        fitted, sample, held_back, labels = train(features())
        late = (labels == "late").mean()
        print(f"   fitted on {len(sample):,} flights; {len(held_back):,} of November and December are held back")
        print(
            f"   {late:.0%} of those were late; the model is right about {fitted.score(held_back, labels):.1%} of them"
        )
    with step("pack it"):
        bundle = pack(fitted, sample)
        shown(f"packed into {Path(bundle.path).name}")
    with step("inspect the file"):
        print("\n".join(f"   {line}" for line in describe(bundle)))
    with step("install it in a second environment, from a folder, with --require-hashes"):
        python = second_environment(bundle)
        shown("installed by pip like any package, pinned by hash")
    with step("ask it there, by flight-delay==1.2.0"):
        ask_the_service(python, fitted, held_back)
    with step("send a wrong row"):
        row = json.loads(held_back.head(1).to_json(orient="records"))[0]
        refuse_a_wrong_row(bundle, row)
    with step("tamper with a copy"):
        refuse_a_tampered_copy(bundle)
    print(f"\nShown in {time.perf_counter() - began:.0f} s:")
    print("\n".join(f"  ✓ {text}" for text in SHOWN))


if __name__ == "__main__":
    main()
