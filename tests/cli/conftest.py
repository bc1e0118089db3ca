from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

import modelwheel
from models import flights_like, pack_flights_like


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline that takes numbers, nulls and text, and answers labels."""
    return Path(pack_flights_like(tmp_path_factory.mktemp("flights")).path)


@pytest.fixture(scope="session")
def line(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sum of ten numbers."""
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(50, 10)), columns=[f"f{i}" for i in range(10)])
    about = modelwheel.About(summary="Adds up ten numbers", author="Ada Example", license="Apache-2.0")
    out = tmp_path_factory.mktemp("line")
    model = LinearRegression().fit(X, X.sum(axis=1))
    return Path(modelwheel.pack(model, name="line", version="1.0", sample=X, about=about, out=out).path)


@pytest.fixture(scope="session")
def flights() -> pd.DataFrame:
    return flights_like()[0]
