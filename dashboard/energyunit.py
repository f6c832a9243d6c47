"""One unit of energy for a whole table: what stands in one column must be added up by hand."""

from __future__ import annotations

from dataclasses import dataclass

from dashboard import words


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyUnit:
    """A unit, its size, and as many decimals as make every figure of a table comparable."""

    name: str
    joules: float
    digits: int

    def write(self, joules: float | None) -> str:
        """The bare number; the unit stands in the heading."""
        return words.NOTHING if joules is None else words.small(joules / self.joules, self.digits)

    def signed(self, joules: float) -> str:
        """With its sign; a plain zero where the decimals show nothing."""
        text = f"{joules / self.joules:+,.{self.digits}f}"
        return text.lstrip("+-") if float(text.replace(",", "")) == 0 else text.replace("-", "\N{MINUS SIGN}")

    def error(self, joules: float) -> str:
        return f"±{words.THIN}{self.write(joules)}"


KILOWATT_HOURS = EnergyUnit(name="kWh", joules=3.6e6, digits=3)
WATT_HOURS = EnergyUnit(name="Wh", joules=3600, digits=1)


def unit_for(largest: float) -> EnergyUnit:
    """Kilowatt-hours, as bills have them; watt-hours where the largest figure is less than one."""
    return KILOWATT_HOURS if abs(largest) >= KILOWATT_HOURS.joules else WATT_HOURS
