"""Trust, selection, the environment check, and the runtimes that answer."""

# ruff: noqa: F403
from typing import TYPE_CHECKING

from ..doors import face

if TYPE_CHECKING:
    from ..native.wrappers import *
    from .archives import *
    from .bundled_code import *
    from .environment import *
    from .isolation import *
    from .model_files import *
    from .onnx_runtime import *
    from .pickle_names import *
    from .requirements import *
    from .selection import *
    from .trust import *
else:
    __getattr__ = face(__name__)
