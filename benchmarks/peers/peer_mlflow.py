"""MLflow: a model saved with a signature and an input example, loaded as a pyfunc; no tracking server."""

import sys
from importlib.metadata import version
from pathlib import Path

import common
import mlflow
import pandas as pd
from mlflow.models import get_model_info, infer_signature

TRUSTED = {"skops_trusted_types": ["numpy.dtype"]}  # its default is skops's format, which does not know this one
NEEDS = {
    "pip_requirements": [f"scikit-learn=={version('scikit-learn')}"]
}  # as it would find out by itself, in a minute


def save(folder: Path) -> None:
    """The plain model, by this environment."""
    frame, labels = common.training()
    known = {"signature": infer_signature(frame, labels), "input_example": frame.head(4)}
    mlflow.sklearn.save_model(common.fitted(), folder / "plain", **known, **TRUSTED, **NEEDS)


def more(folder: Path) -> None:
    """The model with a canary in it, and the large one."""
    mlflow.sklearn.save_model(common.with_canary(), folder / "canary", serialization_format="cloudpickle", **NEEDS)
    mlflow.sklearn.save_model(common.large()[0], folder / "large", **TRUSTED, **NEEDS)


def probe(folder: Path) -> None:
    """The verdicts."""
    common.sang()
    signature = get_model_info(str(folder / "plain")).signature
    get_model_info(str(folder / "canary"))
    reads = common.sang()
    loaded = common.outcome(lambda: mlflow.sklearn.load_model(str(folder / "canary")))
    runs = common.sang()
    model = mlflow.pyfunc.load_model(str(folder / "plain"))
    good = common.outcome(lambda: model.predict(pd.DataFrame(common.GOOD)))
    bad = common.outcome(lambda: model.predict(pd.DataFrame(common.BAD)))
    files = sorted(path.name for path in (folder / "plain").iterdir())
    common.tell(
        installs=common.installs(folder / "plain"),
        reads=("–" if reads else "✓", str(signature.inputs)),
        refuses=("–" if runs else "✓", loaded),
        good=("✓" if good.startswith("answered") else "–", good),
        defects=(common.judged(bad.rpartition("Error:")[2]), bad.rpartition("Error:")[2]),  # before it, the data
        null=common.same_nulls(model.predict(pd.DataFrame(common.NULLS))),
        whole=("", common.outcome(lambda: model.predict(pd.DataFrame([{"age": 14, "calls": 9, "plan": "plus"}])))),
        numeral=("", common.outcome(lambda: model.predict(pd.DataFrame([{"age": "1.5", "calls": 9, "plan": "plus"}])))),
        replays=("–", f"inputs travel, answers do not: {files}"),
        onnx=("–", "one flavour's file in the folder"),
        mapped=common.mapped(lambda: mlflow.sklearn.load_model(str(folder / "large"))),
    )


def other(folder: Path) -> None:
    """Load what another scikit-learn has saved."""
    common.tell(versions=common.warned(lambda: mlflow.pyfunc.load_model(str(folder / "plain"))))


if __name__ == "__main__":
    {"save": save, "more": more, "probe": probe, "other": other}[sys.argv[1]](Path(sys.argv[2]))
