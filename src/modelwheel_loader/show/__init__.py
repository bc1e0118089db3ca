"""What people see: inspection, explanation, HTML, error codes, the command line."""

# ruff: noqa: F403
from typing import TYPE_CHECKING

from ..doors import face

if TYPE_CHECKING:
    from .commandline import *
    from .explanation import *
    from .html import *
    from .inspection import *
    from .streams import *
    from .tables import *
else:
    __getattr__ = face(__name__)
