"""What cannot be held is refused with the watts that are missing and with who asks for it."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from policy_fleet import bounds_of, fleet_of, jobs_of, line

from power.model import Fleet
from power.policies import reader
from power.policies.check import check
from power.policies.feasible import Deficit, deficits
from power.policies.reader import loads
from power.policies.scope import Scope
from power.policies.signals import JobFacts
from power.policies.standing import Hold, Standing
from wattstat import document

HEAD = "owner: ops, reason: test, mode: enforce"
AT = 1_782_900_000.0
# Four GPUs at 350 W with 5 % loss, and the rest of the server.
LEAST = 2_000 + 1.05 * 4 * 350


def found(text: str, fleet: Fleet | None = None, **more) -> tuple[Deficit, ...]:
    hall = fleet or fleet_of()
    policies = [Standing(policy=policy) for policy in loads("policies:\n" + text)]
    return deficits(policies, hall, more.pop("bounds", bounds_of(hall)), at=AT, **more)


def test_a_limit_below_the_sum_of_minima_lacks_exactly_the_difference():
    text = f" - {{name: tight, {HEAD}, ask: {{limit: {{watts: 6000}}}}, scope: {{rack: r1}}}}"
    (lack,) = found(text)
    assert (lack.kind, lack.name, lack.policies, lack.servers) == ("rack", "r1", ("tight",), 2)
    assert lack.deficit_watts == pytest.approx(2 * LEAST - 6_000)


def test_a_limit_at_the_sum_of_minima_can_be_held():
    assert found(f" - {{name: just, {HEAD}, ask: {{limit: {{watts: {2 * LEAST:.6f}}}}}, scope: {{rack: r1}}}}") == ()


def test_what_takes_no_cap_is_charged_whole_and_told():
    limit, members = line("blue", "group", (0, 1), fixed_watts=1_500.0)
    (lack,) = found(
        f" - {{name: tight, {HEAD}, ask: {{limit: {{watts: 8000}}}}, scope: {{group: blue}}}}",
        fleet_of(more=((limit, members),)),
    )
    assert lack.deficit_watts == pytest.approx(2 * LEAST + 1_500 - 8_000)
    assert "1,500 W of it take no cap" in str(lack)


def test_everybody_who_asks_for_less_is_named_and_who_asks_for_enough_is_not():
    (lack,) = found(
        f"""
 - {{name: a, {HEAD}, ask: {{limit: {{watts: 6000}}}}, scope: {{rack: r1}}}}
 - {{name: b, {HEAD}, ask: {{limit: {{percent: 31}}}}, scope: {{rack: r1}}}}
 - {{name: c, {HEAD}, ask: {{limit: {{watts: 9000}}}}, scope: {{rack: r1}}}}
