"""When policies hold: heat, signals, lost feeds, events and ebbing demand, second after second."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import pytest
from policy_fleet import bounds_of, fleet_of, signals_of

from power.model import Fleet
from power.policies.reader import from_json
from power.policies.resolve import Resolver
from power.policies.resolved import Holds, Memory, Resolved
from power.policies.standing import Standing

NAN = float("nan")
BASE = {"name": "cap", "owner": "ops", "reason": "test", "mode": "enforce"}
START = datetime(2026, 7, 1, 12, tzinfo=UTC).timestamp()


@dataclass
class Play:
    """One policy, resolved again and again while a clock goes on."""

    body: dict
    fleet: Fleet = field(default_factory=fleet_of)
    at: float = START
    monotonic: float = 0.0
    memory: Memory = field(default_factory=Memory)
    last: Resolved | None = None

    def __post_init__(self) -> None:
        self.resolver = Resolver()
        self.standing = [Standing(policy=from_json({**BASE, **self.body}))]

    def go(self, seconds: float, *, wall: float | None = None, **known) -> Resolved:
        self.monotonic += seconds
        self.at += seconds if wall is None else wall
        self.last = self.resolver.resolve(
            self.standing,
            self.fleet,
            signals_of(self.fleet, **known),
            self.at,
            monotonic=self.monotonic,
            bounds=bounds_of(self.fleet),
            memory=self.memory,
        )
        self.memory = self.last.memory
        return self.last

    def capped_nodes(self) -> list[int]:
        capped = np.isfinite(self.last.intent.gpu_cap_watts)
        return sorted({int(node) for node in self.fleet.gpu_node[capped]})

    def holds(self) -> bool:
        return self.last.in_force[0].state is Holds.YES


def hot(**more) -> Play:
    heat = {"above": 30, "release": 27, "after_seconds": 20, "hold_minutes": 5, **more}
    return Play({"ask": {"gpu_cap": {"percent": 70}}, "when": {"temperature": heat}})


def test_heat_must_last_before_it_counts_and_only_its_rack_is_capped():
    play = hot()
    play.go(1, inlet_celsius=[31.0, 22.0, 22.0, 22.0])
    assert play.capped_nodes() == []
    play.go(19, inlet_celsius=[31.0, 22.0, 22.0, 22.0])
    assert play.capped_nodes() == []
    play.go(1, inlet_celsius=[31.0, 22.0, 22.0, 22.0])
    assert play.capped_nodes() == [0, 1]
    assert play.last.in_force[0].why == "inlet over 30 °C at r1"


def test_one_odd_reading_is_no_heat():
    play = hot()
    for celsius in (31.0, 22.0, 31.0, 22.0):
        play.go(15, inlet_celsius=[celsius, 22.0, 22.0, 22.0])
        assert play.capped_nodes() == []


def test_heat_is_over_under_the_release_and_not_before_the_least_hold():
    play = hot(after_seconds=0)
    play.go(1, inlet_celsius=[31.0, 22.0, 22.0, 22.0])
    play.go(400, inlet_celsius=[28.0, 22.0, 22.0, 22.0])
    assert play.capped_nodes() == [0, 1]
    play.go(1, inlet_celsius=[26.0, 22.0, 22.0, 22.0])
    assert play.capped_nodes() == []
    play.go(1, inlet_celsius=[31.0, 22.0, 22.0, 22.0])
    play.go(299, inlet_celsius=[20.0, 22.0, 22.0, 22.0])
    assert play.capped_nodes() == [0, 1]
    play.go(1, inlet_celsius=[20.0, 22.0, 22.0, 22.0])
    assert play.capped_nodes() == []


def test_a_sensor_that_falls_silent_changes_nothing_and_is_told():
    play = hot(after_seconds=0)
    play.go(1, inlet_celsius=[31.0, NAN, 22.0, 22.0])
    play.go(4000, inlet_celsius=[NAN, NAN, NAN, NAN])
    assert play.capped_nodes() == [0, 1]
    assert play.last.notes == ("cap: no inlet temperature of r1, r2; there it stays as it was",)


@pytest.mark.parametrize(("per", "capped"), [("node", [1]), ("rack", [0, 1]), ("scope", [0, 1, 2, 3])])
def test_heat_counts_for_a_server_for_its_rack_or_for_all(per, capped):
    play = hot(after_seconds=0, per=per)
    play.go(1, inlet_celsius=[22.0, 35.0, 22.0, 22.0])
    assert play.capped_nodes() == capped


def test_exhaust_is_not_inlet():
    play = hot(after_seconds=0, sensor="exhaust")
    play.go(1, inlet_celsius=[40.0] * 4, exhaust_celsius=[20.0, 20.0, 50.0, 20.0])
    assert play.capped_nodes() == [2, 3]


def test_a_wall_clock_that_jumps_neither_shortens_a_hold_nor_starts_anything_and_freezes_raises_once():
    play = hot(after_seconds=0)
    play.go(1, inlet_celsius=[31.0, 22.0, 22.0, 22.0])
    found = play.go(1, wall=3601, inlet_celsius=[20.0, 22.0, 22.0, 22.0])
    assert play.capped_nodes() == [0, 1]
    assert found.freeze_raises
    assert not play.go(1, inlet_celsius=[20.0, 22.0, 22.0, 22.0]).freeze_raises
    assert play.go(1, wall=-3600, inlet_celsius=[20.0, 22.0, 22.0, 22.0]).freeze_raises
    assert not play.go(1, wall=2.9, inlet_celsius=[20.0, 22.0, 22.0, 22.0]).freeze_raises
    assert play.capped_nodes() == [0, 1]


def signal(**more) -> Play:
    return Play({"ask": {"gpu_cap": {"percent": 70}}, "when": {"signal": {"hold_minutes": 1, **more}}})


def test_a_high_price_caps_until_it_is_back_at_its_release():
    play = signal(name="price", above=0.30, release=0.20)
    for price, holds in ((0.29, False), (0.31, True), (0.25, True), (0.19, False)):
        play.go(61, numbers={"price": price})
        assert play.holds() is holds


def test_a_low_number_caps_too():
    play = signal(name="frequency", below=49.8, release=49.9)
    for hertz, holds in ((50.0, False), (49.7, True), (49.85, True), (49.95, False)):
        play.go(61, numbers={"frequency": hertz})
        assert play.holds() is holds


def test_a_number_that_nobody_tells_leaves_it_as_it_was():
    play = signal(name="carbon", above=400)
    play.go(1, numbers={})
    assert not play.holds()
    assert play.last.notes == ("cap: nobody tells carbon; it stays as it was",)
    play.go(1, numbers={"carbon": 500.0})
    play.go(3600, numbers={})
    assert play.holds()


def test_a_feed_is_lost_when_half_of_the_servers_of_a_rack_lost_half_of_their_supplies():
    play = Play({"ask": {"gpu_cap": {"percent": 60}}, "when": {"feed_lost": {"servers_percent": 60, "hold_minutes": 0}}})
    play.go(1, lost_ratio=[0.5, 0.0, 0.0, 0.0])
    assert play.capped_nodes() == []
    play.go(1, lost_ratio=[0.5, 0.5, 0.3, 0.3])
    assert play.capped_nodes() == [0, 1]
    play.go(1, lost_ratio=[NAN, 0.0, 1.0, NAN])
    assert play.capped_nodes() == [2, 3]


def test_demand_that_ebbs_caps_slowly_and_who_comes_back_gets_all_at_once():
    play = Play({"ask": {"gpu_cap": {"percent": 60}}, "when": {"demand": {"after_minutes": 10}}})
    idle, busy = [0.1] * 16, [0.6] * 16
    play.go(1, utilisation=idle)
    play.go(599, utilisation=idle)
    assert not play.holds()
    play.go(1, utilisation=idle)
    assert play.holds()
    play.go(1, utilisation=[0.3] * 16)
    assert play.holds()
    play.go(1, utilisation=busy)
    assert not play.holds()


def test_conditions_that_stand_together_must_all_be_met():
    span = {"start": "00:00", "end": "11:00"}
    play = Play(
        {
            "ask": {"gpu_cap": {"percent": 60}},
            "when": {"schedule": {"spans": [span]}, "signal": {"name": "price", "above": 0.3}},
        }
    )
    play.go(1, numbers={"price": 0.4})
    assert not play.holds()
    play.go(12 * 3600, numbers={"price": 0.4})
    assert play.holds()


def event(**more) -> Play:
    start = datetime.fromtimestamp(START + 1800, UTC).isoformat()
    asked = {"start": start, "minutes": 180, "notice_minutes": 10, **more}
    return Play({"ask": {"limit": {"percent": 75, "of": "baseline"}}, "when": {"event": asked}})


def test_a_demand_response_is_reached_a_minute_before_its_start_and_counted_from_before_the_notice():
    play = event()
    site = 0
    watts = [8_000.0] * 4
    # What is drawn after the notice (1200 s from here) does not change the baseline.
    while play.at < START + 1200:
        play.go(10, node_watts=watts)
        assert np.isinf(play.last.intent.limit_watts[site])
    while play.at < START + 1620:
        play.go(10, node_watts=[9_500.0] * 4)
    assert play.last.intent.limit_watts[site] == pytest.approx(32_000, rel=0.01)
    limits = []
    while play.at < START + 1740:
        play.go(10, node_watts=watts)
        limits.append(play.last.intent.limit_watts[site])
    assert limits == sorted(limits, reverse=True)
    assert limits[-1] == pytest.approx(24_000, rel=0.002)
    play.go(60 + 180 * 60 - 1, node_watts=[6_000.0] * 4)
    assert play.last.intent.limit_watts[site] == pytest.approx(24_000, rel=0.002)
    play.go(1, node_watts=[6_000.0] * 4)
    assert np.isinf(play.last.intent.limit_watts[site])
    assert play.last.in_force[0].state is Holds.ENDED


def test_an_event_that_came_without_notice_counts_from_what_is_drawn_when_it_begins():
    play = event(ramp_seconds=0)
    play.at += 1750
    play.go(1, node_watts=[8_000.0] * 4)
    assert play.last.intent.limit_watts[0] == pytest.approx(24_000)
    play.go(1, node_watts=[7_000.0] * 4)
    assert play.last.intent.limit_watts[0] == pytest.approx(24_000)


def test_a_baseline_by_contract_needs_no_measuring():
    play = event(baseline_watts=40_000, ramp_seconds=0)
    play.go(1795)
    assert play.last.intent.limit_watts[0] == pytest.approx(30_000)


def test_expiry_ends_a_policy_on_the_second_whatever_the_zone():
    play = Play({"ask": {"gpu_cap": {"percent": 60}}, "expires": "2026-07-02T00:00:00+02:00"})
    play.go(10 * 3600 - 1)
    assert play.holds()
    assert play.last.next_change == START + 10 * 3600
    play.go(1)
    assert play.last.in_force[0].state is Holds.ENDED
    assert play.capped_nodes() == []


@pytest.mark.parametrize("midnight", ["2028-02-29T00:00:00Z", "2026-10-25T00:00:00+02:00", "2026-03-29T00:00:00+01:00"])
def test_expiry_at_midnight_of_a_leap_day_and_of_days_on_which_clocks_change(midnight):
    play = Play({"ask": {"gpu_cap": {"percent": 60}}, "expires": midnight})
    play.at = datetime.fromisoformat(midnight).timestamp() - 1
    play.go(0)
    assert play.holds()
    play.go(1)
    assert not play.holds()


def energy(kwh: float, **more) -> Play:
    return Play({"ask": {"energy": {"kwh": kwh, **(more or {"per": "day"})}}})


def test_an_amount_of_energy_is_spread_over_what_remains_of_the_period():
    play = energy(480.0)
    play.at = datetime(2026, 7, 2, tzinfo=UTC).timestamp() - 1
    counter = 0.0
    play.go(0, energy_joules=[counter] * 4)
    play.go(1, energy_joules=[counter] * 4)
    assert play.last.intent.limit_watts[0] == pytest.approx(20_000)
    for _ in range(12 * 60):
        counter += 60 * 4_000.0
        play.go(60, energy_joules=[counter] * 4)
    # Half of the day at 16 kW leaves 288 kWh for the other half.
    assert play.last.intent.limit_watts[0] == pytest.approx(24_000, rel=1e-6)


def test_of_a_period_that_began_unseen_the_time_past_is_taken_to_have_used_its_share():
    play = energy(480.0)
    play.go(0)
    assert play.last.intent.limit_watts[0] == pytest.approx(20_000)


def test_a_counter_that_begins_anew_and_one_that_is_silent_count_as_power():
    play = energy(480.0)
    play.at = datetime(2026, 7, 2, tzinfo=UTC).timestamp()
    play.memory = Memory(at=play.at, monotonic=0.0, energy_joules=np.array([5e9, 5e9, 5e9, 5e9]))
    play.go(1, energy_joules=[0.0, NAN, 5e9 + 4_000, 5e9 + 4_000], node_watts=[4_000.0, 4_000.0, NAN, NAN])
    assert play.memory.used["cap"].joules == pytest.approx(16_000 + 480 * 3.6e6 / 86_400)


def test_energy_that_is_used_up_leaves_nothing():
    play = energy(1.0)
    play.at = datetime(2026, 7, 2, tzinfo=UTC).timestamp()
    play.go(0)
    play.go(3600, node_watts=[8_000.0] * 4)
    assert play.last.intent.limit_watts[0] == 0.0


@pytest.mark.parametrize(
    ("more", "begins", "seconds"),
    [
        ({"per": "week"}, datetime(2026, 6, 29, tzinfo=UTC), 7 * 86_400),
        ({"per": "month"}, datetime(2026, 7, 1, tzinfo=UTC), 31 * 86_400),
        ({"per": "month", "timezone": "Europe/Berlin"}, datetime(2026, 9, 30, 22, tzinfo=UTC), 31 * 86_400 + 3600),
        ({"first_date": "2026-08-01", "last_date": "2026-08-02"}, datetime(2026, 8, 1, tzinfo=UTC), 2 * 86_400),
    ],
)
def test_periods_are_whole_days_by_the_clock_on_the_wall(more, begins, seconds):
    play = energy(1000.0, **more)
    play.at = begins.timestamp()
    play.go(0)
    assert play.last.intent.limit_watts[0] == pytest.approx(3.6e9 / seconds)
    assert play.last.next_change == play.at + seconds


def test_energy_for_other_days_asks_nothing_now():
    play = energy(1000.0, first_date="2026-08-01", last_date="2026-08-02")
    play.go(1)
    assert play.last.in_force[0].state is Holds.WAITING
    assert np.isinf(play.last.intent.limit_watts[0])
