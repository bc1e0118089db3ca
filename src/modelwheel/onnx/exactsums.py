"""Sums in double precision from an operator that answers in single: `TreeEnsembleRegressor` of operator set 3.

The operator adds in the precision of its weights, and rounds what it answers. So each weight becomes three, for targets
of their own: multiples of a power of two so large that the sum of a block of trees needs at most the 24 bits of single
precision, multiples of a smaller one, and what is left. Each of the three sums is answered exactly, and they are
added in double precision behind the operator.
"""

from __future__ import annotations

from typing import Any

import numpy as np

PARTS = 3
_BITS = 18
"""Of each part: the sum of at most 32 trees then takes 23."""
_LARGEST, _SMALLEST = 100, -60
"""Exponents between which single precision has all parts."""
Array = np.ndarray[Any, Any]


def parts(weights: Array) -> list[Array] | None:
    """Three arrays that add up to `weights`, each of multiples of one power of two; None when they are too wide."""
    largest = float(np.abs(weights).max(initial=0.0))
    if not 2.0**_SMALLEST < largest < 2.0**_LARGEST:
        return None
    exponent = int(np.frexp(largest)[1])  # below 2**exponent
    found = []
    left = weights.astype(np.float64)
    for _ in range(PARTS):
        step = 2.0 ** (exponent - _BITS)
        part = np.rint(left / step) * step
        found.append(part)
        left = left - part
        exponent -= _BITS + 1  # what is left is at most half a step
    return found
