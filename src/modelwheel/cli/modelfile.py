"""Reads a trained model from a file on disk, for `modelwheel pack`."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from modelwheel_loader.errors import MissingExtra, PackError, TrustError, UsageError
from modelwheel_loader.text import clip, safe


class Form(NamedTuple):
    """A kind of model file: the module that reads it, how, and whether reading it runs code that is in it."""

    module: str
    distribution: str
    read: Callable[[Any, Path], Any]
    runs_code: bool = False


def _xgboost(module: Any, path: Path) -> Any:
    booster = module.Booster()
    booster.load_model(path)
    return booster


def _lightgbm(module: Any, path: Path) -> Any:
    return module.Booster(model_file=str(path))


def _catboost(module: Any, path: Path) -> Any:
    return module.CatBoost().load_model(str(path))


def _onnx(module: Any, path: Path) -> Any:
    """The path itself, when it holds a model: `pack` maps what lies in files beside it, of any size."""
    module.load(str(path), load_external_data=False)
    return path


def _joblib(module: Any, path: Path) -> Any:
    return module.load(path)


def _pickle(module: Any, path: Path) -> Any:
    with path.open("rb") as stream:
        return module.load(stream)


_JOBLIB = Form("joblib", "joblib", _joblib, runs_code=True)
_PICKLE = Form("pickle", "", _pickle, runs_code=True)
_XGBOOST = Form("xgboost", "xgboost", _xgboost)
FORMS = {
    ".joblib": _JOBLIB,
    ".pkl": _PICKLE,
    ".pickle": _PICKLE,
    ".onnx": Form("onnx", "onnx", _onnx),
    ".ubj": _XGBOOST,
    ".json": _XGBOOST,
    ".txt": Form("lightgbm", "lightgbm", _lightgbm),
    ".cbm": Form("catboost", "catboost", _catboost),
}
"""By the ending of the file's name."""


def read_model(path: Path, *, run_code: bool) -> Any:
    """The model in the file. A pickle is read only when `run_code` says so: reading it runs whatever is in it.

    Raises `TrustError` for a pickle otherwise, `MissingExtra` when the library is not installed, `PackError` when
    the file cannot be read.
    """
    form = FORMS.get(path.suffix.lower())
    if form is None:
        message = f"the name of {safe(str(path))} does not say what kind of model it holds"
        raise UsageError.of("usage.argument", message, expected=f"one of {', '.join(FORMS)}")
    if form.runs_code and not run_code:
        message = f"{safe(str(path))} is a pickle: reading it runs whatever code it holds"
        raise TrustError.of("trust.refused", message, hint="If you made it, or know who did: --unsafe-run-code.")
    try:
        module = importlib.import_module(form.module)
    except ImportError:
        message = f"reading {safe(str(path))} needs {form.distribution}"
        raise MissingExtra.of("pack.extra", message, hint=f"pip install {form.distribution}") from None
    try:
        return form.read(module, path)
    except OSError:
        raise
    except Exception as error:  # the border to foreign code: whatever a library raises becomes one typed error
        message = f"{safe(str(path))} cannot be read as a model"
        raise PackError.of("pack.file", message, found=clip(f"{type(error).__name__}: {error}", 300)) from error
