"""What is wanted at one moment, from policies, holds and emergencies."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from policy_fleet import bounds_of, fleet_of, jobs_of, line, signals_of

from power.model import Intent
from power.policies.reader import loads
from power.policies.resolve import Resolver, resolve
from power.policies.resolved import Resolved
from power.policies.scope import Scope
from power.policies.signals import JobFacts
from power.policies.standing import Emergency, Hold, Standing

NOON = 1_782_900_000.0
HEAD = "owner: ops, reason: test, mode: enforce"


def standing(text: str) -> list[Standing]:
    return [Standing(policy=policy) for policy in loads("policies:\n" + text)]


def resolved(text: str, **more) -> Resolved:
    fleet = more.pop("fleet", None) or fleet_of()
    signals = more.pop("signals", None) or signals_of(fleet)
    bounds = more.pop("bounds", None) or bounds_of(fleet)
    return resolve(standing(text), fleet, signals, more.pop("at", NOON), bounds=bounds, **more)


def names(intent: Intent, column: str) -> list[str]:
    return [intent.names[row] if row >= 0 else "" for row in getattr(intent, column)]


def job(job_id: str, **more) -> JobFacts:
    return JobFacts(scheduler="slurm", job_id=job_id, **more)


def test_the_lowest_cap_wins_and_is_named():
    intent = resolved(
        f"""
 - {{name: site-cap, {HEAD}, ask: {{gpu_cap: {{watts: 600}}}}}}
 - {{name: rack-cap, {HEAD}, ask: {{gpu_cap: {{watts: 400}}}}, scope: {{rack: r1}}}}
"""
    ).intent
    assert intent.gpu_cap_watts.tolist() == [400.0] * 8 + [600.0] * 8
    assert names(intent, "gpu_cap_name") == ["rack-cap"] * 8 + ["site-cap"] * 8


def test_a_policy_that_only_observes_shows_what_it_would_do_and_asks_nothing():
    found = resolved(" - {name: quiet, owner: ops, reason: test, ask: {gpu_cap: {percent: 60}}}")
    assert not np.isfinite(found.intent.gpu_cap_watts).any()
    assert found.shadow.gpu_cap_watts.tolist() == [pytest.approx(420.0)] * 16
    assert [(each.counts, each.gpus, each.binds) for each in found.in_force] == [(False, 16, 16)]


def test_a_policy_that_is_not_enabled_asks_nothing_and_shows_what_it_would_do():
    policy = standing(f" - {{name: cap, {HEAD}, ask: {{gpu_cap: {{watts: 400}}}}}}")[0].policy
    fleet = fleet_of()
    off = Standing(policy=policy, enabled=False)
    found = resolve([off], fleet, signals_of(fleet), NOON, bounds=bounds_of(fleet))
    assert not np.isfinite(found.intent.gpu_cap_watts).any()
    assert (found.shadow.gpu_cap_watts == 400).all()


def test_no_policy_caps_below_half_of_the_highest_limit():
    intent = resolved(f" - {{name: low, {HEAD}, ask: {{gpu_cap: {{watts: 100}}}}}}").intent
    assert (intent.gpu_cap_watts == 350).all()
    assert (intent.floor_watts == 350).all()


def test_a_percentage_of_what_nobody_has_read_asks_nothing_and_says_so():
    fleet = fleet_of()
    bounds = bounds_of(fleet)
    bounds.gpu_default_watts[:4] = np.nan
    found = resolved(f" - {{name: cap, {HEAD}, ask: {{gpu_cap: {{percent: 60}}}}}}", bounds=bounds)
    assert np.isinf(found.intent.gpu_cap_watts[:4]).all()
    assert (found.intent.gpu_cap_watts[4:] == 420).all()
    assert found.notes == ("cap: the default limit of 4 GPUs is not known; nothing is asked of them",)


def test_limits_of_lines_of_the_tree_are_watts_or_shares_and_the_inventorys_budget_stands_without_a_policy():
    found = resolved(
        f"""
 - {{name: rack-share, {HEAD}, ask: {{limit: {{percent: 80}}}}, scope: {{rack: r1}}}}
 - {{name: rating, {HEAD}, ask: {{limit: {{percent: 50, of: rating, basis: guaranteed}}}}, scope: {{breaker: b2}}}}
 - {{name: whole, {HEAD}, ask: {{limit: {{watts: 30000}}}}}}
 - {{name: row-share, {HEAD}, ask: {{limit: {{percent: 80}}}}, scope: {{row: '1'}}}}