"""
    )
    assert (lack.policies, lack.limit_watts) == (("a", "b"), 6_000)


def test_a_limit_of_the_inventory_that_cannot_be_held_is_told_without_a_policy():
    (lack,) = found(" []", fleet_of(budget_watts=10_000.0))
    assert lack.policies == ()
    assert "the inventory allows 10,000 W" in str(lack)


def test_a_hold_that_keeps_gpus_from_their_floor_is_named():
    hold = Hold(id=3, scope=Scope(node=("n0",)), watts=600.0, owner="ann", reason="x", expires=AT + 9)
    text = f" - {{name: tight, {HEAD}, ask: {{limit: {{watts: 7000}}}}, scope: {{rack: r1}}}}"
    (lack,) = found(text, holds=[hold])
    assert lack.deficit_watts == pytest.approx(2 * LEAST + 4 * 1.05 * 250 - 7_000)
    assert lack.holds == ("hold 3 by ann",)


def test_a_server_whose_gpus_nobody_has_read_counts_at_its_nameplate():
    fleet = fleet_of()
    bounds = bounds_of(fleet)
    bounds.gpu_max_watts[:4] = bounds.gpu_min_watts[:4] = np.nan
    (lack,) = found(f" - {{name: tight, {HEAD}, ask: {{limit: {{watts: 9000}}}}, scope: {{rack: r1}}}}", fleet, bounds=bounds)
    assert lack.minimum_watts == pytest.approx(LEAST + 10_200)


def test_a_limit_on_a_job_lacks_what_its_gpus_need_together():
    jobs = jobs_of((JobFacts(scheduler="s", job_id="7"), [0, 1, 2]))
    (lack,) = found(f" - {{name: job, {HEAD}, ask: {{limit: {{watts: 900}}}}, scope: {{job: '7'}}}}", jobs=jobs)
    assert lack.deficit_watts == 3 * 350 - 900


def test_energy_and_shares_of_a_baseline_are_judged_as_the_watts_that_they_come_to():
    text = f" - {{name: kwh, {HEAD}, ask: {{energy: {{kwh: 240, per: day}}}}}}"
    (lack,) = found(text)
    assert lack.deficit_watts == pytest.approx(4 * LEAST - 10_000)
    event = "when: {event: {start: 2026-07-01T14:00:00Z, minutes: 60}}"
    text = f" - {{name: dr, {HEAD}, ask: {{limit: {{percent: 50, of: baseline}}}}, {event}}}"
    assert found(text) == ()
    (lack,) = found(text, node_watts=np.full(4, 4_000.0))
    assert lack.deficit_watts == pytest.approx(4 * LEAST - 8_000)


def test_the_words_say_where_how_much_what_was_expected_and_what_to_do():
    (lack,) = found(f" - {{name: tight, {HEAD}, ask: {{limit: {{watts: 6000}}}}, scope: {{rack: r1}}}}")
    assert str(lack) == (
        "rack r1: tight allows 6,000 W, and its 2 servers take at least 6,940 W: 940 W are missing; "
        "expected at least 6,940 W; allow more, or take servers away"
    )


def test_deficits_are_exactly_those_of_a_loop_that_adds_up_every_limit():
    random = Random(7)
    for _ in range(200):
        fleet = fleet_of(random.randint(1, 4), random.randint(1, 4), random.randint(1, 8))
        fixed = random.choice((0.0, 700.0))
        members = tuple(sorted(random.sample(range(len(fleet.nodes)), random.randint(1, len(fleet.nodes)))))
        hall = fleet_of(
            len(set(fleet.racks)),
            len(fleet.nodes) // len(set(fleet.racks)),
            len(fleet.gpus) // len(fleet.nodes),
            more=(line("blue", "group", members, fixed_watts=fixed),),
        )
        watts = random.uniform(500, 40_000)
        lacks = found(f" - {{name: x, {HEAD}, ask: {{limit: {{watts: {watts}}}}}, scope: {{group: blue}}}}", hall)
        per_node = len(hall.gpus) // len(hall.nodes)
        least = fixed + sum(min(10_200, 2_000 + 1.05 * 350 * per_node) for _ in members)
        mine = [lack for lack in lacks if lack.name == "blue"]
        assert bool(mine) == (least > watts)
        if mine:
            assert mine[0].deficit_watts == pytest.approx(least - watts)


def problems(text: str, **more) -> list[str]:
    fleet = fleet_of(more=(line("blue", "group", (0, 2)),))
    read = document.parse("policies:\n" + text, source="policies.yaml")
    return [str(each) for each in check(reader.loads("policies:\n" + text), fleet, bounds_of(fleet), document=read, **more)]


@pytest.mark.parametrize(
    ("rest", "words"),
    [
        (
            "ask: {gpu_cap: {watts: 400}}, scope: {rack: r3}",
            "there is no rack 'r3'; expected r1 or r2; add it to the inventory",
        ),
        ("ask: {gpu_cap: {watts: 400}}, scope: {group: bleu}", "there is no group 'bleu'; expected blue; did you mean blue?"),
        ("ask: {gpu_cap: {watts: 400}}, scope: {feed: A}", "expected a feed of the inventory, which has none"),
        (
            "ask: {gpu_cap: {watts: 400}}, scope: {gpu_model: A100}",
            "no GPU has 'A100' in its name; expected NVIDIA H100 80GB HBM3",
        ),
        ("ask: {gpu_cap: {watts: 300}}", "asks for 300 W of GPUs that no policy caps below 350 W; expected at least 350 W"),
        ("ask: {gpu_cap: {percent: 40}}", "asks for 280 W of GPUs"),
        ("ask: {node_cap: {watts: 4000}}", "take no cap below 5000 W; expected at least 5000 W; use a gpu_cap"),
    ],
)
def test_what_does_not_fit_the_hall_is_told_with_its_line_and_what_was_expected(rest, words):
    (told,) = problems(f" - {{name: cap, {HEAD}, {rest}}}")
    assert told.startswith("policies.yaml:2:")
    assert "policies[cap]." in told
    assert words in told


def test_what_fits_the_hall_has_no_problems():
    text = (
        f" - {{name: cap, {HEAD}, ask: {{gpu_cap: {{watts: 400}}}}, scope: {{rack: 'r[1-2]', group: blue, gpu_model: h100}}}}"
    )
    assert problems(text) == []


def test_a_policy_of_the_api_is_checked_without_lines():
    fleet = fleet_of()
    policy = loads(f"policies: [{{name: cap, {HEAD}, ask: {{gpu_cap: {{watts: 400}}}}, scope: {{row: '2'}}}}]")[0]
    (told,) = check([replace(Standing(policy=policy)).policy], fleet, bounds_of(fleet))
    assert str(told).startswith("cap: scope.row: there is no row '2'; expected 1")


def test_what_holds_by_night_only_must_be_held_by_night_and_what_is_over_by_nobody():
    tight = f"{HEAD}, ask: {{limit: {{watts: 6000}}}}, scope: {{rack: r1}}"
    assert len(found(f" - {{name: night, {tight}, when: {{schedule: {{spans: [{{start: '02:00', end: '03:00'}}]}}}}}}")) == 1
    assert found(f" - {{name: past, {tight}, expires: 2026-01-01T00:00:00Z}}") == ()
    assert found(f" - {{name: past, {tight}, when: {{event: {{start: 2026-01-01T00:00:00Z, minutes: 60}}}}}}") == ()
    assert found(f" - {{name: quiet, {tight.replace('enforce', 'observe')}}}") == ()
