"""The contract engine: checks rows, columns and answers, reads and builds frames."""

# ruff: noqa: F403
from typing import TYPE_CHECKING

from ..doors import face

if TYPE_CHECKING:
    from .batch import *
    from .building import *
    from .inputs import *
    from .outputs import *
    from .problems import *
    from .reading import *
    from .times import *
else:
    __getattr__ = face(__name__)
