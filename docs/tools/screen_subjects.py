"""The bundles and files that screens show: an ordinary one, and those that are hard to show."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import modelwheel

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from hostile import EVIL, hostile_bundle

ROWS = 2000
LONG = "average_number_of_support_calls_per_month_in_the_last_twelve_months_without_those_that_were_dropped"


def ordinary(folder: Path) -> Any:
    """The bundle in the README's picture: made from the same numbers each time, so that the picture stays the same."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    customers, left = _customers()
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    columns = make_column_transformer(
        (numbers, ["age", "monthly_bill", "support_calls"]), (OneHotEncoder(handle_unknown="ignore"), ["plan"])
    )
    model = make_pipeline(columns, LogisticRegression()).fit(customers, left)
    about = modelwheel.About(
        summary="Who leaves within 90 days", author="Ada Example", author_email="ada@example.com", license="Apache-2.0"
    )
    examples = modelwheel.Examples(source="synthetic")
    return modelwheel.pack(
        model, name="churn", version="1.2.0", sample=customers, about=about, examples=examples, out=folder
    )


def _customers() -> tuple[pd.DataFrame, Any]:
    random = np.random.default_rng(0)
    customers = pd.DataFrame(
        {
            "age": np.where(random.random(ROWS) < 0.04, np.nan, random.integers(18, 91, ROWS)),
            "monthly_bill": random.gamma(4, 12, ROWS).round(2),
            "support_calls": random.poisson(1.2, ROWS),
            "plan": random.choice(["basic", "plus", "family"], ROWS),
        }
    )
    return customers, np.where(customers["support_calls"] + random.normal(0, 1, ROWS) > 2, "leaves", "stays")


def hard(folder: Path) -> Any:
    """Nested types, names that are long or in other scripts, many classes, and options that change answers."""

    def score(rows: list[dict[str, Any]], threshold: float = 0.5) -> list[str]:
        return [f"klasse {len(str(row['名前'])) % 30}" if threshold < 1 else "–" for row in rows]

    moment = dt.datetime(2026, 11, 25, 12, tzinfo=dt.UTC)
    sample = [
        {
            "名前": name,
            "Straße und Hausnummer": "Große Elbstraße 9",
            LONG: 0.25 * number,
            "basket": [{"sku": "A-1", "price": 9.5, "tags": ["new", "sale"]}] * (number % 3),
            "place": {"latitude": 53.5, "longitude": 9.9},
            "seen": moment,
            "عدد": number,
        }
        for number, name in enumerate(["山田太郎", "佐藤", "Ольга", "😀 emoji"] * 5)
    ]
    schema = modelwheel.infer_schema(sample).schema
    return modelwheel.pack(
        score,
        name="acme-forecast-of-demand-for-support-calls",
        version="2026.11.25rc1",
        sample=sample,
        schema=schema,
        about=modelwheel.About(summary="Предсказание · 予測 · " + "a long summary that says it all again " * 4),
        options=modelwheel.Options(runtimes=("native",)),
        out=folder,
    )


def wide(folder: Path) -> Any:
    """600 columns, some of which `pack` has to say something about."""
    random = np.random.default_rng(0)
    sample = pd.DataFrame(random.normal(size=(40, 600)), columns=[f"sensor_{number:03d}" for number in range(600)])
    sample["sensor_001"] = 1.0
    sample["customer_id"] = [f"C{number:06d}" for number in range(40)]
    options = modelwheel.Options(runtimes=("native",))
    return modelwheel.pack(_first, name="wide", version="1", sample=sample, options=options, out=folder)


def _first(columns: Any) -> Any:
    return columns["sensor_000"]


def make_all(folder: Path) -> dict[str, Any]:
    """Every subject in `folder`: the bundles that `pack` returned, by name; and files to ask, pack and refuse."""
    import joblib
    from sklearn.linear_model import LogisticRegression

    packed = {"churn": ordinary(folder), "hard": hard(folder), "wide": wide(folder)}
    (folder / "evil").mkdir()
    hostile_bundle(folder / "evil")
    customers, left = _customers()
    pd.concat([customers] * 200).to_csv(folder / "customers.csv", index=False)
    customers.head(40).to_csv(folder / "sample.csv", index=False)
    bad = customers.head(40).astype(object)
    bad.loc[1, "support_calls"] = "many"
    bad.loc[5:30, "monthly_bill"] = "1,50 €"
    bad.loc[7, "plan"] = None
    bad.to_csv(folder / "today.csv", index=False)
    bad.rename(columns={"plan": "pian", "age": "Age"}).to_csv(folder / "renamed.csv", index=False)
    joblib.dump(LogisticRegression().fit(customers[["monthly_bill"]], left), folder / "model.joblib")
    customers[["monthly_bill"]].to_csv(folder / "bills.csv", index=False)
    (folder / "tampered").mkdir()
    tampered(packed["churn"].path, folder / "tampered" / packed["churn"].path.name)
    (folder / "ordinary-1.0-py3-none-any.whl").write_bytes(b"PK\x05\x06" + bytes(18))
    (folder / "churn-1.0.tar.gz").write_bytes(b"\x1f\x8b" + bytes(30))
    return packed


def tampered(wheel: Path, copy: Path) -> Path:
    """A copy in which one bit differs."""
    data = bytearray(wheel.read_bytes())
    data[data.index(b"sklearn.pipeline")] ^= 1
    copy.write_bytes(data)
    return copy


def bad_rows() -> list[Mapping[str, Any]]:
    """Rows with defects of many kinds, for the ordinary bundle."""
    good = {"age": 30.0, "monthly_bill": 10.0, "support_calls": 1, "plan": "basic"}
    changes: list[dict[str, Any]] = [
        {"age": "old"},
        {"support_calls": None},
        {"support_calls": 1.5},
        {"plan": 3},
        {"monthly_bill": float("inf")},
        {"plan": EVIL, "age": EVIL},
        {"age": "年齢" * 200},
    ]
    renamed = {**{key: value for key, value in good.items() if key != "monthly_bill"}, "monthly_bil": 1.0}
    return [*({**good, **change} for change in changes), renamed] * 30
