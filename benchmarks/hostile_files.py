"""How the readers of boosters take damaged files: each is changed in a few bytes, 120 times, and read in a child.

The table is the reason why opening such a file needs trust, though it runs no code (docs/decisions/0004).
Run: python benchmarks/hostile_files.py
"""

from __future__ import annotations

import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any

import catboost
import lightgbm
import numpy as np
import xgboost

from modelwheel.adapters import recognise
from modelwheel.capturing.capture import NativeFile
from modelwheel_loader.run.model_files import OPENERS

TRIES = 120
SECONDS = 10
ROWS = np.random.default_rng(0).normal(size=(300, 5))
LABELS = (ROWS[:, 0] > 0).astype(int)


def changed(data: bytes, chance: random.Random, *, text: bool) -> bytes:
    """`data` with one to four bytes replaced; in texts by those of numbers, so that lines stay lines."""
    made = bytearray(data)
    for _ in range(chance.choice([1, 1, 2, 4])):
        made[chance.randrange(len(made))] = ord(chance.choice("0123456789-. e=\n")) if text else chance.randrange(256)
    return bytes(made)


def outcome(read: Callable[[], object]) -> str:
    """What becomes of a child that reads: an answer, an error, or its death."""
    child = os.fork()
    if child == 0:
        signal.alarm(SECONDS)
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        try:
            read()
            os._exit(0)
        except BaseException:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return "the process dies"
    return "an answer" if status == 0 else "an error"


def trained(name: str) -> NativeFile:
    """The file of a small model. Made in a process of its own: threads of training do not survive a fork."""
    model = {
        "XGBoost": xgboost.XGBClassifier(n_estimators=5, max_depth=3),
        "LightGBM": lightgbm.LGBMClassifier(n_estimators=5, verbose=-1),
        "CatBoost": catboost.CatBoostClassifier(iterations=5, depth=3, verbose=0, allow_writing_files=False),
    }[name].fit(ROWS, LABELS)
    file = recognise(model).native(model)
    assert isinstance(file, NativeFile)
    return file


def answered(file: NativeFile, data: bytes) -> object:
    model: Any = OPENERS[file.format](data, file.settings)
    return model.predict(ROWS[:4])


def main() -> None:
    names = ("XGBoost", "LightGBM", "CatBoost")
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        files = dict(zip(names, pool.map(trained, names), strict=True))
    print(f"| of {TRIES} damaged files | an answer | an error | the process dies |")
    print("| --- | --- | --- | --- |")
    for name, file in files.items():
        chance = random.Random(0)
        seen: Counter[str] = Counter()
        for _ in range(TRIES):
            data = changed(file.data, chance, text=file.format.endswith("text"))
            seen[outcome(partial(answered, file, data))] += 1
        print(f"| {name} | {seen['an answer']} | {seen['an error']} | {seen['the process dies']} |")


if __name__ == "__main__":
    main()
