"""What a rack draws: by its PDUs where all of them answer, else the sum over what stands in it; how sure that is. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dashboard import words
from wattstat.api.live import LiveSnapshot
from wattstat.catalogue import Metric, facility

DISAGREEMENT = 0.05
_ALL = 0.9995


@dataclass(frozen=True, slots=True, kw_only=True)
class RackPower:
    """Watts by both ways, and the share of PDUs or devices that were read; None is what nobody reads, never zero."""

    metered: float | None = None
    metered_coverage: float | None = None
    summed: float | None = None
    summed_coverage: float | None = None
    off: float | None = None
    """By how much the sum lay off the meter over the last ten minutes, over the meter."""

    @property
    def watts(self) -> float | None:
        """The meter's word goes before the sum."""
        return self.summed if self.metered is None else self.metered

    @property
    def is_partial(self) -> bool:
        """A lower bound: something that draws power was not read."""
        return self.metered is None and self.summed is not None and (self.summed_coverage or 0) < _ALL

    @property
    def difference(self) -> float | None:
        """The same where it is worth a word: more than a little, and not what a gap in the sum explains."""
        if self.off is None or self.metered is None or self.summed is None:
            return None
        is_explained = self.off < 0 and (self.summed_coverage or 0) < _ALL
        return None if abs(self.off) <= DISAGREEMENT or is_explained else self.off

    @property
    def source(self) -> str:
        """Where the watts come from, and how much of the rack they cover; short, for the rack's head."""
        silent = self.metered is None and self.metered_coverage is not None
        if self.metered is not None:
            return "metered"
        if self.summed is not None:
            share = words.percent(self.summed_coverage)
            return f"{'PDU silent, ' if silent else ''}summed {share}"
        return "PDU silent, no reading" if silent else "no reading"

    @property
    def about(self) -> str:
        """All of it in a sentence."""
        told = []
        if self.metered is not None:
            told.append(f"its PDUs measure {words.watts(self.metered)}")
        elif self.metered_coverage is not None:
            told.append(f"{words.percent(self.metered_coverage)} of its PDUs answer, which is no reading of the rack")
        if self.summed is not None:
            share = words.percent(self.summed_coverage)
            told.append(f"its devices sum up to {words.watts(self.summed)}, {share} of them measured")
        elif self.summed_coverage is not None:
            told.append("none of its devices is measured")
        if self.difference is not None:
            told.append(f"over the last 10 minutes they lay {words.percent(abs(self.difference))} apart")
        return "; ".join(told) or "nothing measures it"


def rack_powers(snapshot: LiveSnapshot, off: Mapping[str, float]) -> dict[str, RackPower]:
    """By rack. `off` is what history has of the difference."""

    def by(metric: Metric, source: str) -> dict[str, float]:
        return {sample.labels["rack"]: sample.value for sample in snapshot.find(metric, source=source)}

    metered, summed = (by(facility.RACK_POWER_WATTS, source) for source in ("pdu", "sum"))
    of_pdus, of_devices = (by(facility.RACK_POWER_COVERAGE_RATIO, source) for source in ("pdu", "sum"))
    return {
        rack: RackPower(
            metered=metered.get(rack), metered_coverage=of_pdus.get(rack),
            summed=summed.get(rack), summed_coverage=of_devices.get(rack), off=off.get(rack),
        )
        for rack in {*metered, *summed, *of_pdus, *of_devices}
    }  # fmt: skip
