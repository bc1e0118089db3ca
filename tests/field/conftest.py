"""An isolated runtime that costs nothing to build: its environment has the packages of this interpreter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import modelwheel
from field.elsewhere import TRUST
from locked import EMPTY_LOCK, ready_environment, with_lock


@pytest.fixture(scope="session")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ready_environment(tmp_path_factory.mktemp("environments"))


@pytest.fixture
def isolated(environments: Path, tmp_path: Path) -> Callable[[Any], modelwheel.Model]:
    """Loads a bundle in a worker of its own."""

    def load(bundle: Any) -> modelwheel.Model:
        path = with_lock(Path(bundle.path), EMPTY_LOCK, tmp_path / "locked")
        isolation = modelwheel.Isolation(environments=environments)
        return modelwheel.load(path, trust=TRUST, runtime="isolated", isolation=isolation)

    return load
