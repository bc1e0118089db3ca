"""What every peer is tried with: the same data and model, the same canary, the same yardsticks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

NULLS = [{"age": None, "calls": 9, "plan": None}, {"age": 41.0, "calls": 0, "plan": "plus"}]
"""Rows as JSON has them: nulls in the two columns that had nulls, beside others."""
GOOD = [{"age": 30.0, "calls": 9, "plan": "plus"}, {"age": 41, "calls": 0, "plan": "basic"}]
BAD = [{"age": "old", "calls": 9, "plan": "plus"}, {"age": 41.0, "plan": "basic"}]
"""Two defects: text for a number in the first row, a missing column in the second."""
LARGE = 50_000_000


def training() -> tuple[Any, list[str]]:
    """Customers with a number, a count and a text; null in two of the columns. The plan decides, also if null."""
    import pandas as pd

    random = np.random.default_rng(0)
    ages = np.where(random.random(200) < 0.1, np.nan, random.integers(18, 90, 200))
    plans = ["basic", "plus", None, "pro"] * 50
    frame = pd.DataFrame({"age": ages, "calls": random.poisson(2, 200), "plan": pd.Series(plans, dtype=object)})
    return frame, [{"basic": "yes", None: "maybe"}.get(plan, "no") for plan in plans]


def fitted() -> Any:
    """An ordinary pipeline over them."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    columns = make_column_transformer((numbers, ["age", "calls"]), (OneHotEncoder(handle_unknown="ignore"), ["plan"]))
    return make_pipeline(columns, LogisticRegression()).fit(*training())


def nulls_as_fitted() -> Any:
    """`NULLS` as the model saw null when it was fitted: NaN among numbers, None among texts."""
    import pandas as pd

    frame = pd.DataFrame(NULLS)
    plans = pd.Series([row["plan"] for row in NULLS], dtype=object)
    return frame.assign(age=frame["age"].astype("float64"), plan=plans)


def same_nulls(answers: object) -> tuple[str, str]:
    """Whether rows with nulls get the original's answers."""
    given, wanted = [str(item) for item in answers], [str(item) for item in fitted().predict(nulls_as_fitted())]  # type: ignore[attr-defined]
    return ("✓" if given == wanted else "–"), f"{given}, the original {wanted}"


def large() -> tuple[Any, Any]:
    """A model that is one array of 50 MB, and a sample of it."""
    from sklearn.neighbors import KNeighborsClassifier

    data = np.random.default_rng(0).random((LARGE // 8 // 50, 50))
    return KNeighborsClassifier(1, algorithm="brute").fit(data, np.arange(len(data)) % 2), data[:50]


class Canary:
    """Leaves a file where it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return eval, (f"open({os.environ['CANARY']!r}, 'w').close()",)


def with_canary() -> Any:
    """The model with a canary in it."""
    model = fitted()
    model.note = Canary()
    return model


def sang() -> bool:
    """Whether code of the file has run."""
    path = Path(os.environ["CANARY"])
    try:
        return path.exists()
    finally:
        path.unlink(missing_ok=True)


def outcome(call: Callable[[], object]) -> str:
    """What a call did: its error, or its answer."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return f"answered {call()}"
        except Exception as error:
            return f"{type(error).__name__}: {error}"


def judged(said: str) -> str:
    """Whether the refusal of `BAD` names both defects."""
    if said.startswith("answered"):
        return "–"
    return "✓" if "age" in said and "calls" in said else "partly"


def warned(load: Callable[[], object]) -> tuple[str, str]:
    """What loading under another scikit-learn does: `refused`, `warned` or `–`."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        try:
            load()
        except Exception as error:
            return "refused", f"{type(error).__name__}: {error}"
    told = [str(item.message) for item in seen if "version" in str(item.message)]
    return ("warned", told[0]) if told else ("–", "nothing is said")


def installs(artifact: Path) -> tuple[str, str]:
    """Whether pip installs the artifact, into an empty folder."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    target = artifact.parent / "installed"
    done = subprocess.run([*command, "--target", target, artifact], capture_output=True, text=True, check=False)
    return ("✓" if done.returncode == 0 else "–"), (done.stderr.strip().splitlines() or [artifact.name])[0]


def own_memory() -> int:
    """Bytes of memory that are this process's own: not shared, not backed by a file."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1024
    raise SystemExit("no RssAnon here")


def mapped(load: Callable[[], object]) -> tuple[str, str]:
    """Whether the large array is mapped: what loading adds to this process's own memory."""
    before = own_memory()
    kept = load()
    added = own_memory() - before
    del kept
    return ("✓" if added < LARGE / 5 else "–"), f"loading adds {added / 1e6:.0f} MB of {LARGE / 1e6:.0f} MB"


def tell(**found: tuple[str, str]) -> None:
    """The verdicts, for the script that asked."""
    print("FOUND" + json.dumps({name: [verdict, str(why)[:300]] for name, (verdict, why) in found.items()}))
