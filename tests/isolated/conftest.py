"""Bundles whose environment is there already, with the packages of this interpreter."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import modelwheel
from locked import EMPTY_LOCK, TRUST, Load, X, ready_environment, with_lock


@pytest.fixture(scope="session")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ready_environment(tmp_path_factory.mktemp("environments"))


@pytest.fixture(scope="session")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Packs a model, only natively, with a lock."""

    def pack(model: Any, sample: Any) -> Path:
        out = tmp_path_factory.mktemp("dist")
        options = modelwheel.Options(runtimes=("native",))
        bundle = modelwheel.pack(model, name="m", version="1", sample=sample, out=out, options=options)
        return with_lock(bundle.path, EMPTY_LOCK, out / "locked")

    return pack


@pytest.fixture
def load(environments: Path) -> Load:
    def load(path: Path, runtime: str = "isolated", **settings: Any) -> modelwheel.Model:
        isolation = modelwheel.Isolation(environments=environments, **settings)
        return modelwheel.load(path, trust=TRUST, runtime=runtime, isolation=isolation)

    return load


@pytest.fixture(scope="session")
def acting(locked: Callable[..., Path]) -> Path:
    """A model that does what its parameter says."""

    def predict(rows: Any, act: str = "answer") -> Any:
        import ctypes
        import decimal
        import socket
        import subprocess
        import sys
        import time

        kept = predict.__dict__.setdefault("kept", [])
        match act:
            case "number":
                return np.full(len(rows), float(os.getpid()))
            case "raise":
                raise ValueError("no\x1b[31m such thing")
            case "raise own":
                raise type("Strange", (Exception,), {"__str__": lambda self: 1 / 0})("strange")
            case "raise decimal":
                raise decimal.InvalidOperation("wrong")
            case "sys.exit":
                sys.exit("leaving")
            case "exit":
                os._exit(3)
            case "crash":
                ctypes.string_at(0)
            case "kill":
                os.kill(os.getpid(), 9)
            case "hang":
                time.sleep(600)
            case "grandchild":
                if not os.fork():
                    time.sleep(600)
                time.sleep(600)
            case "allocate":
                return np.ones((1 << 40, 64)).sum(axis=1)
            case "print":
                print("to the screen")
                sys.stderr.write("and to errors\n")
                return sys.stdin.read().count("x") + rows[:, 0]
            case "write":
                rows[:] = -1.0
            case "keep":
                kept.append(rows)
            case "kept":
                return np.array([float(item.sum()) for item in kept])
            case "strange":
                return np.array([object()] * len(rows))
            case "short":
                return rows[1:, 0]
            case "slow":
                time.sleep(0.3)
            case "leave a child":
                if not os.fork():
                    time.sleep(600)
                os._exit(4)
            case "start a program":
                subprocess.Popen(["sleep", "600"], close_fds=False)
                os._exit(4)
            case "hang up":
                os.closerange(3, 256)
                time.sleep(600)
            case "garbage" | "header":
                said = b"MWI1" if act == "header" else b"HTTP/1.1 200 OK\r\n\r\n" * 8
                for path in Path("/proc/self/fd").iterdir():
                    try:
                        socket.socket(fileno=os.dup(int(path.name))).send(said)
                    except OSError:
                        continue
                time.sleep(600 * (act == "header"))
        return rows[:, 0]

    return locked(predict, X)


@pytest.fixture(scope="session")
def model(acting: Path, environments: Path) -> Iterator[modelwheel.Model]:
    """The acting model with one worker, for all tests that leave it as it was."""
    isolation = modelwheel.Isolation(environments=environments)
    with modelwheel.load(acting, trust=TRUST, runtime="isolated", isolation=isolation) as model:
        yield model


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle as `pack` makes it, with the lock that it makes; it needs numpy and cloudpickle."""
    with pytest.MonkeyPatch.context() as patch:
        from modelwheel.locking.resolvers import resolve

        patch.setattr("modelwheel.locking.lock.resolve", resolve)
        return modelwheel.pack(
            lambda rows: rows.sum(axis=1),
            name="m",
            version="1",
            sample=X,
            out=tmp_path_factory.mktemp("dist"),
            options=modelwheel.Options(runtimes=("native",)),
            dependencies=modelwheel.Dependencies(lock="required", lock_timeout=120),
        ).path
