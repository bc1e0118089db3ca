"""Packing asks an index for a lock unless told otherwise. Tests pack hundreds of times, and ask when they say so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from environments import ABSENT, PYTHONS
from modelwheel.locking.resolvers import Unresolved, resolve

_USED = "modelwheel.locking.lock.resolve"


def _nobody(_: object) -> object:
    raise Unresolved("no resolver is asked in the tests")


@pytest.fixture(autouse=True, scope="session")
def _no_index() -> Iterator[None]:
    """`lock="auto"` makes no lock."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_USED, _nobody)
        yield


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks are made, by the index of this machine."""
    monkeypatch.setattr(_USED, resolve)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say when the tests across Pythons had fewer of them than they are for: nobody can download them everywhere."""
    if ABSENT:
        said = f"Only Python {', '.join(PYTHONS)} is here: NOT TESTED across Pythons: {', '.join(ABSENT)}"
        terminalreporter.write_line(said, yellow=True)
