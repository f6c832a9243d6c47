"""How numbers are written: units always, three digits that matter, thin spaces."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo

THIN = "\u202f"
MINUS = "\N{MINUS SIGN}"
NOTHING = "\N{EN DASH}"


def watts(value: float | None) -> str:
    """`612 W`, `48.2 kW`, `1.93 MW`."""
    return scaled(value, "W")


def scaled(value: float | None, unit: str) -> str:
    """A value with k or M before its unit, three digits that matter."""
    number, full_unit = split(value, unit)
    return f"{number}{THIN}{full_unit}" if full_unit else number


def capacity(value: float | None) -> str:
    """`1.20 PB`, `738 TB`: powers of ten, as storage is sold and its design throughput is told."""
    return _ten(value, (("PB", 1e15), ("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)), "B")


def throughput(value: float | None) -> str:
    """`31.2 GB/s`."""
    return _ten(value, (("GB/s", 1e9), ("MB/s", 1e6), ("kB/s", 1e3)), "B/s")


def line_rate(value: float | None) -> str:
    """`400 Gb/s`."""
    return NOTHING if value is None else f"{value / 1e9:g}{THIN}Gb/s"


def latency(seconds: float | None) -> str:
    """`340 µs`, `1.84 ms`, `2.10 s`."""
    return _ten(None if seconds is None else seconds * 1e6, (("s", 1e6), ("ms", 1e3)), "µs")


def rate(value: float | None) -> str:
    """`12.4 k` of what is counted in a second."""
    return _ten(value, (("M", 1e6), ("k", 1e3)), "").rstrip(THIN)


def tiny(value: float) -> str:
    """A small ratio as a power of ten: `3e-11`."""
    return f"{value:.0e}".replace("e-0", "e-")


def _ten(value: float | None, units: tuple[tuple[str, float], ...], unit: str) -> str:
    if value is None:
        return NOTHING
    # 999.6 would be written as 1000 in the smaller unit
    name, factor = next(((name, factor) for name, factor in units if abs(value) >= factor * 0.9995), (unit, 1.0))
    return f"{_three(value / factor) if factor > 1 else f'{value:.0f}'}{THIN}{name}"


def span(values: Iterable[float | None]) -> str:
    """`400 W`, `250 to 400 W`: what is known of several."""
    known = [value for value in values if value is not None]
    if not known:
        return NOTHING
    low, high = min(known), max(known)
    if high - low < 1:
        return watts(low)
    return f"{low:.0f} to {watts(high)}" if high < 999.5 else f"{watts(low)} to {watts(high)}"


def split(value: float | None, unit: str) -> tuple[str, str]:
    """Number and unit apart, for numbers set large."""
    if value is None:
        return NOTHING, ""
    for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        # 999.6 would be written as 1000 in the smaller unit
        if abs(value) >= factor * 0.9995:
            return _three(value / factor), prefix + unit
    return f"{value:.0f}", unit


def _three(value: float) -> str:
    size = abs(value)
    return f"{value:.2f}" if size < 9.995 else f"{value:.1f}" if size < 99.95 else f"{value:,.0f}"


def energy(joules: float | None) -> str:
    """`3.21 kWh`, `1.04 MWh`: watt-hours, as bills count."""
    return scaled(None if joules is None else joules / 3600, "Wh")


def kilowatt_hours(joules: float | None, digits: int = 2) -> str:
    """The bare number, for columns that name the unit in their heading; what is too small for the digits says so."""
    return NOTHING if joules is None else small(joules / 3.6e6, digits)


def small(value: float, digits: int) -> str:
    """A number with fixed digits; what these would make zero, and is not, is written as less than the last of them."""
    written = f"{value:,.{digits}f}"
    if float(written.replace(",", "")) != 0:
        return written
    return f"<{10.0**-digits:.{digits}f}" if value > 0 else f"{0:.{digits}f}"


_SIGNS = {"EUR": "\N{EURO SIGN}", "USD": "$", "GBP": "\N{POUND SIGN}", "JPY": "\N{YEN SIGN}"}


def currency_sign(currency: str) -> str:
    """`€` for EUR; a currency without a sign of its own by its code."""
    return _SIGNS.get(currency, currency)


def money(value: float | None, currency: str) -> str:
    """`12.40 €`, `<0.01 €`."""
    return NOTHING if value is None else f"{small(value, 2)}{THIN}{currency_sign(currency)}"


def carbon(grams: float | None) -> str:
    """`12 g`, `3.20 kg`, `1.04 t` of carbon dioxide."""
    if grams is None:
        return NOTHING
    return f"{_three(grams / 1e6)}{THIN}t" if abs(grams) >= 999_500 else scaled(grams, "g")


def percent(ratio: float | None) -> str:
    """Whole percents; a little is not nothing."""
    if ratio is None:
        return NOTHING
    return f"<1{THIN}%" if 0 < ratio < 0.005 else f"{ratio * 100:.0f}{THIN}%"


def signed_percent(ratio: float) -> str:
    """With its sign: `+7 %`."""
    return f"{'+' if ratio > 0 else MINUS}{abs(ratio) * 100:.0f}{THIN}%"


def celsius(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.0f}{THIN}°C"


def gigabytes(value: float | None) -> str:
    """GiB, the unit in which GPU memory is sold."""
    return NOTHING if value is None else f"{value / 2**30:.0f}{THIN}GiB"


def megahertz(value: float | None) -> str:
    return NOTHING if value is None else f"{value / 1e6:.0f}{THIN}MHz"


_THROTTLES = {
    "sw_power_cap": "power cap", "sw_thermal": "heat (software)", "hw_thermal": "heat (hardware)", "hw_slowdown": "hardware",
    "hw_power_brake": "power brake",
}  # fmt: skip


def throttle(reason: str) -> str:
    """What holds a GPU's clocks down."""
    return _THROTTLES.get(reason, reason.replace("_", " "))


def duration(seconds: float) -> str:
    """`12 s`, `4 min`, `3 h 20 min`, `2 d 4 h`."""
    whole = max(0, int(seconds))
    if whole < 100:
        return f"{whole}{THIN}s"
    minutes = whole // 60
    if minutes < 100:
        return f"{minutes}{THIN}min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours}{THIN}h{THIN}{minutes}{THIN}min" if minutes else f"{hours}{THIN}h"
    days, hours = divmod(hours, 24)
    return f"{days}{THIN}d{THIN}{hours}{THIN}h" if hours else f"{days}{THIN}d"


def roughly(seconds: float) -> str:
    """As a forecast or a span is said: `52 days`, `6 h`, `40 min`."""
    if seconds >= 2 * 86_400 * 0.95:
        return f"{seconds / 86_400:,.0f} days"
    return f"{seconds / 3600:.0f}{THIN}h" if seconds >= 5700 else duration(seconds)


def clock(at: float, now: float, zone: tzinfo = UTC) -> str:
    """The time of day at the site; with the date when it was not today."""
    when, today = datetime.fromtimestamp(at, zone), datetime.fromtimestamp(now, zone)
    return when.strftime("%H:%M" if when.date() == today.date() else "%d %b %H:%M")


def plural(count: int, one: str, many: str | None = None) -> str:
    """`1 GPU`, `3 GPUs`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
