"""The promise, asked: in this process, in a worker, and in a fresh one in another folder without the author's modules.

Answers are compared as their users see them: class, dtype, names, index, null and value.
"""

from __future__ import annotations

import copy
import pickle
import re
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import modelwheel
from modelwheel.errors import PackError

TRUST = modelwheel.Trust.unsafe_run_code()
ONNX = 1e-4
"""How far, relatively, a graph's numbers may be from the original's."""
_HERE: dict[str, Any] = {"replay": "here"} if hasattr(modelwheel.Options, "replay") else {}
_ASK = """
import pickle, sys, warnings
warnings.simplefilter("ignore")
import modelwheel
path, runtime, asked, answered = sys.argv[1:]
model = modelwheel.load(path, runtime=runtime, trust=modelwheel.Trust.unsafe_run_code())
with open(asked, "rb") as stream:
    questions = pickle.load(stream)
answers = [getattr(model, method)(data, **parameters) for method, data, parameters in questions]
import cloudpickle
with open(answered, "wb") as stream:
    cloudpickle.dump(answers, stream)
"""
Question = tuple[str, Any, dict[str, Any]]
"""A method, data, and parameters."""


# --- packing ---


def options(**given: Any) -> Any:
    """Options without the replay in a fresh interpreter, which costs one: for tests that are not about it."""
    return modelwheel.Options(**{**_HERE, **given})


def pack(model: Any, sample: Any, out: Path, **more: Any) -> Any:
    """The bundle, packed without asking an index for a lock; and without a fresh replay unless `options` are given."""
    more.setdefault("dependencies", modelwheel.Dependencies(lock="none"))
    more.setdefault("options", options())
    return modelwheel.pack(model, name="case", version="1.0", sample=sample, out=out, **more)


def refused(error: PackError, words: str, *, never: str = "(?!)", hint: str = "") -> None:
    """The refusal says what is wrong, in these words and in no others, and what to do, in those of `hint`."""
    text = " ".join(str(error).split())
    assert re.search(words, text, re.IGNORECASE), text
    assert not re.search(never, text), text
    assert not hint or any(re.search(hint, defect.hint or "") for defect in error.defects), text
    assert any(defect.hint or defect.advice for defect in error.defects), text


def said(bundle: Any) -> str:
    """The whole report of packing in one line."""
    return " ".join(str(bundle.report).split())


def first_line(report: Any) -> str:
    return str(report).splitlines()[0]


def kinds(bundle: Any) -> list[str]:
    return [payload.kind for payload in bundle.runtimes]


def promised(
    model: Any,
    sample: Any,
    out: Path,
    *,
    methods: Sequence[str] = ("predict",),
    refusal: str = "",
    told: str = "",
    **more: Any,
) -> Any:
    """Hold the promise for the author's own sample on every runtime; the bundle, or None when it was refused.

    What the bundle answers is what the author's object answers; or `pack` raises `PackError` in the words `refusal`;
    or the report says what differs, in the words `told`. Empty words mean that only the answer will do.
    """
    expected = original_answers(model, sample, methods)
    try:
        bundle = pack(model, sample, out, **more)
    except PackError as error:
        if not refusal:
            raise
        refused(error, refusal)
        return None
    bad = differences(bundle, sample, expected)
    if bad and told:
        assert re.search(told, said(bundle), re.IGNORECASE), f"{bad}\nthe report does not name it:\n{bundle.report}"
        return bundle
    assert not bad, f"{bad}\n{bundle.report}"
    return bundle


def original_answers(model: Any, sample: Any, methods: Sequence[str]) -> dict[str, Any]:
    """What the author's object answers, by method, before anything of ours has touched it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {name: getattr(model, name, model)(copy.deepcopy(sample)) for name in methods}


def differences(bundle: Any, data: Any, expected: Mapping[str, Any]) -> list[str]:
    """Where the runtimes of the bundle answer otherwise, or not at all."""
    bad = []
    for payload in bundle.runtimes:
        with bundle.load(runtime=payload.kind) as loaded:
            for name in expected.keys() & set(payload.methods):
                try:
                    found = getattr(loaded, name)(copy.deepcopy(data))
                except modelwheel.errors.ModelwheelError as error:
                    bad.append(f"{payload.kind} {name}: {' '.join(str(error).split())[:300]}")
                    continue
                if text := differs(expected[name], found, ONNX if payload.kind == "onnx" else 0.0):
                    bad.append(f"{payload.kind} {name}: {text}")
    missing = expected.keys() - set(bundle.methods)
    return [*bad, *(f"{name} is not among its methods" for name in sorted(missing))]


# --- asking elsewhere ---


def ask_elsewhere(bundle: Any, *questions: Question, runtime: str = "native") -> list[Any]:
    """The answers of a fresh interpreter in an empty folder, which has none of the author's modules and files."""
    with tempfile.TemporaryDirectory() as folder:
        asked, answered = Path(folder, "asked"), Path(folder, "answered")
        asked.write_bytes(pickle.dumps(questions))
        where = Path(folder, "empty")
        where.mkdir()
        command = [sys.executable, "-I", "-c", _ASK, Path(bundle.path).resolve(), runtime, asked, answered]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=where, check=False)
        assert done.returncode == 0, done.stderr[-1500:]
        answers: list[Any] = pickle.loads(answered.read_bytes())
        return answers


