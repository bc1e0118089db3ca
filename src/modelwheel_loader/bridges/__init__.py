"""What schemas become elsewhere: Arrow, JSON Schema, pydantic models, type hints."""

# ruff: noqa: F403
from typing import TYPE_CHECKING

from ..doors import face

if TYPE_CHECKING:
    from .arrow import *
    from .hints import *
    from .json_schema import *
    from .pydantic_model import *
else:
    __getattr__ = face(__name__)
