"""Readers of limits in a controller's document: what is no limit is None."""

from __future__ import annotations

import math
from typing import Any

# Controllers write 32767, 65535 or 0 where there is no limit; no server and no baseboard draws as much.
MOST_WATTS = 32_000.0


def watts(value: Any) -> float | None:
    """Watts from 1 to 32,000, also from their decimal text; never from a boolean or a sentinel."""
    if isinstance(value, str):
        try:
            value = float(value) if len(value) <= 32 and value.isascii() else None
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 1 <= value <= MOST_WATTS:
        return None
    return float(value) if math.isfinite(value) else None
