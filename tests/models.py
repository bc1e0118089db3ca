"""Models that several tests pack."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import modelwheel


def flights_like(rows: int = 400) -> tuple[pd.DataFrame, np.ndarray]:
    """A mixed table with nulls and text, and labels."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "delay": random.normal(10, 30, rows).round(1),
            "distance": random.integers(80, 5000, rows),
            "built": np.where(random.random(rows) < 0.2, np.nan, random.integers(1960, 2013, rows)),
            "carrier": random.choice(["AA", "DL", "UA", "WN"], rows),
            "origin": random.choice(["EWR", "JFK", "LGA"], rows),
        }
    )
    return frame, np.where(frame["delay"] + random.normal(0, 10, rows) > 15, "late", "on time")


def flights_like_pipeline() -> tuple[Pipeline, pd.DataFrame]:
    """A pipeline as practitioners write it, fitted."""
    frame, labels = flights_like()
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), ["delay", "distance", "built"]),
        (OneHotEncoder(handle_unknown="ignore"), ["carrier", "origin"]),
    )
    forest = RandomForestClassifier(12, max_depth=6, random_state=0)
    return make_pipeline(columns, forest).fit(frame, labels), frame


def pack_flights_like(out: Path, version: str = "1.2.0") -> modelwheel.Bundle:
    """The packed pipeline."""
    model, frame = flights_like_pipeline()
    return modelwheel.pack(model, name="flight-delay", version=version, sample=frame, out=out)
