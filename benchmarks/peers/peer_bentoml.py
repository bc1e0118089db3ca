"""BentoML: a model in its store, exported as a file; the service around it is the user's to write."""

import sys
from pathlib import Path

import bentoml
import common
import pandas as pd


def save(folder: Path) -> None:
    """The plain model, by this environment."""
    keep(folder, "plain", common.fitted())


def more(folder: Path) -> None:
    """The model with a canary in it, and the large one."""
    keep(folder, "canary", common.with_canary())
    keep(folder, "large", common.large()[0])


def keep(folder: Path, name: str, model: object) -> None:
    """Save a model and export it to a file."""
    bentoml.sklearn.save_model(name, model)
    bentoml.models.export_model(f"{name}:latest", str(folder / f"{name}.bentomodel"))


def taken(folder: Path, name: str) -> str:
    """The model in the store, imported from the file where it is not there yet."""
    try:
        return str(bentoml.models.get(f"{name}:latest").tag)
    except bentoml.exceptions.NotFound:
        return str(bentoml.models.import_model(str(folder / f"{name}.bentomodel")).tag)


def probe(folder: Path) -> None:
    """The verdicts."""
    common.sang()
    info = bentoml.models.get(taken(folder, "canary")).info
    reads = common.sang()
    loaded = common.outcome(lambda: bentoml.sklearn.load_model(taken(folder, "canary")))
    runs = common.sang()
    model = bentoml.sklearn.load_model(taken(folder, "plain"))
    bad = common.outcome(lambda: model.predict(pd.DataFrame(common.BAD)))
    large = taken(folder, "large")
    common.tell(
        installs=common.installs(folder / "plain.bentomodel"),
        reads=("–" if reads else "partly", f"module {info.module}, methods {list(info.signatures)}; not what it takes"),
        refuses=("–" if runs else "✓", loaded),
        good=("✓", common.outcome(lambda: model.predict(pd.DataFrame(common.GOOD)))),
        defects=("–", f"the model itself: {bad}; types can be written by hand in the service"),
        null=common.same_nulls(model.predict(pd.DataFrame(common.NULLS))),
        replays=("–", "no examples in the file"),
        onnx=("–", "one framework's file in the model"),
        mapped=common.mapped(lambda: bentoml.sklearn.load_model(large)),
    )


def other(folder: Path) -> None:
    """Load what another scikit-learn has saved."""
    tag = taken(folder, "plain")
    common.tell(versions=common.warned(lambda: bentoml.sklearn.load_model(tag)))


if __name__ == "__main__":
    {"save": save, "more": more, "probe": probe, "other": other}[sys.argv[1]](Path(sys.argv[2]))
