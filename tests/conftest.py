"""What holds for all tests: no index is asked for a lock, and no interpreter replays, unless a test says so.

Packing asks an index for a lock unless told otherwise, and tests pack hundreds of times. `make fuzz` gives the property
tests many times as many examples.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from hypothesis import settings

from environments import ABSENT, PYTHONS
from modelwheel.locking.resolvers import Unresolved, resolve
from modelwheel.packing import elsewhere
from modelwheel.replaying.fresh import started

_USED = "modelwheel.locking.lock.resolve"
_TIMES = 10
settings.register_profile("fuzz", deadline=None, max_examples=1000)


def _nobody(_: object) -> object:
    raise Unresolved("no resolver is asked in the tests")


@pytest.fixture(autouse=True, scope="session")
def _no_index() -> Iterator[None]:
    """`lock="auto"` makes no lock."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_USED, _nobody)
        yield


@pytest.fixture(autouse=True, scope="session")
def _replay_here() -> Iterator[None]:
    """`pack` starts no interpreter of its own: it costs a second, and the tests pack hundreds of times."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(elsewhere, "started", lambda *_: contextlib.nullcontext())
        yield


@pytest.fixture
def fresh_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    """`pack` replays in an interpreter of its own, as it does by default."""
    monkeypatch.setattr(elsewhere, "started", started)


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks are made, by the index of this machine."""
    monkeypatch.setattr(_USED, resolve)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say when the tests across Pythons had fewer of them than they are for: nobody can download them everywhere."""
    if ABSENT:
        said = f"Only Python {', '.join(PYTHONS)} is here: NOT TESTED across Pythons: {', '.join(ABSENT)}"
        terminalreporter.write_line(said, yellow=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Raise the numbers of examples that tests set themselves, which win over that of the profile."""
    if settings.get_current_profile_name() != "fuzz":
        return
    tests = {id(test): test for item in items if (test := getattr(item, "obj", None)) is not None}
    for test in tests.values():
        own = getattr(test, "_hypothesis_internal_use_settings", None)
        if own is not None and own is not settings.default:
            test._hypothesis_internal_use_settings = settings(own, max_examples=_TIMES * own.max_examples)
