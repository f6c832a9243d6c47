"""The numbers of the loop. Plain, so that a decision can be replayed from what stands in the audit trail."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, Self


class BandShares(Protocol):
    """Shares of a measured budget (see `power.bands` in the settings)."""

    @property
    def cut(self) -> float: ...
    @property
    def hold(self) -> float: ...
    @property
    def release(self) -> float: ...


class Numbers(Protocol):
    """What of the settings the loop needs."""

    @property
    def bands(self) -> BandShares: ...
    @property
    def cycle_seconds(self) -> float: ...
    @property
    def window_seconds(self) -> float: ...
    @property
    def raise_ratio(self) -> float: ...
    @property
    def raise_seconds(self) -> float: ...
    @property
    def write_seconds(self) -> float: ...
    @property
    def floor_ratio(self) -> float: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """How the loop behaves. The defaults are those of the settings; what has no setting says why it has its value."""

    cycle_seconds: float = 1.0
    window_seconds: float = 30.0
    cut: float = 0.985
    hold: float = 0.97
    release: float = 0.95
    raise_ratio: float = 0.1
    raise_seconds: float = 10.0
    write_seconds: float = 5.0
    floor_ratio: float = 0.5
    """For GPUs whose intent names no floor."""
    margin_ratio: float = 0.04
    """A cap stands this much above the highest draw of the window, or it would itself look like the draw (`at_cap_ratio`)."""
    margin_watts: float = 5.0
    step_ratio: float = 0.02
    """Wants move in steps of this share of the device's range: noise of a few watts moves nobody's cap."""
    at_cap_ratio: float = 0.97
    """A device that draws this share of its cap wants more than it says. Power capping swings by a few percent."""
    growth_ratio: float = 0.1
    """By this share of its range a device at its cap wants more: inference that ramps up gets it second by second, and a short
    spike of one server does not take its whole range from the others."""
    want_seconds: float = 120.0
    """A want is remembered for one to two of these: longer than a checkpoint (10 to 60 s), or its end is a surge."""
    deadband_ratio: float = 0.01
    deadband_watts: float = 5.0
    raise_deadband_ratio: float = 0.04
    """Raises can wait until they are worth a write; cuts that a limit needs cannot."""
    surplus_watts: float = 25.0
    """Where a limit needs cuts, whoever has this much more than it should gives first: few writes, each worth it."""
    slack_ratio: float = 0.005
    """Worst cases are planned this far below their limit, so that the next small want finds room without anybody's cut."""
    settle_seconds: float = 2.0
    """How long after its read-back a cut shows in measured power (in band 0.3 to 1 s, averaged over a second)."""
    patience_seconds: float = 10.0
    """How long a cut that was asked for and not read back counts as under way. Then it counts as not made."""
    fresh_seconds: float = 2.5
    """Readings older than two cycles are not the present."""
    backstop_ratio: float = 0.05
    """How far a server's own cap stands above what its GPUs' caps and the rest of it come to."""

    paced: bool = True
    """Raises take their time; without it a proposal shows where they arrive."""

    def at_once(self) -> Self:
        """For previews: where all of it ends, not the next step."""
        return replace(self, paced=False, growth_ratio=1.0)

    @classmethod
    def of(cls, numbers: Numbers) -> Self:
        """Tuning of a site's settings."""
        return cls(
            cycle_seconds=numbers.cycle_seconds,
            window_seconds=numbers.window_seconds,
            cut=numbers.bands.cut,
            hold=numbers.bands.hold,
            release=numbers.bands.release,
            raise_ratio=numbers.raise_ratio,
            raise_seconds=numbers.raise_seconds,
            write_seconds=numbers.write_seconds,
            floor_ratio=numbers.floor_ratio,
            fresh_seconds=2.5 * numbers.cycle_seconds,
        )
