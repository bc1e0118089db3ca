"""Opens models in their frameworks' own formats: data, from which a class of the table here is built.

No code of the bundle runs, but readers in C++ are given bytes of the bundle, so the caller has made sure of trust.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...errors import EnvironmentMismatch, InvalidBundle, ModelwheelError
from ...text import clip
from .boosters import open_catboost, open_lightgbm, open_xgboost
from .keras import open_keras, open_saved_model
from .skops import open_skops

Opener = Callable[[bytes, Mapping[str, Any]], object]

OPENERS: dict[str, Opener] = {
    "xgboost-ubj": open_xgboost,
    "lightgbm-text": open_lightgbm,
    "catboost-cbm": open_catboost,
    "skops": open_skops,
    "keras": open_keras,
    "saved-model": open_saved_model,
}


def open_file(name: str, data: bytes, settings: Mapping[str, Any]) -> object:
    """The model in `data`, of the format `name`.

    Raises EnvironmentMismatch when the framework is not here, and InvalidBundle for everything else that goes wrong.
    The original exception is the `__cause__`.
    """
    try:
        return OPENERS[name](data, settings)
    except ModelwheelError:
        raise
    except ImportError as error:
        module = clip(error.name or name, 100)
        raise EnvironmentMismatch.of(
            "native.module", f"the model needs {module}, which cannot be imported: {clip(error, 200)}"
        ) from error
    except Exception as error:  # the readers of frameworks raise errors of their own, without a common base
        raise InvalidBundle.of(
            "native.file", f"the {name} file cannot be read: {type(error).__name__}: {clip(error, 300)}"
        ) from error
