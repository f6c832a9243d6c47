"""What is left of the throughput of training under a power limit, by the limit's share of the board's maximum.

Measured power-limit sweeps of transformer training (BERT on SQuAD: 8 configurations on A40, 7 on V100; the public traces of
Zeus, github.com/ml-energy/zeus, NSDI'23). Nobody has published a trustworthy sweep of large-model training on H100; blogs name
losses of 5 to 15 % at 600 of 700 W, where the mean has 3 %. So the loss is taken as uncertain by a factor of four either way,
which spans them. Work that waits for memory or data loses less.
"""

from __future__ import annotations

import itertools

MEAN = ((1.0, 1.0), (0.8, 0.952), (0.7, 0.904), (0.6, 0.801), (0.5, 0.620), (0.4, 0.430))
"""Share of the limit, share of the throughput: the mean of both boards."""
A40 = ((1.0, 1.0), (0.83, 0.976), (0.75, 0.948), (0.67, 0.900), (0.58, 0.778), (0.50, 0.587), (0.42, 0.390), (0.33, 0.252))
"""The A40 alone: the younger board."""
LOSS_FACTOR = 4.0
LEAST_RATIO = 0.8
"""Throughput falls at worst somewhat faster than the limit itself: in the traces 0.25 is left under a third."""
FLOOR = MEAN[-1][0]
SOURCE = "power-limit sweeps of BERT training on A40 and V100 (Zeus traces); the loss may be four times less or more"


def interpolated(share: float, curve: tuple[tuple[float, float], ...] = MEAN) -> float:
    """The throughput that the curve has at this share of the limit; below its last point that point's."""
    for (upper, best), (lower, worst) in itertools.pairwise(curve):
        if share >= lower:
            return worst + (best - worst) * (share - lower) / (upper - lower)
    return curve[-1][1]


def band(share: float) -> tuple[float, float, float]:
    """The throughput at this share of the limit and what it may be: (value, low, high)."""
    value = interpolated(share)
    loss = 1 - value
    return value, max(1 - LOSS_FACTOR * loss, LEAST_RATIO * share), 1 - loss / LOSS_FACTOR
