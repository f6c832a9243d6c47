"""Numbers as Go prints them, which is how Prometheus writes values into labels and answers."""

from __future__ import annotations

import math
from decimal import Decimal


def go_float(value: float) -> str:
    """The shortest text that reads back as the same number, without an exponent: strconv's format 'f'."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    text = repr(float(value))
    if "e" in text:
        text = format(Decimal(text), "f")
    return text.removesuffix(".0")
