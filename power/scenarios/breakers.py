"""Breakers of the simulated hall: they heat up over their rating and trip."""

from __future__ import annotations

import numpy as np

from power.model import Floats
from power.scenarios.hall import Layer

COOLING_SECONDS = 600.0
INSTANT_RATIO = 5.0
EXPONENT = -2.04


class Breakers:
    """The thermal state of one layer. One that trips is counted, closed again and starts cold."""

    def __init__(self, layer: Layer) -> None:
        """Cold."""
        self.layer = layer
        self.heat = np.zeros(len(layer.names))
        self.trips = np.zeros(len(layer.names), int)
        self.worst_ratio = 0.0

    def carry(self, watts: Floats, seconds: float) -> None:
        """Carry this for so long."""
        ratio = watts / self.layer.rating_watts
        self.worst_ratio = max(self.worst_ratio, float(ratio.max()))
        over = ratio > 1
        if not over.any():
            self.heat = np.maximum(self.heat - seconds / COOLING_SECONDS, 0.0)
            return
        trip_seconds = self.layer.k * np.where(over, ratio - 1, 1.0) ** EXPONENT
        self.heat += np.where(over, seconds / trip_seconds, -seconds / COOLING_SECONDS)
        self.heat = np.maximum(self.heat, 0.0)
        tripped = (self.heat >= 1) | (ratio >= INSTANT_RATIO)
        self.trips += tripped
        self.heat[tripped] = 0.0
