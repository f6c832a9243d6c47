"""Every fault with every load, in small halls: what has to hold everywhere is that no breaker trips and no invariant breaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from power.scenarios.crew import Crew
from power.scenarios.run import OURS, Result, run
from power.scenarios.scenario import Budget, Fault, Hall, Load, Quick, Scenario

LOADS: Mapping[str, Load] = {
    "training": Load(training=1.0, inference=0.0, nodes_per_job=8),
    "inference": Load(training=0.0, inference=1.0),
    "mixed": Load(nodes_per_job=5),
    "starts": Load(training=1.0, inference=0.0, nodes_per_job=8, starts=(60, 63), checkpoint_together=True),
}
AT = (90.0, 120.0)
FAULTS: Mapping[str, tuple[Fault, ...]] = {
    "loss": (Fault(kind="loss", at=AT, share=0.3),),
    "rack_dark": (Fault(kind="rack_dark", at=AT, seconds=90),),
    "frozen": (Fault(kind="frozen", at=AT, share=0.1),),
    "half": (Fault(kind="half", at=AT, share=0.1),),
    "spike": (Fault(kind="spike", at=AT, share=0.02),),
    "late": (Fault(kind="late", at=AT, amount=8),),
    "reordered": (Fault(kind="reordered", at=AT, share=0.5),),
    "refuse": (Fault(kind="refuse", share=0.1),),
    "lie": (Fault(kind="lie", share=0.1),),
    "revert": (Fault(kind="revert", share=0.1, amount=60),),
    "timeout": (Fault(kind="timeout", share=0.1, amount=30),),
    "sentinel": (Fault(kind="sentinel", at=AT, share=0.1),),
    "rogue": (Fault(kind="rogue", at=AT, share=0.2, amount=60),),
    "kill": (Fault(kind="kill", at=AT, amount=0.5, times=2),),
    "pause": (Fault(kind="pause", at=AT, seconds=45),),
    "twin": (Fault(kind="twin", at=AT),),
    "feed_loss": (Fault(kind="feed_loss", at=AT, seconds=60, amount=0.3),),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One fault with one load."""

    fault: str
    load: str
    result: Result

    @property
    def good(self) -> bool:
        """No trip, no invariant broken."""
        return not self.result.figures.trips and not self.result.broken


def scenario(fault: str, load: str, *, seconds: float = 240.0, rows: int = 2) -> Scenario:
    """The hall of one cell: two rows of sixteen servers with two GPUs each."""
    feeds = 2 if fault == "feed_loss" else 1
    return Scenario(
        name=f"{fault} x {load}",
        title=f"{fault} with {load}",
        hall=Hall(
            rows=rows,
            racks_per_row=4,
            gpus_per_node=2,
            feeds=2 if feeds == 2 else 1,
            row_rating_ratio=0.75 if feeds == 2 else 1.1,
            rest_watts=1000.0,
            nameplate_watts=3000.0,
            rack_rating_watts_per_node=2400.0,
        ),
        load=LOADS[load],
        budget=Budget(watts_per_node=2000.0, basis="measured"),
        faults=FAULTS[fault],
        standby=fault in {"kill", "pause", "twin"},
        duration_seconds=seconds,
        quick=Quick(),
    )


def matrix(seeds: Sequence[int] = (1,), *, seconds: float = 240.0, rows: int = 2) -> list[Cell]:
    """All cells."""
    return [
        Cell(fault=fault, load=load, result=run(scenario(fault, load, seconds=seconds, rows=rows), seed, OURS, Crew))
        for fault in FAULTS
        for load in LOADS
        for seed in seeds
    ]
