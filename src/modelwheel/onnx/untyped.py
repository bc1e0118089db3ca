"""NumPy without its types: its functions take an `Array` of a graph too, which its stubs cannot know."""

from __future__ import annotations

from typing import Any

import numpy as typed  # noqa: ICN001

np: Any = typed
