"""skops: its file format for scikit-learn models."""

import sys
from pathlib import Path

import common
import pandas as pd
import skops.io as sio


def save(folder: Path) -> None:
    """The plain model, by this environment."""
    sio.dump(common.fitted(), folder / "plain.skops")


def more(folder: Path) -> None:
    """The model with a canary in it, and the large one."""
    sio.dump(common.with_canary(), folder / "canary.skops")
    sio.dump(common.large()[0], folder / "large.skops")


def load(path: Path) -> object:
    """As its documentation says: what is not known to be safe is named by the caller."""
    return sio.load(path, trusted=sio.get_untrusted_types(file=path))


def probe(folder: Path) -> None:
    """The verdicts."""
    common.sang()
    types = sio.get_untrusted_types(file=folder / "canary.skops")
    reads = common.sang()
    refused = common.outcome(lambda: sio.load(folder / "canary.skops"))
    runs = common.sang()
    model = load(folder / "plain.skops")
    bad = common.outcome(lambda: model.predict(pd.DataFrame(common.BAD)))
    common.tell(
        installs=common.installs(folder / "plain.skops"),
        reads=("–" if reads else "partly", f"types of the objects: {types}; not what it takes"),
        refuses=("–" if runs else "✓", refused),
        good=("✓", common.outcome(lambda: model.predict(pd.DataFrame(common.GOOD)))),
        defects=("–", f"the model itself: {bad}"),
        null=common.same_nulls(model.predict(pd.DataFrame(common.NULLS))),
        replays=("–", "no examples in the file"),
        onnx=("–", "no other form in the file"),
        mapped=common.mapped(lambda: load(folder / "large.skops")),
    )


def other(folder: Path) -> None:
    """Load what another scikit-learn has saved."""
    common.tell(versions=common.warned(lambda: load(folder / "plain.skops")))


if __name__ == "__main__":
    {"save": save, "more": more, "probe": probe, "other": other}[sys.argv[1]](Path(sys.argv[2]))
