"""Clocks and schedules: a hall whose clock jumps, and random overlapping schedules against brute force.

The brute force looks at the clock on the wall minute by minute; it shares nothing with `power.policies.schedule`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np

from power.model import Bools, Mode
from power.policies.ask import Ask, GpuCapAsk
from power.policies.model import Policy
from power.policies.resolve import Resolver
from power.policies.signals import Signals
from power.policies.standing import Bounds, Standing
from power.policies.when import Schedule, Span, When
from power.scenarios.crew import Crew
from power.scenarios.faults import Faults
from power.scenarios.fleet import fleet_of
from power.scenarios.hall import layout
from power.scenarios.plant import Plant
from power.scenarios.scenario import Fault, Hall, Load, Scenario

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC")
AROUND = ("2026-03-08", "2026-03-29", "2026-04-05", "2026-07-01", "2026-10-04", "2026-10-25", "2026-11-01", "2028-02-29")
"""Days on which clocks change in one of the zones, and on which nothing does."""
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
TIMES = ("00:00", "00:30", "01:00", "01:45", "02:00", "02:15", "02:30", "03:00", "06:00", "12:00", "18:00", "22:00", "23:59")
INSTANTS = 50
"""Moments at which one set of policies is asked."""
CAPS = (350, 400, 450, 500, 550, 600, 650)
FREE_WATTS = 700.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What came of it."""

    disagreements: int
    edges_seconds: float
    jump_writes: int


def run(cases: int, seed: int) -> Found:
    """Both parts."""
    edges, writes = _jumping_hall(seed)
    return Found(disagreements=_overlaps(cases, seed), edges_seconds=edges, jump_writes=writes)


def _jumping_hall(seed: int) -> tuple[float, int]:
    """A cap from 14:20 to 14:25 in a hall that begins at 14:13:20 and whose clock jumps before, between and after."""
    span = Schedule(timezone="UTC", spans=(Span(start="14:20", end="14:25"),))
    cap = Policy(
        name="night",
        owner="rehearsal",
        reason="schedule",
        mode=Mode.ENFORCE,
        ask=Ask(gpu_cap=GpuCapAsk(watts=450)),
        when=When(schedule=span),
    )
    jumps = ((100.0, 3600.0), (200.0, -3600.0), (260.0, 1.0), (480.0, -1.0), (800.0, -60.0), (820.0, 7200.0))
    scenario = Scenario(
        name="clock",
        title="clock",
        hall=Hall(rows=1, racks_per_row=2, nodes_per_rack=2, gpus_per_node=2),
        load=Load(nodes_per_job=2, job_seconds=(36000, 36000), checkpoint_every_seconds=(36000, 36000)),
        faults=tuple(Fault(kind="wall_jump", at=(at, at), amount=seconds) for at, seconds in jumps),
        policies=(cap,),
        duration_seconds=1000,
    )
    plant = Plant(scenario, seed)
    faults = Faults(plant)
    crew = Crew(plant, faults)
    worst, writes, since = 0.0, 0, None
    while plant.now < scenario.duration_seconds:
        faults.advance(plant.now)
        plant.step(1.0)
        seen = plant.seen()
        sent = plant.devices.counts.sent
        crew.act(seen, plant.devices)
        shown = datetime.fromtimestamp(seen.wall, UTC)
        should = (14, 20) <= (shown.hour, shown.minute) < (14, 25)
        leader = crew.leader
        is_capped = leader is not None and bool(np.isfinite(leader.intent.gpu_cap_watts).all())
        since = None if should == is_capped else plant.now if since is None else since
        worst = max(worst, 0.0 if since is None else plant.now - since + 1)
        if any(plant.now - 1 <= at < plant.now for at, _ in jumps):
            writes += plant.devices.counts.sent - sent
    return worst, writes


