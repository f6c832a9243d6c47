"""Sums that do not depend on the order of their parts.

Floats on a grid of 1/1024 W add exactly (up to 2^43 W), so the same hall told in another order gets the same caps, bit by bit.
"""

from __future__ import annotations

import numpy as np

from power.model import Floats, Ints

_STEPS = 1024.0
_NOISE = 1e-6
"""What is this close above a step is rounding, not power."""


def charged(watts: Floats) -> Floats:
    """On the grid, rounded up: what counts against a limit."""
    rounded: Floats = np.ceil(watts * _STEPS - _NOISE) / _STEPS
    return rounded


def granted(watts: Floats) -> Floats:
    """On the grid, rounded down: what a limit has to give."""
    rounded: Floats = np.floor(watts * _STEPS + _NOISE) / _STEPS
    return rounded


def sums(rows: Ints, watts: Floats, length: int) -> Floats:
    """Sums by row; exact, and the same in any order, when the parts are on the grid."""
    return np.bincount(rows, weights=watts, minlength=length).astype(np.float64, copy=False)
