"""Policies that people know, the examples of the documents, and what scripts post."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from policy_fleet import bounds_of, fleet_of, jobs_of, line, signals_of

from power.model import Mode
from power.policies.check import check
from power.policies.database import address, open_engine
from power.policies.efficiency import Seen, most_efficient
from power.policies.posted import Posted
from power.policies.predefined import PREDEFINED
from power.policies.reader import load, loads
from power.policies.records import Refused
from power.policies.remembering import Remembering
from power.policies.resolve import Resolver, resolve
from power.policies.resolved import Holds, Memory
from power.policies.scope import Scope
from power.policies.signals import JobFacts
from power.policies.standing import Standing
from wattstat.document import InvalidDocument

NOW = 1_782_900_000.0
ROOT = Path(__file__).parents[3]
NEEDED = {"static-cap": {"watts": 250_000}, "demand-response": {"start": "2026-07-01T14:00:00Z"}}


def hall():
    """Racks r01 and r02."""
    fleet = fleet_of(more=(line("r01", "rack", (0, 1), budget_watts=20_000.0), line("r02", "rack", (2, 3))))
    return type(fleet)(**{name: getattr(fleet, name) for name in fleet.__slots__} | {"racks": ("r01", "r01", "r02", "r02")})


def test_there_are_the_eight_that_people_know():
    assert sorted(PREDEFINED) == [
        "demand-response",
        "emergency",
        "feed-lost",
        "hot-inlet",
        "maximum-efficiency",
        "night-cap",
        "static-cap",
        "throttle-back",
    ]


@pytest.mark.parametrize("name", PREDEFINED)
def test_each_makes_a_policy_that_observes_until_somebody_wants_more(name):
    fleet = fleet_of()
    made = PREDEFINED[name].policy(owner="ops", **NEEDED.get(name, {}))
    assert (made.name, made.mode, made.owner) == (name, Mode.OBSERVE, "ops")
    assert check([made], fleet, bounds_of(fleet)) == []
    assert resolve([Standing(policy=made)], fleet, signals_of(fleet), NOW, bounds=bounds_of(fleet)).in_force[0].state in Holds


@pytest.mark.parametrize(
    ("name", "known", "caps"),
    [
        ("hot-inlet", {"inlet_celsius": [31.0, 20.0, 20.0, 20.0]}, [490.0] * 8 + [np.inf] * 8),
        ("feed-lost", {"lost_ratio": [0.5, 0.0, 0.0, 0.0]}, [420.0] * 8 + [np.inf] * 8),
        ("emergency", {"numbers": {"emergency": 1.0}}, [200.0] * 16),
        ("throttle-back", {"utilisation": [0.1] * 16}, [420.0] * 16),
        ("maximum-efficiency", {}, [420.0] * 16),
    ],
)
def test_what_they_ask_when_their_time_has_come(name, known, caps):
    fleet, memory, resolver = fleet_of(), Memory(), Resolver()
    standing = [Standing(policy=PREDEFINED[name].policy(owner="ops", mode="enforce"))]
    for second in (0, 1000):
        found = resolver.resolve(
            standing,
            fleet,
            signals_of(fleet, **known),
            NOW + second,
            monotonic=float(second),
            bounds=bounds_of(fleet),
            memory=memory,
        )
        memory = found.memory
    assert found.intent.gpu_cap_watts.tolist() == pytest.approx(caps)


def test_the_demand_response_asks_for_a_quarter_less_and_the_night_cap_is_for_nights():
    made = PREDEFINED["demand-response"].policy(owner="ops", start="2026-07-01T14:00:00Z")
    assert (made.ask.limit.percent, made.ask.limit.of, made.when.event.minutes) == (75, "baseline", 180)
    night = PREDEFINED["night-cap"].policy(owner="ops", percent=65, days=["sat"], scope={"rack": "r1"}, name="weekend")
    assert (night.name, night.ask.gpu_cap.percent, night.when.schedule.spans[0].days) == ("weekend", 65, ("sat",))
    assert night.scope == Scope(rack=("r1",))


def test_a_parameter_that_is_missing_or_strange_is_named():
    with pytest.raises(ValueError, match="watts: is missing; expected watts for all of the scope"):
        PREDEFINED["static-cap"].policy(owner="ops")
    with pytest.raises(ValueError, match=r"degrees: hot-inlet has no such parameter; expected celsius, hysteresis, percent"):
        PREDEFINED["hot-inlet"].policy(owner="ops", degrees=3)
    with pytest.raises(InvalidDocument, match=r"night-cap: ask.gpu_cap.percent: is 130; expected at most 100"):
        PREDEFINED["night-cap"].policy(owner="ops", percent=130)


def test_the_best_cap_is_that_of_the_sites_own_history():
    seen = [
        Seen(share=share, energy=energy, speed=speed)
        for share, energy, speed in ((1, 1, 1), (0.8, 0.8, 0.97), (0.6, 0.85, 0.8))
    ]
    best = most_efficient("H100", lambda model: seen if model == "H100" else [])
    assert (best.share, best.energy[0], best.speed[0]) == (0.8, 0.8, 0.97)
    assert "what this site has seen under 3 caps" in str(best)
    assert most_efficient("H100", lambda _: seen, slowest=0.98).share == 1
    assert most_efficient("H100", lambda _: seen[:2]).share == most_efficient("H100").share  # two caps are no history


def test_without_a_history_the_published_curve_counts_with_its_uncertainty():
    best = most_efficient("H100")
    assert 0.55 <= best.share <= 0.7
    assert best.energy[1] < best.energy[0] < best.energy[2]
    assert best.speed[1] < best.speed[0] < best.speed[2]
    assert "Zeus" in str(best)


def test_what_makes_no_sense_in_a_history_is_left_out():
    seen = [
        Seen(share=0.3, energy=0.1, speed=1),
        Seen(share=0.7, energy=-1, speed=1),
        Seen(share=0.8, energy=float("nan"), speed=1),
    ]
    assert "Zeus" in str(most_efficient("H100", lambda _: seen))


EXAMPLES = re.findall(r"```yaml\n(.+?)\n```", (ROOT / "docs/policies.md").read_text(), re.DOTALL)


@pytest.mark.parametrize("number", range(len(EXAMPLES) + 1))
def test_the_examples_of_the_documents_load_fit_a_hall_and_hold_when_they_should(number):
    policies = loads(EXAMPLES[number]) if number < len(EXAMPLES) else load(ROOT / "docs/examples/policies.yaml")
    assert policies
    fleet = hall()
    assert check(policies, fleet, bounds_of(fleet)) == []
    jobs = jobs_of((JobFacts(scheduler="slurm", job_id="1", partition="train", qos="urgent", started=NOW - 1800), [0, 1]))
    night = datetime.fromisoformat("2026-07-01T23:30:00+02:00").timestamp()
    found = resolve(
        [Standing(policy=policy) for policy in policies],
        fleet,
        signals_of(fleet, jobs=jobs, numbers={"price": 0.2, "fire": 0.0}),
        night,
        bounds=bounds_of(fleet),
    )
    state = {each.name: each.state for each in found.in_force}
    assert state.get("night-cap", Holds.YES) is Holds.YES
    assert state.get("building-alarm", Holds.WAITING) is Holds.WAITING
    assert state.get("grid-event", Holds.ENDED) is Holds.ENDED  # it was at 14:00
    assert all(name in {"hot-inlet", "feed-lost"} for name in {note.partition(":")[0] for note in found.notes})


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


def test_a_number_that_was_posted_counts_for_its_time():
    clock = Clock()
    posted = Posted(clock)
    posted.post("grid-stress", 0.7, seconds=60)
    posted.post("fire", 0.0)
    assert posted.numbers(NOW + 59) == {"grid-stress": 0.7, "fire": 0.0}
    assert posted.numbers(NOW + 60) == {"fire": 0.0}


@pytest.mark.parametrize(
    ("name", "value", "seconds", "words"),
    [
        ("Grid Stress", 1.0, 60, "is no name of a signal; expected small letters"),
        ("grid", float("nan"), 60, "is no number; expected a finite one"),
        ("grid", 1.0, 0, "counts for 0 s; expected more than 0"),
    ],
)
def test_a_number_that_makes_no_sense_is_refused(name, value, seconds, words):
    with pytest.raises(Refused, match=words):
        Posted(Clock()).post(name, value, seconds=seconds)


def test_more_numbers_than_anybody_needs_are_refused():
    posted = Posted(Clock())
    for number in range(1000):
        posted.post(f"n{number}", 1.0)
    posted.post("n7", 2.0)
    with pytest.raises(Refused, match="1000 signals are posted already"):
        posted.post("one-more", 1.0)


def test_a_job_announces_its_checkpoint_and_then_leaves_as_much_time_for_cuts():
    clock = Clock()
    posted = Posted(clock)
    assert posted.checkpoint("slurm", "7", 100) == NOW + 100
    clock.now += 50
    assert posted.checkpoint("slurm", "7", 100) == NOW + 150  # it takes longer
    assert posted.announced(clock.now) == {("slurm", "7"): NOW + 150}
    clock.now = NOW + 150
    assert posted.announced(clock.now) == {}
    with pytest.raises(Refused, match="expected a pause of 150 s; announce the next one in 150 s"):
        posted.checkpoint("slurm", "7", 100)
    posted.checkpoint("slurm", "8", 100)
    clock.now = NOW + 300
    assert posted.checkpoint("slurm", "7", 100) == NOW + 400


def test_nobody_writes_one_checkpoint_for_ever():
    clock = Clock()
    posted = Posted(clock)
    for _ in range(10):
        until = posted.checkpoint("slurm", "7", 900)
        clock.now += 80
    assert until == NOW + 900
    with pytest.raises(Refused, match="expected more than 0 and at most 900 s"):
        posted.checkpoint("slurm", "9", 901)


HEAT = """policies: [{name: heat, owner: ops, reason: test, mode: enforce, ask: {gpu_cap: {watts: 400}},
  when: {temperature: {above: 30, after_seconds: 0}}},
 {name: kwh, owner: ops, reason: test, ask: {energy: {kwh: 480, per: day}}},
 {name: dr, owner: ops, reason: test, ask: {limit: {percent: 75, of: baseline}},
  when: {event: {start: 2026-07-01T10:05:00Z, minutes: 60, notice_minutes: 1}}}]"""


def test_what_is_remembered_goes_on_in_another_process(tmp_path):
    fleet, clock = fleet_of(), Clock()
    standing = [Standing(policy=policy) for policy in loads(HEAT)]
    engine = open_engine(address(None, tmp_path))
    remembering = Remembering(engine, clock)
    memory = remembering.recall()

    def step(celsius: float) -> Memory:
        known = {"inlet_celsius": [celsius] * 4, "node_watts": [8_000.0] * 4}
        return resolve(standing, fleet, signals_of(fleet, **known), clock.now, bounds=bounds_of(fleet), memory=memory).memory

    written = []
    for celsius in (20.0, 20.0, 31.0, 31.0, 31.0):
        memory = step(celsius)
        written.append(remembering.keep(memory))
        clock.now += 10
    # The first, and when the heat began; the rest within the minute may be lost.
    assert written == [True, False, True, False, False]
    clock.now += 60
    memory = step(31.0)
    assert remembering.keep(memory)
    again = Remembering(engine, clock).recall()
    assert again.used["kwh"] == memory.used["kwh"]
    assert again.baselines == {key: value for key, value in memory.baselines.items() if value.seconds}
    assert again.triggers["heat", "temperature"].on.tolist() == [True, True]
    # Between threshold and release it goes on as before, and its least hold counts on.
    clock.now += 100
    after = resolve(
        standing, fleet, signals_of(fleet, inlet_celsius=[28.0] * 4), clock.now, bounds=bounds_of(fleet), memory=again
    )
    assert (after.intent.gpu_cap_watts == 400).all()
    engine.dispose()
