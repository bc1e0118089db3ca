"""Whatever happens to a worker is a typed error, then a fresh worker answers; nothing is left behind."""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import modelwheel
from locked import TRUST, Load, X, ready_environment
from modelwheel.errors import PredictionError, UsageError, WorkerError
from modelwheel_loader.isolated.runtime import Worker
from processes import alive, all_processes, children, gone, open_descriptors, session_of


@pytest.mark.parametrize(
    ("act", "code", "note"),
    [
        ("exit", "worker.crashed", ""),
        ("crash", "worker.crashed", "Segmentation fault"),
        ("kill", "worker.killed", ""),
        ("allocate", "worker.memory", ""),
        ("hang up", "worker.crashed", ""),
        ("leave a child", "worker.crashed", ""),
        ("start a program", "worker.crashed", ""),
        ("garbage", "worker.protocol", ""),
    ],
)
def test_a_worker_that_ends_is_a_typed_error_and_a_fresh_one_answers(
    act: str, code: str, note: str, model: modelwheel.Model
) -> None:
    number = int(model.predict(X, act="number")[0])
    with pytest.raises(WorkerError) as caught:
        model.predict(X, act=act)
    assert caught.value.code == code
    assert note in "".join(getattr(caught.value, "__notes__", []))
    assert model.predict(X, act="number")[0] != number
    assert model.predict(X).tolist() == [0, 3, 6, 9]
    assert all(map(gone, [process for process in all_processes() if session_of(process) == number]))


@pytest.mark.parametrize("act", ["hang", "header", "grandchild"])
def test_a_call_that_takes_too_long_ends_its_worker(act: str, acting: Path, load: Load) -> None:
    with load(acting, timeout=1.0) as model:
        number = int(model.predict(X, act="number")[0])
        with pytest.raises(WorkerError, match="within 1 seconds") as caught:
            model.predict(X, act=act)
        assert caught.value.code == "worker.timeout"
        assert all(map(gone, [process for process in all_processes() if session_of(process) == number]))
        assert model.predict(X).tolist() == [0, 3, 6, 9]


def test_a_model_must_be_open_in_time(acting: Path, load: Load) -> None:
    before = children()
    with pytest.raises(WorkerError, match=r"did not open the model within 0\.001 seconds"):
        load(acting, start_timeout=0.001, workers=2)
    assert children() == before


def test_an_environment_that_is_taken_away_is_named(acting: Path, tmp_path: Path) -> None:
    root = ready_environment(tmp_path)
    isolation = modelwheel.Isolation(environments=root)
    with modelwheel.load(acting, trust=TRUST, runtime="isolated", isolation=isolation) as model:
        number = int(model.predict(X, act="number")[0])
        shutil.rmtree(root)
        assert model.predict(X).tolist() == [0, 3, 6, 9]
        os.kill(number, signal.SIGKILL)
        assert gone(number)
        for _ in range(2):
            with pytest.raises(WorkerError, match="cannot be started") as caught:
                model.predict(X)
            assert caught.value.code == "worker.start"


def test_memory_can_be_bounded(acting: Path, load: Load) -> None:
    with load(acting, memory=4 << 30) as model:
        assert model.predict(X).tolist() == [0, 3, 6, 9]
        with pytest.raises(WorkerError, match="out of memory"):
            model.predict(X, act="allocate")
        assert model.predict(X).tolist() == [0, 3, 6, 9]


def test_a_worker_that_is_killed_between_calls_is_replaced(model: modelwheel.Model) -> None:
    number = int(model.predict(X, act="number")[0])
    os.kill(number, signal.SIGKILL)
    assert gone(number)
    assert model.predict(X).tolist() == [0, 3, 6, 9]


def test_a_model_that_cannot_be_opened_says_why_and_leaves_nothing(
    locked: Callable[..., Path], environments: Path, tmp_path: Path
) -> None:
    path = locked(lambda rows: rows[:, 0], X)
    bundle = modelwheel.open(path)
    isolation = modelwheel.Isolation(environments=environments, workers=2)
    before = children()
    path.rename(tmp_path / "away.whl")
    with pytest.raises(modelwheel.errors.ResolutionError):
        bundle.load(trust=TRUST, runtime="isolated", isolation=isolation)
    assert children() == before
    bundle.close()


def test_interrupted_calls_leave_no_answer_for_the_next(model: modelwheel.Model) -> None:
    class Interrupt(Exception):
        pass

    def interrupt(*_: object) -> None:
        raise Interrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    try:
        with pytest.raises((Interrupt, PredictionError)):
            model.predict(X, act="hang")
    finally:
        signal.signal(signal.SIGALRM, before)
    assert model.predict(X + 1).tolist() == [1, 4, 7, 10]


