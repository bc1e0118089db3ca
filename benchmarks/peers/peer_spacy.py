"""spaCy: one of its own pipelines as a package; it has no place for a scikit-learn model."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import common
import numpy as np
import spacy


def save(folder: Path) -> None:
    """The plain model, by this environment."""
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.to_disk(folder / "plain")
    command = [sys.executable, "-m", "spacy", "package", folder / "plain", folder, "--name", "tried"]
    subprocess.run([*command, "--build", "wheel", "--force"], check=True, capture_output=True)


def more(folder: Path) -> None:
    """The model with a canary in it, and the large one."""
    nlp = spacy.blank("en")
    rows = common.LARGE // 4 // 300
    keys = [f"word{number}" for number in range(rows)]
    nlp.vocab.vectors = spacy.vectors.Vectors(data=np.zeros((rows, 300), dtype="float32"), keys=keys)
    nlp.to_disk(folder / "large")


def probe(folder: Path) -> None:
    """The verdicts."""
    wheel = next(folder.rglob("*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        code = [name for name in archive.namelist() if name.endswith(".py")]
        meta = json.loads(archive.read(next(name for name in archive.namelist() if name.endswith("meta.json"))))
    nlp = spacy.load(folder / "plain")
    bad = common.outcome(lambda: list(nlp.pipe([3, "a", None])))
    common.tell(
        installs=common.installs(wheel),
        reads=("✓", f"meta.json: {sorted(meta)}; what it takes is text"),
        refuses=("–", f"the package's own code runs when it is imported: {code}"),
        good=("✓", common.outcome(lambda: nlp("One. Two."))),
        defects=("–", bad),
        null=("–", bad),
        replays=("–", "scores of training travel, examples do not"),
        onnx=("–", "one form"),
        mapped=common.mapped(lambda: spacy.load(folder / "large")),
    )


def other(folder: Path) -> None:
    """Load what says that it was made by an older spaCy."""
    path = folder / "plain" / "meta.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"spacy_version": ">=3.0.0,<3.1.0"}))
    common.tell(versions=common.warned(lambda: spacy.load(folder / "plain")))


if __name__ == "__main__":
    {"save": save, "more": more, "probe": probe, "other": other}[sys.argv[1]](Path(sys.argv[2]))
