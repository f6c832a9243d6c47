"""Range vectors, and the functions over them, with Prometheus 2.42's arithmetic.

A window holds the samples between `step - range` and `step`, both included, as Prometheus before version 3 has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from wattstat.promql.raw import Group, Mask, Times, Values
from wattstat.promql.syntax import Labels

_CHUNK = 2_000_000
"""How many samples are gathered at once, so that a long window does not fill the memory."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Windows:
    """One group of series with, for each step, which of the samples fall into the window."""

    group: Group
    steps: Times
    ends: Times
    range_ms: int

    @cached_property
    def low(self) -> npt.NDArray[np.intp]:
        """The first sample of each window."""
        return np.searchsorted(self.group.times, self.ends - self.range_ms, side="left")

    @cached_property
    def high(self) -> npt.NDArray[np.intp]:
        """One behind the last sample of each window."""
        return np.searchsorted(self.group.times, self.ends, side="right")

    @cached_property
    def counts(self) -> npt.NDArray[np.intp]:
        return self.high - self.low

    def at(self, indices: npt.NDArray[np.intp]) -> Values:
        """The samples with the given index at each step; where a window is too short for it, any number."""
        return self.group.values[:, np.clip(indices, 0, len(self.group.times) - 1)]

    def times_at(self, indices: npt.NDArray[np.intp]) -> Times:
        return self.group.times[np.clip(indices, 0, len(self.group.times) - 1)]

    def reduce(self, ufunc: np.ufunc, values: npt.NDArray[np.float64], low: npt.NDArray[np.intp] | None = None) -> Values:
        """`ufunc` over the values of each window; where a window is empty, any number."""
        padded = np.concatenate([values, values[:, -1:]], axis=1)
        bounds = np.empty(2 * len(self.steps), np.intp)
        bounds[0::2], bounds[1::2] = self.low if low is None else low, self.high
        return ufunc.reduceat(padded, np.minimum(bounds, values.shape[1]), axis=1)[:, ::2]

    def gathered(self) -> Iterator[tuple[slice, Gathered]]:
        """All samples of the windows, some steps at a time."""
        longest = max(int(self.counts.max(initial=0)), 1)
        width = max(_CHUNK // (longest * len(self.group.rows)), 1)
        for begin in range(0, len(self.steps), width):
            part = slice(begin, begin + width)
            longest = max(int(self.counts[part].max()), 1)
            places = np.arange(longest)
            inside = places < self.counts[part, None]
            index = np.minimum(self.low[part, None] + places, len(self.group.times) - 1)
            yield part, Gathered(times=self.group.times[index], values=self.group.values[:, index], inside=inside)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gathered:
    """Windows side by side: `values[row, step, place]`.

    `times` and `inside`, which says whether a place holds a sample, are alike for all rows.
    """

    times: Times
    values: Values
    inside: Mask

    @property
    def counts(self) -> Values:
        return np.asarray(np.count_nonzero(self.inside, axis=1), np.float64)


Scalars = Sequence[Values]
Function = Callable[[Windows, Scalars], tuple[Values, Mask]]
"""From windows and scalar arguments to values and presence, each `[row, step]` or, for presence, `[step]`."""


def _any_sample(compute: Callable[[Windows], Values]) -> Function:
    return lambda windows, _: (compute(windows), windows.counts > 0)


def _rate(*, counter: bool, per_second: bool) -> Function:
    def compute(windows: Windows, _: Scalars) -> tuple[Values, Mask]:
        return _extrapolated(windows, counter=counter, per_second=per_second), windows.counts > 1

    return compute


def _increase(windows: Windows) -> Values:
    """Last minus first, plus what counters had reached before each reset within the window."""
    difference = windows.at(windows.high - 1) - windows.at(windows.low)
    values = windows.group.values
    lost = np.zeros_like(values)
    reset = values[:, 1:] < values[:, :-1]
    if not reset.any():
        return difference
    np.copyto(lost[:, 1:], values[:, :-1], where=reset)
    # A window's first sample is compared with nothing before it.
    return difference + np.where(windows.counts > 1, windows.reduce(np.add, lost, windows.low + 1), 0)


def _extrapolated(windows: Windows, *, counter: bool, per_second: bool) -> Values:
    """Prometheus's `extrapolatedRate`: the difference stretched to the window's ends, but not far beyond the samples."""
    last, first = windows.at(windows.high - 1), windows.at(windows.low)
    result = _increase(windows) if counter else last - first
    first_time, last_time = windows.times_at(windows.low), windows.times_at(windows.high - 1)
    to_start = np.broadcast_to((first_time - (windows.ends - windows.range_ms)) / 1000, result.shape)
    to_end = (windows.ends - last_time) / 1000
    sampled = (last_time - first_time) / 1000
    spacing = sampled / (windows.counts - 1)
    if counter:
        # A counter cannot have been below zero, so it does not reach back further than to where it would have been zero.
        to_zero = sampled * (first / result)
        to_start = np.where((result > 0) & (first >= 0) & (to_zero < to_start), to_zero, to_start)
    threshold = spacing * 1.1
    span = sampled + np.where(to_start < threshold, to_start, spacing / 2)
    span = span + np.where(to_end < threshold, to_end, spacing / 2)
    factor = span / sampled
    if per_second:
        factor = factor / (windows.range_ms / 1000)
    return result * factor


def _last_two(*, per_second: bool) -> Function:
    def compute(windows: Windows, _: Scalars) -> tuple[Values, Mask]:
        last, previous = windows.at(windows.high - 1), windows.at(windows.high - 2)
        difference = last - previous
        if not per_second:
            return difference, windows.counts > 1
        seconds = (windows.times_at(windows.high - 1) - windows.times_at(windows.high - 2)) / 1000
        return np.where(last < previous, last, difference) / seconds, windows.counts > 1

    return compute


def _pairs(differs: Callable[[Values, Values], Mask]) -> Callable[[Windows], Values]:
    """How many neighbours in each window differ in the given way."""

    def compute(windows: Windows) -> Values:
        values = windows.group.values
        running = np.zeros(values.shape, np.int64)
        np.cumsum(differs(values[:, :-1], values[:, 1:]), axis=1, out=running[:, 1:])
        last, first = (np.clip(index, 0, values.shape[1] - 1) for index in (windows.high - 1, windows.low))
        return (running[:, last] - running[:, first]).astype(np.float64)

    return compute


def _changed(previous: Values, current: Values) -> Mask:
    return np.not_equal(previous, current) & ~(np.isnan(previous) & np.isnan(current))


def _each(compute: Callable[[Gathered], Values]) -> Callable[[Windows], Values]:
    """A function that needs all samples of a window at once."""

    def over_all(windows: Windows) -> Values:
        result = np.empty((len(windows.group.rows), len(windows.steps)))
        for part, gathered in windows.gathered():
            result[:, part] = compute(gathered)
        return result

    return over_all


def _variance(gathered: Gathered) -> Values:
    values = np.where(gathered.inside, gathered.values, 0)
    mean = values.sum(axis=2) / gathered.counts
    deviation = np.where(gathered.inside, gathered.values - mean[:, :, None], 0)
    return (deviation * deviation).sum(axis=2) / gathered.counts  # type: ignore[no-any-return]


def quantile(ratio: Values, values: Values, inside: Mask) -> Values:
    """The quantile of the values inside along the last axis; NaN counts as smallest; without a value NaN."""
    counts = np.broadcast_to(inside, values.shape).sum(axis=-1)
    nans = (np.isnan(values) & inside).sum(axis=-1)
    ordered = np.sort(np.where(inside, values, np.nan), axis=-1)  # NaN and padding stand at the end
    rank = np.asarray(ratio) * (counts - 1)
    lower = np.nan_to_num(np.maximum(np.floor(rank), 0)).astype(np.int64)
    lower = np.minimum(lower, np.maximum(counts - 1, 0))
    upper = np.minimum(lower + 1, np.maximum(counts - 1, 0))
    weight = rank - np.floor(rank)

    def at(place: npt.NDArray[np.int64]) -> Values:
        found = np.take_along_axis(ordered, np.maximum(place - nans, 0)[..., None], axis=-1)[..., 0]
        return np.where(place < nans, np.nan, found)

    result = at(lower) * (1 - weight) + at(upper) * weight
    result = np.where(ratio < 0, -np.inf, np.where(ratio > 1, np.inf, result))
    return np.where((counts == 0) | np.isnan(ratio), np.nan, result)


def _quantile_over_time(windows: Windows, scalars: Scalars) -> tuple[Values, Mask]:
    result = np.empty((len(windows.group.rows), len(windows.steps)))
    for part, gathered in windows.gathered():
        result[:, part] = quantile(scalars[0][part], gathered.values, gathered.inside)
    return result, windows.counts > 0


def _regression(gathered: Gathered, origin: Times) -> tuple[Values, Values]:
    """Slope in 1/s and the value at `origin` of the least-squares line through each window."""
    counts = gathered.counts
    seconds = np.where(gathered.inside, (gathered.times - origin[:, None]) / 1000, 0)
    values = np.where(gathered.inside, gathered.values, 0)
    mean_x, mean_y = seconds.sum(axis=1) / counts, values.sum(axis=2) / counts
    off_x = np.where(gathered.inside, seconds - mean_x[:, None], 0)
    off_y = np.where(gathered.inside, values - mean_y[:, :, None], 0)
    slope = (off_x * off_y).sum(axis=2) / (off_x * off_x).sum(axis=1)
    initial = gathered.values[:, :, 0]
    constant = np.where(gathered.inside, gathered.values == initial[:, :, None], True).all(axis=2)
    flat = np.where(np.isinf(initial), np.nan, 0)
    slope = np.where(constant, flat, slope)
    intercept = np.where(constant, initial + flat, mean_y - slope * mean_x)
    return slope, intercept


def _deriv(windows: Windows, _: Scalars) -> tuple[Values, Mask]:
    compute = _each(lambda gathered: _regression(gathered, gathered.times[:, 0])[0])
    return compute(windows), windows.counts > 1


def _predict_linear(windows: Windows, scalars: Scalars) -> tuple[Values, Mask]:
    result = np.empty((len(windows.group.rows), len(windows.steps)))
    for part, gathered in windows.gathered():
        slope, intercept = _regression(gathered, windows.steps[part])
        result[:, part] = slope * scalars[0][part] + intercept
    return result, windows.counts > 1


FUNCTIONS: dict[str, Function] = {
    "rate": _rate(counter=True, per_second=True),
    "increase": _rate(counter=True, per_second=False),
    "delta": _rate(counter=False, per_second=False),
    "irate": _last_two(per_second=True),
    "idelta": _last_two(per_second=False),
    "deriv": _deriv,
    "predict_linear": _predict_linear,
    "changes": _any_sample(_pairs(_changed)),
    "resets": _any_sample(_pairs(lambda previous, current: current < previous)),
    "sum_over_time": _any_sample(lambda windows: windows.reduce(np.add, windows.group.values)),
    "avg_over_time": _any_sample(lambda windows: windows.reduce(np.add, windows.group.values) / windows.counts),
    "min_over_time": _any_sample(lambda windows: windows.reduce(np.fmin, windows.group.values)),
    "max_over_time": _any_sample(lambda windows: windows.reduce(np.fmax, windows.group.values)),
    "count_over_time": _any_sample(
        lambda windows: np.broadcast_to(windows.counts.astype(np.float64), windows.at(windows.low).shape)
    ),
    "last_over_time": _any_sample(lambda windows: windows.at(windows.high - 1)),
    "present_over_time": _any_sample(lambda windows: np.ones((len(windows.group.rows), len(windows.steps)))),
    "stddev_over_time": _any_sample(_each(lambda gathered: np.sqrt(_variance(gathered)))),
    "stdvar_over_time": _any_sample(_each(_variance)),
    "quantile_over_time": _quantile_over_time,
}
"""By name: what works on one range vector (quantile_over_time's and predict_linear's scalar stands in `Scalars`)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RangeVector:
    """All windows of a range selector or of a subquery."""

    labels: Sequence[Labels]
    windows: Sequence[Windows]
    counted: bool = False
    """The samples are already counts, to be added up."""
