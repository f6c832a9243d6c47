"""Functions of each element of an instant vector: values only, labels stay (without the metric's name)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from wattstat.promql.raw import Mask, Values

Elementwise = Callable[[Values], Values]


def _days(values: Values) -> npt.NDArray[np.datetime64]:
    return _moments(values).astype("datetime64[D]")


def _moments(values: Values) -> npt.NDArray[np.datetime64]:
    """Unix seconds as moments; what is no number becomes NaT."""
    seconds = np.where(np.isfinite(values) & (np.abs(values) < 1e15), values, 0)
    moments = np.trunc(seconds).astype(np.int64).astype("datetime64[s]")
    return np.where(np.isfinite(values), moments, np.datetime64("NaT"))


def _number(parts: npt.NDArray[np.timedelta64] | npt.NDArray[np.datetime64], plus: int = 0) -> Values:
    """Counts as floats, NaT as NaN."""
    return np.where(np.isnat(parts), np.nan, parts.astype(np.int64) + plus)


def _day_of_month(values: Values) -> Values:
    return _number(_days(values) - _days(values).astype("datetime64[M]"), plus=1)


def _day_of_year(values: Values) -> Values:
    return _number(_days(values) - _days(values).astype("datetime64[Y]"), plus=1)


def _day_of_week(values: Values) -> Values:
    return np.mod(_number(_days(values)) + 4, 7)  # 1970-01-01 was a Thursday


def _days_in_month(values: Values) -> Values:
    months = _days(values).astype("datetime64[M]")
    return _number((months + np.timedelta64(1, "M")).astype("datetime64[D]") - months.astype("datetime64[D]"))


DATES: dict[str, Elementwise] = {
    "minute": lambda values: np.mod(_number(_moments(values).astype("datetime64[m]")), 60),
    "hour": lambda values: np.mod(_number(_moments(values).astype("datetime64[h]")), 24),
    "day_of_month": _day_of_month,
    "day_of_week": _day_of_week,
    "day_of_year": _day_of_year,
    "days_in_month": _days_in_month,
    "month": lambda values: np.mod(_number(_days(values).astype("datetime64[M]")), 12) + 1,
    "year": lambda values: _number(_days(values).astype("datetime64[Y]"), plus=1970),
}
"""Of Unix times, in UTC; without an argument, of the moment of evaluation."""

ELEMENTWISE: dict[str, Elementwise] = {
    "abs": np.abs,
    "ceil": np.ceil,
    "floor": np.floor,
    "exp": np.exp,
    "ln": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "sqrt": np.sqrt,
    "sgn": np.sign,
    "deg": np.rad2deg,
    "rad": np.deg2rad,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
}

WithScalars = Callable[..., tuple[Values, Mask | bool]]


def _least(one: Values, other: Values) -> Values:
    """As in Go, -Inf is less than NaN."""
    return np.where(np.isneginf(one) | np.isneginf(other), -np.inf, np.minimum(one, other))


def _most(one: Values, other: Values) -> Values:
    """As in Go, +Inf is more than NaN."""
    return np.where(np.isposinf(one) | np.isposinf(other), np.inf, np.maximum(one, other))


def _clamp(values: Values, low: Values, high: Values) -> tuple[Values, Mask]:
    return _most(low, _least(high, values)), ~(high < low)


def _round(values: Values, nearest: Values | float = 1.0) -> tuple[Values, bool]:
    # The inverse keeps 0.1 and the like exact, as Prometheus does it.
    inverse = 1 / np.asarray(nearest)
    return np.floor(values * inverse + 0.5) / inverse, True


WITH_SCALARS: dict[str, WithScalars] = {
    "clamp": _clamp,
    "clamp_min": lambda values, low: (_most(values, low), True),
    "clamp_max": lambda values, high: (_least(values, high), True),
    "round": _round,
}
"""By name: from values and scalars at each step to values, and at which steps there is a result at all."""
