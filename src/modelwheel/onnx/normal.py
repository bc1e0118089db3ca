"""The normal distribution in double precision: onnxruntime has the error function for float32 only.

erf and erfc by W. J. Cody, "Rational Chebyshev approximations for the error function" (1969); the quantiles by
M. J. Wichura, algorithm AS 241, PPND16 (1988).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .numpy_names import np

_A = (3.16112374387056560e00, 1.13864154151050156e02, 3.77485237685302021e02, 3.20937758913846947e03,
      1.85777706184603153e-1)  # fmt: skip
_B = (2.36012909523441209e01, 2.44024637934444173e02, 1.28261652607737228e03, 2.84423683343917062e03)
_C = (5.64188496988670089e-1, 8.88314979438837594e0, 6.61191906371416295e01, 2.98635138197400131e02,
      8.81952221241769090e02, 1.71204761263407058e03, 2.05107837782607147e03, 1.23033935479799725e03,
      2.15311535474403846e-8)  # fmt: skip
_D = (1.57449261107098347e01, 1.17693950891312499e02, 5.37181101862009858e02, 1.62138957456669019e03,
      3.29079923573345963e03, 4.36261909014324716e03, 3.43936767414372164e03, 1.23033935480374942e03)  # fmt: skip
_P = (3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1, 1.60837851487422766e-2,
      6.58749161529837803e-4, 1.63153871373020978e-2)  # fmt: skip
_Q = (2.56852019228982242e00, 1.87295284992346047e00, 5.27905102951428412e-1, 6.05183413124413191e-2,
      2.33520497626869185e-3)  # fmt: skip
_SQRT_PI = 5.6418958354775628695e-1


def erf(x: Any) -> Any:
    """The error function."""
    size = abs(x)
    near = np.where(size <= 0.46875, x, 0.0)
    square = near * near
    top, bottom = _A[4] * square, square
    for a, b in zip(_A[:3], _B[:3], strict=True):
        top, bottom = (top + a) * square, (bottom + b) * square
    inner = near * (top + _A[3]) / (bottom + _B[3])
    return np.where(size <= 0.46875, inner, np.sign(x) * (1.0 - _erfc_far(size)))


def _erfc_far(size: Any) -> Any:
    """1 - erf of numbers above 0.46875."""
    middle = np.where((size > 0.46875) & (size <= 4.0), size, 1.0)
    top, bottom = _C[8] * middle, middle
    for c, d in zip(_C[:7], _D[:7], strict=True):
        top, bottom = (top + c) * middle, (bottom + d) * middle
    first = (top + _C[7]) / (bottom + _D[7]) * np.exp(-(middle * middle))
    far = np.where(size > 4.0, size, 8.0)
    far = np.where(far > 26.0, 26.0, far)
    square = 1.0 / (far * far)
    top, bottom = _P[5] * square, square
    for p, q in zip(_P[:4], _Q[:4], strict=True):
        top, bottom = (top + p) * square, (bottom + q) * square
    ratio = square * (top + _P[4]) / (bottom + _Q[4])
    second = (_SQRT_PI - ratio) / far * np.exp(-(far * far))
    return np.where(size <= 4.0, first, second)


def norm_cdf(x: Any) -> Any:
    """The distribution function of the standard normal distribution."""
    z = x * np.sqrt(0.5)
    tail = 0.5 * _erfc_far(abs(z))
    return np.where(abs(z) < 0.5, 0.5 * erf(z) + 0.5, np.where(z > 0, 1.0 - tail, tail))


_CENTRAL = (
    (2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4, 4.5921953931549871457e4,
     1.3731693765509461125e4, 1.9715909503065514427e3, 1.3314166789178437745e2, 3.3871328727963666080e0),
    (5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4, 2.1213794301586595867e4,
     5.3941960214247511077e3, 6.8718700749205790830e2, 4.2313330701600911252e1, 1.0),
)  # fmt: skip
_TAIL = (
    (7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1, 1.27045825245236838258e0,
     3.64784832476320460504e0, 5.76949722146069140550e0, 4.63033784615654529590e0, 1.42343711074968357734e0),
    (1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1,
     6.89767334985100004550e-1, 1.67638483018380384940e0, 2.05319162663775882187e0, 1.0),
)  # fmt: skip
_FAR_TAIL = (
    (2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3, 2.65321895265761230930e-2,
     2.96560571828504891230e-1, 1.78482653991729133580e0, 5.46378491116411436990e0, 6.65790464350110377720e0),
    (2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5, 7.86869131145613259100e-4,
     1.48753612908506148525e-2, 1.36929880922735805310e-1, 5.99832206555887937690e-1, 1.0),
)  # fmt: skip


def norm_ppf(p: Any) -> Any:
    """The quantile function of the standard normal distribution; infinite at 0 and 1."""
    q = p - 0.5
    central = np.where(abs(q) <= 0.425, q, 0.0)
    inner = central * _ratio(_CENTRAL, 0.180625 - central * central)
    tail = np.where(q < 0, p, 1.0 - p)
    safe = np.where((abs(q) > 0.425) & (tail > 0.0), tail, 0.05)
    root = np.sqrt(-np.log(safe))
    outer = np.where(root <= 5.0, _ratio(_TAIL, root - 1.6), _ratio(_FAR_TAIL, root - 5.0))
    outer = np.where(tail <= 0.0, np.inf, outer)
    return np.where(abs(q) <= 0.425, inner, np.where(q < 0, -outer, outer))


def _ratio(polynomials: Sequence[Sequence[float]], x: Any) -> Any:
    """Two polynomials, highest power first, divided."""
    values = []
    for coefficients in polynomials:
        value: Any = coefficients[0]
        for coefficient in coefficients[1:]:
            value = value * x + coefficient
        values.append(value)
    return values[0] / values[1]
