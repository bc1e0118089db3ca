"""Isolated models in threads, in other processes, after pickling, after a fork, and under asyncio."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest

import modelwheel
from locked import Load, X
from modelwheel.errors import WorkerError
from modelwheel_loader.isolated.runtime import IsolatedRuntime
from processes import answer_elsewhere, gone


def test_threads_use_all_workers(acting: Path, load: Load) -> None:
    with load(acting, workers=2) as model, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: model.predict(X + n), range(60)))
        assert [answer.tolist() for answer in answers] == [(X[:, 0] + n).tolist() for n in range(60)]
        numbers = list(pool.map(lambda _: model.predict(X, act="number")[0], range(20)))
        assert len(set(numbers)) == 2


def test_a_call_that_finds_all_workers_busy_is_given_up_and_ends_none(acting: Path, load: Load) -> None:
    """Else calls would queue for ever before a worker that is too slow, and each would think its own timeout counts."""
    with load(acting, timeout=0.3) as model:
        number = model.predict(X, act="number")[0]
        pool = cast("IsolatedRuntime", model._runtime)._pool
        busy = pool.take()
        with pytest.raises(WorkerError, match="no worker was free within") as caught:
            model.predict(X)
        assert caught.value.code == "worker.busy"
        pool.put(busy)
        assert model.predict(X, act="number")[0] == number


def test_asyncio_waits_in_threads(acting: Path, load: Load) -> None:
    async def ask(model: modelwheel.Model) -> list[Any]:
        return await asyncio.gather(*(asyncio.to_thread(model.predict, X + n, act="slow") for n in range(2)))

    with load(acting, workers=2) as model:
        assert [answer[0] for answer in asyncio.run(ask(model))] == [0, 1]


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_models_go_into_other_processes(method: str, model: modelwheel.Model) -> None:
    mine = model.predict(X, act="number")[0]
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as pool:
        answers = list(pool.map(answer_elsewhere, [model] * 2))
    assert [answer for answer, _ in answers] == [1, 1]
    assert mine not in {number for _, number in answers}
    assert model.predict(X, act="number")[0] == mine


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_starts_workers_of_its_own(model: modelwheel.Model) -> None:
    mine = int(model.predict(X, act="number")[0])
    out, into = os.pipe()
    child = os.fork()
    if not child:
        try:
            theirs = int(model.predict(X, act="number")[0])
            model.close()
            os.write(into, str(theirs).encode())
        finally:
            os._exit(0)
    os.close(into)
    theirs = int(os.read(out, 100))
    os.close(out)
    os.waitpid(child, 0)
    assert theirs != mine
    assert gone(theirs)
    assert int(model.predict(X, act="number")[0]) == mine