def _overlaps(cases: int, seed: int) -> int:
    """Random sets of caps with schedules: the lowest that holds must win, at every moment."""
    rng = np.random.default_rng(seed)
    hall = layout(Scenario(name="one", title="one", hall=Hall(rows=1, racks_per_row=1, nodes_per_rack=1, gpus_per_node=1)))
    fleet = fleet_of(hall, np.ones(1, bool))
    one, none = np.array([FREE_WATTS]), np.array([np.nan])
    bounds = Bounds(
        gpu_min_watts=np.array([200.0]),
        gpu_max_watts=one,
        gpu_default_watts=one,
        node_cap_min_watts=none,
        node_cap_max_watts=none,
    )
    signals, wrong = Signals.nothing(1, 1), 0
    for _ in range(max(cases // INSTANTS, 1)):
        day = datetime.fromisoformat(str(rng.choice(AROUND)))
        drawn = [_random_policy(rng, number, day) for number in range(int(rng.integers(1, 5)))]
        minutes = np.sort(rng.integers(0, 3 * 24 * 60, INSTANTS))
        truth = np.full(INSTANTS, np.inf)
        for policy, zone in drawn:
            holds = _by_brute_force(policy, zone, day)[minutes]
            asked = policy.ask.gpu_cap
            truth = np.where(holds, np.minimum(truth, (asked and asked.watts) or np.inf), truth)
        resolver = Resolver()
        standing = [Standing(policy=policy) for policy, _ in drawn]
        first = (day - timedelta(days=1)).replace(tzinfo=UTC).timestamp()
        for minute, wanted in zip(minutes.tolist(), truth.tolist(), strict=True):
            found = resolver.resolve(standing, fleet, signals, first + 60 * minute, bounds=bounds, mode=Mode.ENFORCE)
            wrong += float(found.intent.gpu_cap_watts[0]) != wanted
    return wrong


def _random_policy(rng: np.random.Generator, number: int, day: datetime) -> tuple[Policy, str]:
    zone = str(rng.choice(ZONES))
    spans = []
    for _ in range(int(rng.integers(1, 3))):
        start, end = rng.choice(TIMES, 2, replace=False)
        days = tuple(str(each) for each in rng.choice(DAYS, int(rng.integers(0, 4)), replace=False))
        spans.append(Span(start=str(start), end=str(end), days=days))
    policy = Policy(
        name=f"p{number}",
        owner="rehearsal",
        reason=f"around {day:%Y-%m-%d}",
        mode=Mode.ENFORCE,
        ask=Ask(gpu_cap=GpuCapAsk(watts=float(rng.choice(CAPS)))),
        when=When(schedule=Schedule(timezone=zone, spans=tuple(spans))),
    )
    return policy, zone


@cache
def _walls(zone: str, first: float) -> np.ndarray:
    """What the clock shows in every minute of nine days."""
    place = ZoneInfo(zone)
    shown = [datetime.fromtimestamp(first + 60 * minute, place).replace(tzinfo=None) for minute in range(9 * 24 * 60)]
    return np.array(shown, dtype="datetime64[m]")


def _by_brute_force(policy: Policy, zone: str, day: datetime) -> Bools:
    """In which minutes of the three days round `day` (UTC) one of the spans holds."""
    begin = (day - timedelta(days=4)).replace(tzinfo=UTC).timestamp()
    walls = _walls(zone, begin)
    holds = np.zeros(len(walls), bool)
    schedule = policy.when.schedule
    for span in schedule.spans if schedule is not None else ():
        for offset in range(-4, 5):
            date = (day + timedelta(days=offset)).date()
            if span.days and DAYS[date.weekday()] not in span.days:
                continue
            midnight = np.datetime64(date, "m")
            start, end = midnight + _minutes(span.start), midnight + _minutes(span.end)
            if end <= start:
                end += 24 * 60
            from_ = int(np.argmax(walls >= start)) if (walls >= start).any() else len(walls)
            shows_less = np.flatnonzero(walls < end)
            until = int(shows_less[-1]) + 1 if len(shows_less) else 0
            holds[from_:until] = True
    return holds[3 * 24 * 60 : 6 * 24 * 60]


def _minutes(clock: str) -> int:
    hours, _, minutes = clock.partition(":")
    return int(hours) * 60 + int(minutes)
