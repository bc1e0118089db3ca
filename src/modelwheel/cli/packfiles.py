"""Reads what `modelwheel pack` packs: a trained model from its file, and the sample as the model was fitted on it."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from modelwheel_loader.errors import Defect, MissingExtra, PackError, TrustError, UsageError
from modelwheel_loader.show import plain_list
from modelwheel_loader.text import clip, safe

from ..adapters import recognise
from ..inference.bound import bind
from .tables.sources import KINDS, kind_of


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
    """The path itself, when it holds a model: `pack` maps the files beside it, of any size."""
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
        message = f"the name of {safe(str(path))} does not show what kind of model it holds"
        raise UsageError.of("usage.argument", message, expected=f"one of {', '.join(FORMS)}")
    if form.runs_code and not run_code:
        message = f"{safe(str(path))} is a pickle: reading it runs any code that it holds"
        raise TrustError.of(
            "trust.refused", message, hint="If you trust whoever made this file, add --unsafe-run-code."
        )
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


# --- the sample ---


LIBRARIES = ("pandas", "polars", "pyarrow")
"""In the order in which they are looked for."""
_NUMPY = ".npy"
_READERS: dict[str, dict[str, Callable[[Any, str], Any]]] = {
    "pandas": {
        "csv": lambda library, path: library.read_csv(path, sep=_separator(path)),
        "json": lambda library, path: library.read_json(path, orient="records"),
        "jsonl": lambda library, path: library.read_json(path, lines=True),
        "parquet": lambda library, path: library.read_parquet(path),
        "arrow": lambda library, path: library.read_feather(path),
    },
    "polars": {
        "csv": lambda library, path: library.read_csv(path, separator=_separator(path)),
        "json": lambda library, path: library.read_json(path),
        "jsonl": lambda library, path: library.read_ndjson(path),
        "parquet": lambda library, path: library.read_parquet(path),
        "arrow": lambda library, path: library.read_ipc(path),
    },
    "pyarrow": {
        "csv": lambda _, path: _arrow_csv(path),
        "json": lambda library, path: library.Table.from_pylist(json.loads(Path(path).read_bytes())),
        "jsonl": lambda _, path: _arrow("json").read_json(path),
        "parquet": lambda _, path: _arrow("parquet").read_table(path),
        "arrow": lambda _, path: _arrow("feather").read_table(path),
    },
}


def _arrow(name: str) -> Any:
    return importlib.import_module(f"pyarrow.{name}")


def _arrow_csv(path: str) -> Any:
    reader = _arrow("csv")
    return reader.read_csv(path, parse_options=reader.ParseOptions(delimiter=_separator(path)))


def _separator(path: str) -> str:
    return "\t" if path.lower().removesuffix(".gz").endswith(".tsv") else ","


def read_sample(path: str, library: str | None) -> Any:
    """The table in the file, as a DataFrame or table of `library` (None: the first that is installed); or an array."""
    if path.lower().endswith(_NUMPY):
        return _read(lambda: np.load(path, allow_pickle=False), path)
    kind = kind_of(path, None, KINDS)
    name, module = _library(library)
    return _read(lambda: _READERS[name][kind](module, path), path)


def _library(said: str | None) -> tuple[str, Any]:
    for name in [said] if said else LIBRARIES:
        try:
            return name, importlib.import_module(name)
        except ImportError:
            continue
    message = f"reading the sample needs {said or 'pandas, Polars or pyarrow'}"
    raise MissingExtra.of("pack.extra", message, hint=f"pip install {said or 'pandas'}")


def _read(read: Callable[[], Any], path: str) -> Any:
    try:
        return read()
    except OSError:
        raise
    except Exception as error:  # the border to foreign code: whatever a library raises becomes one typed error
        message = f"{safe(path)} cannot be read as a sample"
        raise PackError.of("pack.file", message, found=clip(f"{type(error).__name__}: {error}", 300)) from error


def shaped(sample: Any, model: Any, *, drop: Sequence[str], column: str | None) -> tuple[Any, list[str]]:
    """The sample as the model is fed, and what was done to it in words.

    Columns in `drop`, and those that the fitted model does not name, are left out. A model that was fitted without
    names is fed an array. `column` alone is fed as a list: a text model takes no table.
    """
    if isinstance(sample, np.ndarray):
        return sample, []
    names = list(map(str, getattr(sample, "column_names", sample.columns)))
    _all_there([*drop, *([column] if column else [])], names)
    if column is not None:
        return plain_list(sample[column]), [f"the sample is column {clip(column)!r} alone"]
    wanted = [name for name in names if name not in drop]
    chosen = _selected(sample, wanted)
    fitted = recognise(model).columns(model, wanted)
    if fitted is not None:
        bound, notes = bind(chosen, fitted)
        left = ", ".join(clip(note.field) for note in notes if note.field)
        said = [f"left out, for the model was not fitted on them: {left}"] if left else []
        return bound, said + [str(note) for note in notes if not note.field]
    # a CatBoost model from a file counts no features, and names them by their numbers
    count = getattr(model, "n_features_in_", None) or len(getattr(model, "feature_names_", None) or ())
    if not count:
        return chosen, []
    if count != len(wanted):
        message = f"the model was fitted on {count} columns, and the sample has {len(wanted)}"
        raise PackError.of("pack.schema", message, hint="Name those to leave out: --drop COLUMN.")
    return _array(chosen), ["the model was fitted without names of columns: the sample is an array, in this order"]


def _all_there(wanted: Sequence[str], names: Sequence[str]) -> None:
    missing = [name for name in wanted if name not in names]
    if missing:
        defects = [Defect(code="pack.schema", message="is not in the sample", field=clip(name)) for name in missing]
        raise PackError("the sample lacks columns", defects)


def _selected(sample: Any, names: list[str]) -> Any:
    return sample.select(names) if hasattr(sample, "select") else sample[names]


def _array(sample: Any) -> Any:
    if hasattr(sample, "to_numpy"):
        return sample.to_numpy()
    return np.column_stack([sample[name].to_numpy() for name in sample.column_names])
