"""The functions of an ONNX file: how many nodes they make when they are written out, found without writing them out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

Call = tuple[str, str]
"""The domain and name of an operator or function."""


def expanded(calls: Sequence[Call], functions: Mapping[Call, Sequence[Call]]) -> float:
    """How many nodes `calls` are with `functions` written out; infinity when a function calls itself.

    Every node is a call of an operator or of a function. Linear in the number of calls.
    """
    sizes: dict[Call, float] = {}
    for name in functions:
        _measure(name, functions, sizes)
    if math.inf in sizes.values():
        return math.inf
    return sum(sizes.get(call, 1) for call in calls)


_HUGE = 1e18
_OPEN = -1.0
"""The size of a function that is being measured: to meet it again is recursion."""


def _measure(name: Call, functions: Mapping[Call, Sequence[Call]], sizes: dict[Call, float]) -> None:
    """Put the size of a function and of those that it calls into `sizes`, deepest first."""
    stack = [name]
    while stack:
        current = stack[-1]
        if sizes.get(current, _OPEN) != _OPEN:
            stack.pop()
        elif current not in sizes:
            sizes[current] = _OPEN
            inner = {call for call in functions[current] if call in functions}
            if any(sizes.get(call) == _OPEN for call in inner):
                sizes[current] = math.inf
            stack += (call for call in inner if call not in sizes)
        else:
            # what calls something endless is found endless by itself; adding up never gets there
            sizes[current] = min(sum(sizes.get(call, 1.0) for call in functions[current]), _HUGE)
            stack.pop()
