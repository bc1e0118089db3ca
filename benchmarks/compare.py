"""Tries every claim of the comparison on modelwheel and its peers, each in an environment of its own; writes the table.

`python benchmarks/compare.py` needs `uv` and a package index. It prints what each did, and writes the table between
the marks in README.md and docs/comparison.md. `peers/common.py` has the yardsticks, `peers/peer_*.py` how to ask each.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PEERS = Path(__file__).parent / "peers"
PAGES = (ROOT / "README.md", ROOT / "docs" / "comparison.md")
UV = Path(sys.executable).with_name("uv")
OTHER = "scikit-learn==1.8.*"
"""What saves the model that is loaded by the newest scikit-learn."""
MARKS = ("<!-- made by benchmarks/compare.py -->\n", "<!-- end -->\n")


class Peer(NamedTuple):
    """A peer: its name in the table and on the index, what is installed to try it, what a service installs."""

    shown: str
    name: str
    install: tuple[str, ...]
    service: str


CHECKOUT = str(ROOT)
FITTING = ("scikit-learn", "pandas", "pip")
ALL = (
    Peer("modelwheel", "modelwheel", (f"{CHECKOUT}[sklearn]", *FITTING), CHECKOUT),
    Peer("MLflow", "mlflow", ("mlflow", *FITTING), "mlflow"),
    Peer("BentoML", "bentoml", ("bentoml", *FITTING), "bentoml"),
    Peer("skops", "skops", ("skops", *FITTING), "skops"),
    Peer("vetiver", "vetiver", ("vetiver", "httpx", *FITTING), "vetiver"),
    Peer("spaCy package", "spacy", ("spacy", "build", *FITTING), "spacy"),
)
CLAIMS = {
    "installs": "one file that pip installs and pins",
    "reads": "what it is and takes can be read without running its code",
    "refuses": "loading runs no code unless the caller says so",
    "defects": "input is checked, all defects at once",
    "null": "null reaches the model as it was fitted",
    "replays": "golden answers travel and are replayed",
    "onnx": "ONNX beside the original, parity measured",
    "versions": "another scikit-learn than it was saved with",
    "mapped": "a large array is mapped, shared between processes",
    "distributions": "distributions that `pip install` brings",
}


def main() -> None:
    """Try, print, write."""
    with tempfile.TemporaryDirectory(prefix="modelwheel-peers-") as scratch, ThreadPoolExecutor(3) as pool:
        verdicts = pool.map(lambda peer: tried(peer, Path(scratch) / peer.name), ALL)  # at a time: nothing is timed
        found = dict(zip([peer.shown for peer in ALL], verdicts, strict=True))
    for shown, told in found.items():
        for claim, (verdict, why) in told.items():
            print(f"{shown}: {claim}: {verdict or 'seen'}: {why}")
    text = table(found)
    print(text)
    for page in PAGES:
        before, _, rest = page.read_text(encoding="utf-8").partition(MARKS[0])
        page.write_text(before + MARKS[0] + text + MARKS[1] + rest.partition(MARKS[1])[2], encoding="utf-8")


def tried(peer: Peer, folder: Path) -> dict[str, tuple[str, str]]:
    """What the peer did, claim by claim."""
    print(f"… {peer.shown}", file=sys.stderr, flush=True)
    old, new = folder / "saved-by-other", folder / "saved"
    for place in (old, new):
        place.mkdir(parents=True)
    python = environment(folder / "env", peer.install)
    found = ask(python, peer, "version", new)
    ask(python, peer, "save", new)
    ask(python, peer, "more", new)
    found |= ask(python, peer, "probe", new)
    python = environment(folder / "env", (*peer.install, OTHER))
    ask(python, peer, "save", old)
    python = environment(folder / "env", (*peer.install, "--upgrade-package", "scikit-learn"))
    found |= ask(python, peer, "other", old)
    return found | {"distributions": (str(distributions(peer.service)), "")}


def environment(folder: Path, install: tuple[str, ...]) -> Path:
    """The interpreter of the environment with these distributions in it."""
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, folder], check=True)
    subprocess.run([UV, "pip", "install", "--quiet", "--python", python, *install], check=True)
    return python


def ask(python: Path, peer: Peer, what: str, folder: Path) -> dict[str, tuple[str, str]]:
    """What one script tells, run in that environment."""
    if what == "version":
        command = [python, "-c", f"import importlib.metadata as m; print(m.version({peer.name!r}))"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return {"version": (done.stdout.strip(), "")}
    home = {"HOME": str(folder), "BENTOML_HOME": str(folder / "bentoml"), "CANARY": str(folder / "canary-sang")}
    quiet = {"PYTHONWARNINGS": "", "BENTOML_DO_NOT_TRACK": "True", "MLFLOW_DISABLE_TELEMETRY": "true"}
    command = [python, PEERS / f"peer_{peer.name}.py", what, folder]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **home, **quiet}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{peer.shown}, {what}:\n{done.stdout}\n{done.stderr}")
    told = done.stdout.partition("FOUND")[2]
    return {claim: (verdict, why) for claim, (verdict, why) in json.loads(told or "{}").items()}


def distributions(name: str) -> int:
    """How many distributions an empty environment gets."""
    command = [UV, "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--python", sys.executable, "-"]
    done = subprocess.run(command, input=f"{name}\n", capture_output=True, text=True, check=True)
    return len(done.stdout.split("\n")) - 1


def table(found: dict[str, dict[str, tuple[str, str]]]) -> str:
    """The table in Markdown, with the versions that were tried."""
    heads = [f"{shown} {verdicts['version'][0]}" for shown, verdicts in found.items()]
    lines = [f"| | {' | '.join(heads)} |", "| --- |" + " --- |" * len(heads)]
    for claim, meaning in CLAIMS.items():
        cells = " | ".join(verdicts[claim][0] for verdicts in found.values())
        lines.append(f"| {meaning} | {cells} |")
    python = ".".join(map(str, sys.version_info[:3]))
    lines += ["", f"Python {python}, scikit-learn {version('scikit-learn')}, saved by {OTHER} for the other version."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
