"""Golden examples, their comparison, and verification."""

# ruff: noqa: F403
from typing import TYPE_CHECKING

from ..doors import face

if TYPE_CHECKING:
    from .comparison import *
    from .examples import *
    from .report import *
else:
    __getattr__ = face(__name__)
