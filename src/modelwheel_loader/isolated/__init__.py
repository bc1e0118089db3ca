"""The isolated runtime: a model in processes of its own, with an interpreter and packages of their own."""

# ruff: noqa: F403
from typing import TYPE_CHECKING

from ..doors import face

if TYPE_CHECKING:
    from .environments import *
else:
    __getattr__ = face(__name__)
