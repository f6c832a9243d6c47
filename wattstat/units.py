"""Quantities as people read them. What is not known is a dash in a sentence and an empty cell in a table."""

from __future__ import annotations

import re
from datetime import datetime

_SIGNS = {"EUR": "€", "USD": "$", "GBP": "£", "CHF": "CHF", "JPY": "¥"}
KWH = 3.6e6
NOTHING_JOULES = 18.0
"""What 0.00 Wh would be rounded from."""


def energy(joules: float | None) -> str:
    """3.6 MJ are 1.00 kWh; small things stay in Wh, large ones become MWh."""
    if joules is None:
        return "-"
    if abs(joules) < NOTHING_JOULES:
        return "0 Wh"
    kwh = joules / KWH
    if abs(kwh) >= 10_000:
        return f"{kwh / 1000:,.1f} MWh"
    return f"{_digits(kwh)} kWh" if abs(kwh) >= 0.1 else f"{_digits(kwh * 1000)} Wh"


def share(part: float | None, whole: float | None) -> str:
    """A share in percent; small ones with more digits."""
    if part is None or not whole:
        return "-"
    return ratio(part / whole)


def ratio(value: float | None) -> str:
    """A ratio in percent."""
    if value is None:
        return "-"
    percent = 100 * value
    size = abs(percent)
    if 0 < size < 0.01:
        return "<0.01 %"
    return f"{percent:.0f} %" if size >= 10 or size == 0 else f"{percent:.1f} %" if size >= 0.1 else f"{percent:.2f} %"


def money(amount: float | None, currency: str) -> str:
    """An amount with its currency's sign."""
    if amount is None:
        return "-"
    digits = f"{amount:,.2f}" if abs(amount) >= 0.01 or amount == 0 else f"{amount:.2g}"
    return f"{digits} {_SIGNS.get(currency, currency)}"


def carbon(grams: float | None) -> str:
    """Grams, kilograms or tonnes of carbon dioxide."""
    if grams is None:
        return "-"
    if grams == 0:
        return "0 g CO2"
    if abs(grams) >= 1e6:
        return f"{_digits(grams / 1e6)} t CO2"
    return f"{_digits(grams / 1000)} kg CO2" if abs(grams) >= 100 else f"{_digits(grams)} g CO2"


def duration(seconds: float | None) -> str:
    """Days, hours, minutes: the two largest that matter."""
    if seconds is None:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def count(number: int, thing: str) -> str:
    """1 GPU, 2 GPUs."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def clock(moment: str | None) -> str:
    """An RFC 3339 time in this machine's time zone, to the minute."""
    if moment is None:
        return "-"
    return f"{datetime.fromisoformat(moment).astimezone():%Y-%m-%d %H:%M}"


_MULTIPLES = {"k": 1e3, "m": 1e6, "b": 1e9, "g": 1e9, "t": 1e12}


# A comma parts thousands only: whoever writes 1,5T for one and a half is asked, not misread.
_AMOUNT = re.compile(r"(\d{1,3}(?:[,_]\d{3})+|\d*\.?\d+(?:e[+-]?\d+)?|\d+\.)\s*([kmbgt]?)", re.IGNORECASE)


def amount(text: str, name: str) -> float:
    """A large number as people write it: 175e9, 175B, 1.5T. Raises `ValueError`."""
    found = _AMOUNT.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{name}: {text!r} is no number; expected one such as 175e9, 175B or 1.5T")
    return float(found[1].replace(",", "").replace("_", "")) * _MULTIPLES.get(found[2].lower(), 1.0)


def _digits(value: float) -> str:
    """Three digits that count."""
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"
