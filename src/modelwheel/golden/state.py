"""Settings of the author's process that an answer may depend on: recorded for scikit-learn, refused for others."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from modelwheel_loader.opening import Requirement

_OF_ANSWERS = ("mode.", "future.", "display.", "compute.")
"""Options of pandas by their beginning; the others are about files and plots."""
Neutral = Callable[[], AbstractContextManager[Any]]


def sklearn_settings(requires: Iterable[Requirement]) -> dict[str, Any]:
    """The attributes of a native payload that hold scikit-learn's settings, when the payload needs it."""
    sklearn = sys.modules.get("sklearn")
    if sklearn is None or not any(item.name == "scikit-learn" for item in requires):
        return {}
    config = sklearn.get_config()
    return {
        "transform_output": config.get("transform_output") or "default",
        "metadata_routing": bool(config.get("enable_metadata_routing")),
    }


def changed_settings() -> Iterator[tuple[str, Neutral]]:
    """What is not at its default in this process: its name, and a context in which it is."""
    pandas, torch = sys.modules.get("pandas"), sys.modules.get("torch")
    if pandas is not None:
        pairs = _pandas_options(pandas)
        if pairs:
            yield f"the options of pandas {', '.join(pairs)}", lambda: _at_defaults(pandas, pairs)
    if torch is not None and torch.get_default_dtype() != torch.float32:
        yield f"the default dtype of torch, {torch.get_default_dtype()}", lambda: _single_precision(torch)


def _pandas_options(pandas: Any) -> dict[str, Any]:
    """The options that are set, with their defaults."""
    known: Any = getattr(getattr(getattr(pandas, "_config", None), "config", None), "_registered_options", {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of options that pandas will drop
        return {
            name: option.defval
            for name, option in known.items()
            if name.startswith(_OF_ANSWERS) and pandas.get_option(name) != option.defval
        }


@contextlib.contextmanager
def _at_defaults(pandas: Any, pairs: dict[str, Any]) -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pandas.option_context(*(part for pair in pairs.items() for part in pair)):
            yield


@contextlib.contextmanager
def _single_precision(torch: Any) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