"""
    )
    intent = found.intent
    by_line = dict(zip(["site", "row", "r1", "r2", "b1", "b2"], intent.limit_watts.tolist(), strict=True))
    assert by_line == {"site": 30_000, "row": np.inf, "r1": 16_000, "r2": 20_000, "b1": np.inf, "b2": 17_250}
    assert names(intent, "limit_name") == ["whole", "", "rack-share", "", "", "rating"]
    assert intent.guaranteed.tolist() == [False, False, False, False, False, True]
    assert found.notes == ("row-share: the budget of 1 lines of the tree is not known; nothing is asked of them",)


def test_a_limit_on_a_job_is_an_equal_cap_for_each_of_its_gpus():
    jobs = jobs_of((job("7", partition="batch"), [0, 1, 2, 5]))
    intent = resolved(
        f" - {{name: job-cap, {HEAD}, ask: {{limit: {{watts: 2000}}}}, scope: {{job: '7'}}}}",
        signals=signals_of(fleet_of(), jobs=jobs),
    ).intent
    assert np.flatnonzero(np.isfinite(intent.gpu_cap_watts)).tolist() == [0, 1, 2, 5]
    assert intent.gpu_cap_watts[0] == 500


@pytest.mark.parametrize(
    ("scope", "gpus"),
    [
        ("{}", range(16)),
        ("{rack: r2}", range(8, 16)),
        ("{row: '1'}", range(16)),
        ("{breaker: b1}", range(8)),
        ("{group: blue}", [*range(4), *range(8, 12)]),
        ("{node: 'n[1-2]'}", range(4, 12)),
        ("{gpu: GPU-3-1}", [13]),
        ("{gpu_model: H100}", range(16)),
        ("{gpu_model: 'h100 80GB'}", range(16)),
        ("{gpu_model: H10}", []),
        ("{job: '7'}", [0, 1, 9]),
        ("{job: '7_2'}", [9]),
        ("{partition: batch}", [0, 1, 9]),
        ("{account: astro}", [4, 5]),
        ("{user: [ann, bob]}", [0, 1, 4, 5, 9]),
        ("{qos: urgent}", [4, 5]),
        ("{partition: batch, rack: r1}", [0, 1]),
        ("{rack: r1, group: blue}", range(4)),
        ("{rack: nowhere}", []),
    ],
)
def test_a_scope_is_all_that_fits_every_member(scope, gpus):
    fleet = fleet_of(more=(line("blue", "group", (0, 2)),))
    jobs = jobs_of(
        (job("7_1", user="ann", partition="batch"), [0, 1]),
        (job("8", user="bob", account="astro", partition="debug", qos="urgent"), [4, 5]),
        (job("7_2", user="ann", partition="batch"), [9]),
    )
    intent = resolved(
        f" - {{name: cap, {HEAD}, ask: {{gpu_cap: {{watts: 400}}}}, scope: {scope}}}",
        fleet=fleet,
        signals=signals_of(fleet, jobs=jobs),
    ).intent
    assert np.flatnonzero(np.isfinite(intent.gpu_cap_watts)).tolist() == list(gpus)


def test_an_l4_is_no_l40():
    text = f" - {{name: cap, {HEAD}, ask: {{gpu_cap: {{percent: 60}}}}, scope: {{gpu_model: L4}}}}"
    assert resolved(text, fleet=fleet_of(model="NVIDIA L40")).in_force[0].gpus == 0
    assert resolved(text, fleet=fleet_of(model="NVIDIA L4")).in_force[0].gpus == 16


def test_priorities_are_in_the_middle_and_the_word_nearest_to_the_job_counts():
    jobs = jobs_of((job("1", partition="batch", qos="urgent"), [0]), (job("2", partition="batch"), [1]), (job("3"), [2]))
    intent = resolved(
        f"""
 - {{name: a, {HEAD}, ask: {{priority: {{value: 40}}}}, scope: {{rack: r1}}}}
 - {{name: b, {HEAD}, ask: {{priority: {{by: partition, values: {{batch: 20}}}}}}}}
 - {{name: c, {HEAD}, ask: {{priority: {{by: qos, values: {{urgent: 90}}}}}}}}
 - {{name: d, {HEAD}, ask: {{priority: {{value: 30}}}}, scope: {{rack: r1}}}}
