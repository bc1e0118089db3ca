"""A worker as its caller sees it, on systems and in surroundings that are not those of the other tests."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

import modelwheel
from locked import Load, X
from modelwheel_loader.errors import WorkerError
from modelwheel_loader.isolated.runtime import Worker, _death, _screen
from modelwheel_loader.isolated.wire import Buffers
from modelwheel_loader.isolated.worker_main import end_with_the_caller
from processes import gone

OUT_OF_TURN = """#!/bin/sh
exec {python} -c "
import socket, sys
from modelwheel_loader.isolated.channel import Buffers, Channel, Kind
channel = Channel(socket.socket(fileno=int(sys.argv[-4])))
channel.receive()
channel.send(Kind.ANSWER, None, Buffers())
channel.receive()
" "$@"
"""
WITHOUT_SCREEN = """
import sys, numpy as np, modelwheel
isolation = modelwheel.Isolation(environments=sys.argv[2])
trust = modelwheel.Trust.unsafe_run_code()
with modelwheel.load(sys.argv[1], trust=trust, runtime="isolated", isolation=isolation) as model:
    print(model.predict(np.ones((2, 3)), act="print").tolist())
"""


def test_a_worker_that_speaks_out_of_turn_is_ended(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(OUT_OF_TURN.format(python=sys.executable))
    python.chmod(0o755)
    worker = Worker(str(python), str(tmp_path), {}, None)
    with pytest.raises(WorkerError, match="sent ANSWER instead of READY") as caught:
        worker.ready(30)
    assert caught.value.code == "worker.protocol"
    assert not worker.alive
    with pytest.raises(WorkerError, match="hung up before it could answer"):
        worker.ask({}, Buffers(), 1.0)


def test_a_killed_worker_is_replaced_where_nobody_can_be_asked_how_it_is(
    acting: Path, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "waitid")  # macOS, before Python 3.13
    with load(acting) as model:
        replaced_when_killed(model)


def test_a_killed_worker_is_replaced_where_the_kernel_waits_for_children(acting: Path, load: Load) -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with load(acting) as model:
            replaced_when_killed(model)
    finally:
        signal.signal(signal.SIGCHLD, before)


def replaced_when_killed(model: modelwheel.Model) -> None:
    number = int(model.predict(X, act="number")[0])
    os.kill(number, signal.SIGKILL)
    assert gone(number)
    assert int(model.predict(X, act="number")[0]) not in (number, 0)


@pytest.mark.parametrize("closed", ["2>&-", "<&- 2>&-"])
@pytest.mark.parametrize("kind", ["wheel", "folder"])
def test_what_a_daemon_opens_is_not_taken_for_its_standard_streams(
    kind: str, closed: str, acting: Path, environments: Path, tmp_path: Path
) -> None:
    """Without them, the next that is opened has the number 2: the model's messages must not go there."""
    if kind == "folder":
        with zipfile.ZipFile(acting) as archive:
            archive.extractall(tmp_path / "m")
    path = acting if kind == "wheel" else tmp_path / "m"
    daemon = [sys.executable, "-W", "ignore", "-c", WITHOUT_SCREEN, str(path), str(environments)]
    done = subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {closed}', "sh", *daemon], capture_output=True, text=True, check=False
    )
    assert done.stdout == "[1.0, 1.0]\n"


def test_who_has_closed_standard_error_gives_the_worker_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(descriptor: int) -> None:
        raise OSError(errno.EBADF, "Bad file descriptor")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fstat", closed)
        screen = _screen()
    assert screen == subprocess.DEVNULL


@pytest.mark.parametrize(
    ("status", "said"),
    [(-signal.SIGSEGV, "crashed (SIGSEGV)"), (-60, "crashed (signal 60)"), (3, "ended (exit status 3)")],
)
def test_how_a_worker_ended_is_said(status: int, said: str) -> None:
    assert said in str(_death(status, "answer", ""))


def test_where_the_kernel_sends_no_signal_a_thread_ends_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()
    told: list[tuple[int, int]] = []

    def killpg(group: int, number: int) -> None:
        told.append((group, number))
        ended.set()

    monkeypatch.delattr(fcntl, "F_SETSIG")
    monkeypatch.setattr(os, "killpg", killpg)
    reading, writing = os.pipe()
    end_with_the_caller(reading)
    assert not ended.wait(0.05)
    os.close(writing)
    assert ended.wait(30)
    os.close(reading)
    assert told == [(os.getpgrp(), signal.SIGKILL)]