def answers_elsewhere(bundle: Any, data: Any, method: str = "predict", runtime: str = "native") -> Any:
    """One answer of a fresh interpreter."""
    return ask_elsewhere(bundle, (method, data, {}), runtime=runtime)[0]


def author(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a script as an author runs a notebook: in `folder`, where its classes are those of `__main__`."""
    path = folder / "notebook.py"
    path.write_text(code)
    return subprocess.run([sys.executable, path], capture_output=True, text=True, cwd=folder, check=False)


# --- comparing as users do ---


def differs(one: Any, other: Any, relative: float = 0.0, where: str = "") -> str:
    """What differs between the original's answer and the bundle's; empty when nothing does."""
    if _kind(one) != _kind(other):
        return f"{where}{_kind(one)} became {_kind(other)}"
    if isinstance(one, Mapping):
        if list(one) != list(other) or list(map(type, one)) != list(map(type, other)):
            return f"{where}the keys {list(one)[:5]} became {list(other)[:5]}"
        return next(filter(None, (differs(one[key], other[key], relative, f"{where}{key}: ") for key in one)), "")
    if isinstance(one, list | tuple):
        if len(one) != len(other):
            return f"{where}{len(one)} items became {len(other)}"
        pairs = enumerate(zip(one, other, strict=True))
        return next(filter(None, (differs(a, b, relative, f"{where}[{i}] ") for i, (a, b) in pairs)), "")
    if isinstance(one, pd.DataFrame | pd.Series | pd.Index):
        return _pandas_differ(one, other, relative, where)
    if type(one).__module__.startswith(("polars", "pyarrow")):
        return "" if one.equals(other) else f"{where}{one} became {other}"[:300]
    if hasattr(one, "tocsr"):
        one, other = one.toarray(), other.toarray()
    if isinstance(one, np.ndarray):
        return _arrays_differ(one, other, relative, where)
    return _scalars_differ(one, other, relative, where)


def _kind(value: Any) -> str:
    """The name of the class; that of a class that travels by value is another class of the same name."""
    return type(value).__qualname__.rpartition(".")[2]


def _pandas_differ(one: Any, other: Any, relative: float, where: str) -> str:
    name = {"DataFrame": "frame", "Series": "series"}.get(_kind(one), "index")
    check = getattr(pd.testing, f"assert_{name}_equal")
    try:
        check(one, other, check_exact=not relative, rtol=relative or 1e-5, atol=relative / 100)
    except (AssertionError, Warning) as error:
        return f"{where}{' '.join(str(error).split())[:300]}"
    return ""


def _arrays_differ(one: Any, other: Any, relative: float, where: str) -> str:
    if one.shape != other.shape or one.dtype != other.dtype:
        return f"{where}{one.dtype}{one.shape} became {other.dtype}{other.shape}"
    if isinstance(one, np.ma.MaskedArray) and not np.array_equal(np.ma.getmaskarray(one), np.ma.getmaskarray(other)):
        return f"{where}the mask is another one"
    if one.dtype.kind == "O":
        return differs(one.tolist(), other.tolist(), relative, where)
    if one.dtype.kind in "fc":
        close = np.allclose(one, other, rtol=relative, atol=relative / 100, equal_nan=True)
        return "" if close else f"{where}off by up to {np.nanmax(np.abs(one - other)):.3g}"
    wrong = int((one != other).sum()) if one.dtype.kind not in "mM" else int((one.view("i8") != other.view("i8")).sum())
    return f"{where}{wrong} of {one.size} values differ" if wrong else ""


def _scalars_differ(one: Any, other: Any, relative: float, where: str) -> str:
    if one is other or (one != one and other != other):  # noqa: PLR0124 - NaN
        return ""
    if isinstance(one, float | np.floating) and relative:
        return "" if np.isclose(one, other, rtol=relative, atol=relative / 100) else f"{where}{one!r} became {other!r}"
    same = one is other or repr(one) == repr(other) or bool(one == other)
    return "" if same else f"{where}{one!r} became {other!r}"