""",
        signals=signals_of(fleet_of(), jobs=jobs),
    ).intent
    assert intent.priority[:4].tolist() == [90, 20, 30, 30]
    assert (intent.priority[8:] == 50).all()


def test_gpus_of_a_job_are_a_group_unless_a_policy_says_otherwise_or_somebody_shares_them():
    jobs = jobs_of(
        (job("1"), [0, 1]), (job("2"), [2]), (job("3", partition="serve"), [4, 5]), (job("4"), [6, 7]), (job("5"), [7])
    )
    intent = resolved(
        f" - {{name: free, {HEAD}, ask: {{jobs: {{equal: false}}}}, scope: {{partition: serve}}}}",
        signals=signals_of(fleet_of(), jobs=jobs),
    ).intent
    assert intent.group[:8].tolist() == [0, 0, -1, -1, -1, -1, 3, -1]


def test_checkpoints_keep_caps_by_pattern_and_by_announcement():
    jobs = jobs_of(
        (job("1", started=NOON - 3600), [0, 1]), (job("2", started=NOON - 3500), [2]), (job("3"), [3]), (job("4"), [4])
    )
    text = f" - {{name: ck, {HEAD}, ask: {{jobs: {{checkpoints: {{every_minutes: 30, for_seconds: 60}}}}}}}}"
    signals = signals_of(fleet_of(), jobs=jobs, checkpoints={("slurm", "4"): NOON + 30.0})
    assert np.flatnonzero(resolved(text, signals=signals).intent.keep).tolist() == [0, 1, 4]
    assert np.flatnonzero(resolved(text, signals=signals, at=NOON + 30).intent.keep).tolist() == [0, 1]
    assert np.flatnonzero(resolved(text, signals=signals, at=NOON + 60).intent.keep).tolist() == []
    assert np.flatnonzero(resolved(text, signals=signals, at=NOON + 100).intent.keep).tolist() == [2]


def test_the_lowest_clock_and_the_lowest_node_cap_win():
    intent = resolved(
        f"""
 - {{name: a, {HEAD}, ask: {{gpu_clock: {{mhz: 1400}}}}}}
 - {{name: b, {HEAD}, ask: {{gpu_clock: {{mhz: 1200}}}}, scope: {{rack: r1}}}}
 - {{name: c, {HEAD}, ask: {{node_cap: {{percent: 80}}}}}}
 - {{name: d, {HEAD}, ask: {{node_cap: {{watts: 6000}}}}, scope: {{node: n0}}}}
