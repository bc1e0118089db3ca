"""Makes the golden bundle of the current format. Run it once per format version, and never again for an old one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

import modelwheel

FOLDER = Path(__file__).parent / "modelwheel-1"


def main() -> None:
    """Pack a small classifier of numbers."""
    random = np.random.default_rng(1)
    sample = random.normal(size=(60, 3)).round(3)
    labels = np.where(sample[:, 0] - sample[:, 1] > 0, "above", "below")
    model = LogisticRegression().fit(sample, labels)
    bundle = modelwheel.pack(model, name="golden", version="1.0.0", sample=sample, out=FOLDER)
    print(bundle.path)


if __name__ == "__main__":
    main()