CALLER = """
import os, sys, threading, time
import numpy as np, modelwheel
path, environments, act = sys.argv[1:]
model = modelwheel.load(path, trust=modelwheel.Trust.unsafe_run_code(), runtime="isolated",
                        isolation=modelwheel.Isolation(environments=environments, workers=2))
numbers = {w._process.pid for w in model._runtime._pool._all}
print(*numbers, flush=True)
if act != "idle":
    threading.Thread(target=lambda: model.predict(np.ones((2, 3)), act=act), daemon=True).start()
    time.sleep(0.5)
if act == "idle":
    sys.stdin.read()
time.sleep(600)
"""


@pytest.mark.parametrize("act", ["idle", "hang", "grandchild"])
def test_nothing_is_left_when_the_caller_is_killed(act: str, acting: Path, environments: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", CALLER, str(acting), str(environments), act]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE) as caller:
        assert caller.stdout is not None
        numbers = [int(item) for item in caller.stdout.readline().split()]
        assert len(numbers) == 2
        assert all(map(alive, numbers))
        time.sleep(0.7)
        below = [number for number in all_processes() if session_of(number) in numbers]
        assert len(below) >= 2 + (act == "grandchild")
        caller.kill()
        assert all(map(gone, below))


def test_closing_and_forgetting_end_the_workers(acting: Path, load: Load) -> None:
    gc.collect()
    opened = open_descriptors()
    before = children()
    model = load(acting, workers=2)
    assert len(children() - before) == 2
    model.close()
    model.close()
    assert children() == before
    with pytest.raises(UsageError, match="closed"):
        model.predict(X)
    model = load(acting)
    model.predict(np.ones((100_000, 3)))
    del model
    gc.collect()
    assert children() == before
    assert open_descriptors() == opened


def test_closing_ends_calls_of_other_threads(acting: Path, load: Load) -> None:
    before = children()
    model = load(acting)
    with ThreadPoolExecutor(3) as pool:
        calls = [pool.submit(model.predict, X, act="hang") for _ in range(3)]  # one asks, two wait for a worker
        time.sleep(0.5)
        model.close()
        for call in calls:
            error = call.exception(timeout=30)
            assert isinstance(error, UsageError)
            assert error.code == "usage.closed"
    assert children() == before


def test_closing_ends_a_worker_that_is_being_started(acting: Path, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    before = children()
    model = load(acting)
    number = int(model.predict(X, act="number")[0])
    os.kill(number, signal.SIGKILL)
    assert gone(number)
    began = threading.Event()
    ready = Worker.ready

    def slowly(worker: Worker, timeout: float) -> None:
        began.set()
        time.sleep(0.3)
        ready(worker, timeout)

    monkeypatch.setattr(Worker, "ready", slowly)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(model.predict, X)
        assert began.wait(30)
        model.close()
        assert isinstance(call.exception(timeout=30), UsageError)
    assert children() == before


def test_no_folder_for_temporary_files_is_needed(
    acting: Path, load: Load, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As in a container with a read-only file system."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    many = np.arange(300_000.0).reshape(-1, 3)
    with load(acting) as model:
        assert len(model.predict(many)) == 100_000
        with pytest.raises(WorkerError) as caught:
            model.predict(X, act="crash")
        assert "Segmentation fault" in "".join(caught.value.__notes__)


def occupied(left: int) -> list[int]:
    """All descriptors that this process may have, but `left`."""
    taken = []
    with contextlib.suppress(OSError):
        while True:
            taken.append(os.open(os.devnull, os.O_RDONLY))
    for number in taken[:left]:
        os.close(number)
    return taken[left:]


@pytest.mark.parametrize("left", range(7))
def test_a_caller_without_descriptors_is_told_so_and_loses_none(acting: Path, load: Load, left: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with load(acting) as model:
        with pytest.raises(WorkerError):
            model.predict(X, act="exit")
        before = open_descriptors()
        resource.setrlimit(resource.RLIMIT_NOFILE, (before + 60, hard))
        taken = occupied(left)
        try:
            with pytest.raises(WorkerError) as caught:
                model.predict(X)
        finally:
            for number in taken:
                os.close(number)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert caught.value.code == "worker.resources"
        assert before == open_descriptors()
        assert model.predict(X).tolist() == [0, 3, 6, 9]