"""
    ).intent
    assert intent.clock_mhz.tolist() == [1200.0] * 8 + [1400.0] * 8
    assert intent.node_cap_watts.tolist() == [6000.0, 8160.0, 8160.0, 8160.0]
    assert names(intent, "node_cap_name") == ["d", "c", "c", "c"]


def hold(number: int, watts: float, **more) -> Hold:
    scope = more.pop("scope", Scope(node=("n0",)))
    return Hold(id=number, scope=scope, watts=watts, owner="ann", reason="test", expires=more.pop("expires", NOON + 60), **more)


def test_a_hold_goes_over_policies_the_lowest_of_two_counts_and_it_ends():
    text = f" - {{name: cap, {HEAD}, ask: {{gpu_cap: {{watts: 400}}}}}}"
    holds = [hold(2, 500.0), hold(1, 600.0), hold(3, 300.0, expires=NOON)]
    intent = resolved(text, holds=holds).intent
    assert intent.pinned_watts[:4].tolist() == intent.gpu_cap_watts[:4].tolist() == [500.0] * 4
    assert np.isnan(intent.pinned_watts[4:]).all()
    assert names(intent, "gpu_cap_name")[:5] == ["hold 2 by ann"] * 4 + ["cap"]


def test_a_server_may_be_held_as_a_whole():
    intent = resolve([], fleet_of(), signals_of(fleet_of()), NOON, holds=[hold(1, 7000.0, of="node")]).intent
    assert intent.node_cap_watts[0] == 7000.0
    assert np.isnan(intent.pinned_watts).all()


def test_an_emergency_goes_over_everything_to_the_lowest_limits():
    emergency = Emergency(id=4, scope=Scope(rack=("r1",)), owner="bob", reason="smoke", since=NOON)
    found = resolved(
        f" - {{name: cap, {HEAD}, ask: {{gpu_cap: {{watts: 400}}}}}}", holds=[hold(1, 600.0)], emergencies=[emergency]
    )
    intent = found.intent
    assert intent.urgent.tolist() == [True, True, False, False]
    assert intent.gpu_cap_watts.tolist() == [200.0] * 8 + [400.0] * 8
    assert intent.floor_watts.tolist() == [200.0] * 8 + [350.0] * 8
    assert np.isnan(intent.pinned_watts).all()
    assert names(intent, "gpu_cap_name")[7:9] == ["emergency 4 by bob", "cap"]


def test_a_policy_may_be_an_emergency():
    text = f" - {{name: fire, {HEAD}, ask: {{emergency: {{}}}}, when: {{signal: {{name: fire, above: 0.5}}}}}}"
    calm = resolved(text, signals=signals_of(fleet_of(), numbers={"fire": 0.0})).intent
    burns = resolved(text, signals=signals_of(fleet_of(), numbers={"fire": 1.0}))
    assert not calm.urgent.any()
    assert burns.intent.urgent.all()
    assert (burns.intent.gpu_cap_watts == 200).all()
    assert burns.in_force[0].binds == 16


def test_the_order_in_which_policies_come_changes_nothing():
    text = "".join(
        f" - {{name: p{number}, {HEAD}, ask: {{gpu_cap: {{watts: {400 + number % 3}}}}}, scope: {{rack: r{number % 2 + 1}}}}}\n"
        for number in range(12)
    )
    policies, fleet, random = standing(text), fleet_of(), Random(1)
    first = resolve(policies, fleet, signals_of(fleet), NOON, bounds=bounds_of(fleet)).intent
    for _ in range(10):
        random.shuffle(policies)
        again = resolve(policies, fleet, signals_of(fleet), NOON, bounds=bounds_of(fleet)).intent
        assert names(again, "gpu_cap_name") == names(first, "gpu_cap_name")
        assert np.array_equal(again.gpu_cap_watts, first.gpu_cap_watts)


def test_what_did_not_change_is_the_same_column_and_nobody_may_write_it():
    fleet, resolver = fleet_of(), Resolver()
    policies = standing(f" - {{name: cap, {HEAD}, ask: {{gpu_cap: {{percent: 60}}}}}}")
    first = resolver.resolve(policies, fleet, signals_of(fleet), NOON, bounds=bounds_of(fleet)).intent
    second = resolver.resolve(policies, fleet, signals_of(fleet), NOON + 1, bounds=bounds_of(fleet)).intent
    assert second.gpu_cap_watts is first.gpu_cap_watts
    with pytest.raises(ValueError, match="read-only"):
        first.gpu_cap_watts[0] = 1.0
    bounds = bounds_of(fleet)
    bounds.gpu_default_watts[0] = 500.0
    third = resolver.resolve(policies, fleet, signals_of(fleet), NOON + 2, bounds=bounds).intent
    assert third.gpu_cap_watts.tolist() == [350.0] + [420.0] * 15


def test_notes_of_columns_that_were_kept_are_told_again():
    fleet, resolver = fleet_of(), Resolver()
    policies = standing(f" - {{name: cap, {HEAD}, ask: {{gpu_cap: {{percent: 60}}}}}}")
    told = [resolver.resolve(policies, fleet, signals_of(fleet), NOON + second).notes for second in range(3)]
    assert told == [("cap: the default limit of 16 GPUs is not known; nothing is asked of them",)] * 3


def test_a_kept_resolver_gives_what_a_fresh_one_gives_whatever_changed_between():
    random, fleet, resolver = Random(3), fleet_of(), Resolver()
    for second in range(60):
        text = "".join(
            f" - {{name: p{number}, {HEAD}, ask: {{gpu_cap: {{watts: {random.choice((400, 500, 600))}}}}}, "
            f"scope: {{{random.choice(('rack: r1', 'partition: batch', 'node: n3', 'gpu_model: H100'))}}}}}\n"
            for number in range(random.randint(1, 4))
        )
        rows = random.sample(range(16), 4)
        inputs = {
            "signals": signals_of(fleet, jobs=jobs_of((job("1", partition=random.choice(("batch", "debug"))), rows))),
            "at": NOON + second,
            "bounds": bounds_of(fleet),
            "holds": [hold(1, 450.0, expires=NOON + 30)],
        }
        kept = resolver.resolve(standing(text), fleet, **inputs).intent
        fresh = resolve(standing(text), fleet, **inputs).intent
        for column in Intent.__slots__:
            assert np.array_equal(getattr(kept, column), getattr(fresh, column), equal_nan=column.endswith(("watts", "mhz")))


def test_a_policy_for_nothing_is_told_and_one_for_a_job_that_ended_is_not():
    text = f"""
 - {{name: lost, {HEAD}, ask: {{gpu_cap: {{watts: 400}}}}, scope: {{rack: r9}}}}
 - {{name: gone, {HEAD}, ask: {{gpu_cap: {{watts: 400}}}}, scope: {{job: '7'}}}}
"""
    assert resolved(text).notes == ("lost: there is nothing in rack r9",)
