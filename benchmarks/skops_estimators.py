"""Packs every estimator of scikit-learn as a skops file: how many answer bit for bit, and what the others lack.

Prints the counts in docs/tasks/pack.md. Run: python benchmarks/skops_estimators.py
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import modelwheel
from estimators import ESTIMATORS, REFUSED, dense, fitted
from modelwheel.adapters.sklearn import METHODS
from modelwheel.errors import ModelwheelError
from modelwheel_loader.proof.comparison import compare

OPTIONS = modelwheel.Options(runtimes=("native",), native="skops")
NO_LOCK = modelwheel.Dependencies(lock="none")


def outcome(name: str, folder: Path) -> tuple[str, tuple[str, ...]]:
    """What becomes of an estimator, and the types in it that skops does not know."""
    model, data = fitted(name)
    try:
        bundle = modelwheel.pack(
            model, name=name, version="1.0", sample=data, out=folder, options=OPTIONS, dependencies=NO_LOCK
        )
    except ModelwheelError as error:
        return str(error), ()
    loaded = bundle.load(runtime="native")
    for method in METHODS:
        if method in loaded.methods:
            if not loaded.bundle.methods[method].deterministic:
                continue
            compared = compare(dense(getattr(model, method)(data)), dense(getattr(loaded, method)(data)))
            if not compared.exact:
                return f"{method} differs by up to {compared.max_absolute:.0e}", ()
    types = bundle.runtimes[0].settings.get("types", ())  # type: ignore[union-attr]
    return "exact", tuple(types)


def main() -> None:
    warnings.simplefilter("ignore")
    exact, unknown, seen = 0, 0, Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        for name in sorted(ESTIMATORS.keys() - REFUSED):
            told, types = outcome(name, Path(folder))
            exact += told == "exact"
            unknown += bool(types)
            seen.update(types)
            if told != "exact":
                print(f"{name}: {told}", flush=True)
    print(f"{len(ESTIMATORS.keys() - REFUSED)} estimators: {exact} answer bit for bit from a skops file")
    print(f"{unknown} of them hold types that skops does not trust by itself: {dict(seen.most_common())}")


if __name__ == "__main__":
    main()
