"""The cap with the least energy per work: by what the site has seen of its own work, else by the published curve."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite

from wattstat import capcurve

LEAST_SHARE = 0.5
"""Below half of its highest limit a GPU needs more energy per work; policies do not go there."""
LEAST_SEEN = 3
"""Caps of which a history must tell before it counts more than the published curve."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Work under a cap: `share` of the highest limit, `energy` and `speed` per work and time as multiples of those uncapped."""

    share: float
    energy: float
    speed: float


History = Callable[[str], Sequence[Seen]]
"""What a site has seen of a model of GPU; nothing where it has seen nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Efficient:
    """The best cap. `energy` and `speed` are (value, low, high) against no cap."""

    share: float
    energy: tuple[float, float, float]
    speed: tuple[float, float, float]
    source: str

    def __str__(self) -> str:
        saved = f"{_percent(1 - self.energy[0])} less energy per work ({_range(1 - self.energy[2], 1 - self.energy[1])})"
        slower = f"{_percent(1 - self.speed[0])} slower ({_range(1 - self.speed[2], 1 - self.speed[1])})"
        return f"Least energy per work at {_percent(self.share)} of the highest limit: {saved}, {slower}; by {self.source}"


def most_efficient(gpu_model: str, history: History | None = None, *, slowest: float = 0.0) -> Efficient:
    """The cap with the least energy per work that leaves at least `slowest` of the speed."""
    seen = [each for each in (history(gpu_model) if history is not None else ()) if _makes_sense(each)]
    if len({each.share for each in seen}) >= LEAST_SEEN:
        found = [
            Efficient(
                share=each.share,
                energy=(each.energy, each.energy, each.energy),
                speed=(each.speed, each.speed, each.speed),
                source=f"what this site has seen under {len(seen)} caps",
            )
            for each in seen
        ]
    else:
        found = list(_published())
    fast = [each for each in found if each.speed[0] >= slowest]
    return min(fast or found, key=lambda each: (each.energy[0], -each.share) if fast else (-each.speed[0], each.energy[0]))


def _published() -> Iterator[Efficient]:
    """Whole percents of the limit; what is drawn falls with the limit, what is done by the curve."""
    for percent in range(round(100 * LEAST_SHARE), 101):
        share = percent / 100
        speed, low, high = capcurve.band(share)
        yield Efficient(
            share=share, energy=(share / speed, share / high, share / low), speed=(speed, low, high), source=capcurve.SOURCE
        )


def _makes_sense(seen: Seen) -> bool:
    return (
        LEAST_SHARE <= seen.share <= 1 and isfinite(seen.energy) and seen.energy > 0 and isfinite(seen.speed) and seen.speed > 0
    )


def _percent(ratio: float) -> str:
    return f"{100 * ratio:.0f} %"


def _range(low: float, high: float) -> str:
    return f"{100 * low:.0f} to {100 * high:.0f} %"
