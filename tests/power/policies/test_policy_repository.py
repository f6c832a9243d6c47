"""Versions, states and second persons; holds and emergencies; and that nothing is lost when the process is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest
import sqlalchemy as sa

from power.policies.database import StoreError, address, open_engine
from power.policies.model import Policy
from power.policies.reader import from_json
from power.policies.records import Conflict, NeedsSecond, State, Unknown
from power.policies.repository import Repository
from power.policies.scope import Scope
from tests.support import postgresql

NOW = 1_782_900_000.0
ROOT = Path(__file__).parents[3]


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


def policy(watts: float = 400.0, **more) -> Policy:
    body = {"name": "cap", "owner": "ops", "reason": "test", "mode": "enforce", "ask": {"gpu_cap": {"watts": watts}}}
    return from_json(body | more)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path, clock) -> Iterator[Repository]:
    with opened(None, tmp_path, clock) as repository:
        yield repository


@contextmanager
def opened(url: str | None, folder: Path, clock: Clock) -> Iterator[Repository]:
    engine = open_engine(address(url, folder))
    yield Repository(engine, clock)
    engine.dispose()


def test_a_policy_that_lowers_needs_no_second_person(store):
    assert store.save(policy(), "ann").state is State.APPROVED
    assert store.enable("cap", "ann").state is State.ENABLED
    stored = store.save(policy(380.0), "ann")
    assert (stored.effective.version, stored.draft) == (2, None)
    assert [each.policy.ask.gpu_cap.watts for each in store.standing()] == [380.0]


RAISING = {
    "more watts": ({"ask": {"gpu_cap": {"watts": 500}}}, "it would be 500 W instead of 400 W"),
    "no longer enforced": ({"mode": "observe"}, "it would no longer be enforced but observe"),
    "other devices": ({"scope": {"rack": "r1"}}, "it would be for rack r1, no longer for the whole site"),
    "only sometimes": ({"when": {"schedule": {"spans": [{"end": "06:00"}]}}}, "it would hold at other times"),
    "an earlier end": (
        {"expires": "2026-08-01T00:00:00Z"},
        "it would expire on 2026-08-01 00:00 UTC, before the version in force",
    ),
    "something else": ({"ask": {"gpu_clock": {"mhz": 1200}}}, "it would ask for gpu_clock, no longer for gpu_cap"),
    "counted otherwise": ({"ask": {"gpu_cap": {"percent": 10}}}, "it would be counted in another way"),
}


@pytest.mark.parametrize("change", RAISING)
def test_a_version_that_may_raise_something_waits_for_a_second_person(store, change):
    more, why = RAISING[change]
    store.save(policy(), "ann")
    store.enable("cap", "ann")
    stored = store.save(policy(**more), "ann")
    assert (stored.state, stored.effective.version, stored.draft.version) == (State.ENABLED, 1, 2)
    assert stored.draft.needs_second == why
    assert store.standing()[0].version == 1
    for same in ("ann", " Ann "):
        with pytest.raises(NeedsSecond, match="cannot approve it; let a second person do that"):
            store.approve("cap", same)
    approved = store.approve("cap", "bob")
    assert (approved.effective.version, approved.effective.approved_by, approved.draft) == (2, "bob", None)


@pytest.mark.parametrize(
    "more",
    [
        {"reason": "other words"},
        {"ask": {"gpu_cap": {"watts": 400}}, "owner": "others"},
        {"ask": {"gpu_cap": {"watts": 390}}},
    ],
)
def test_a_version_that_raises_nothing_counts_at_once(store, more):
    store.save(policy(), "ann")
    store.enable("cap", "ann")
    assert store.save(policy(**more), "ann").effective.version == 2


def test_a_policy_that_is_not_enabled_may_be_changed_by_one_person(store):
    store.save(policy(), "ann")
    assert store.save(policy(600.0), "ann").effective.version == 2


def test_enforcement_is_ended_by_two(store):
    store.save(policy(), "ann")
    store.enable("cap", "ann")
    asked = store.disable("cap", "bob", "test over")
    assert (asked.state, asked.pending.what, asked.pending.by) == (State.ENABLED, "disable", "bob")
    with pytest.raises(NeedsSecond, match="bob asked for that cap be disabled"):
        store.approve("cap", "bob")
    assert store.approve("cap", "ann").state is State.APPROVED
    store.enable("cap", "ann")
    store.remove("cap", "ann", "no longer wanted")
    assert store.approve("cap", "bob").state is State.APPROVED
    assert store.policies() == ()
    assert [version.version for version in store.versions("cap")] == [1]


def test_what_only_observes_is_ended_by_one(store):
    store.save(policy(mode="observe"), "ann")
    store.enable("cap", "ann")
    assert store.disable("cap", "ann", "test over").state is State.APPROVED
    store.remove("cap", "ann", "no longer wanted")
    with pytest.raises(Unknown):
        store.policy("cap")


def test_what_waits_may_be_turned_down(store):
    store.save(policy(), "ann")
    store.enable("cap", "ann")
    store.save(policy(500.0), "ann")
    turned = store.reject("cap", "bob", "too much")
    assert (turned.effective.version, turned.draft) == (1, None)
    assert store.save(policy(380.0), "ann").effective.version == 3
    store.disable("cap", "ann", "why not")
    assert store.reject("cap", "bob", "no").pending is None
    with pytest.raises(Conflict, match="nothing of cap waits for approval"):
        store.reject("cap", "bob", "no")


def test_who_was_slower_is_told_and_overwrites_nothing(store):
    store.save(policy(), "ann")
    store.save(policy(390.0), "ann", expected=1)
    with pytest.raises(Conflict, match="is at version 2 and was changed from version 1; look at what changed"):
        store.save(policy(380.0), "bob", expected=1)
    assert store.policy("cap").effective.policy.ask.gpu_cap.watts == 390.0
    with pytest.raises(Conflict, match="there is no policy 'new' any more"):
        store.save(policy(name="new"), "bob", expected=3)


def test_a_policy_expires_and_cannot_be_enabled_then(store, clock):
    store.save(policy(expires="2026-07-02T00:00:00Z"), "ann")
    store.enable("cap", "ann")
    clock.now = policy(expires="2026-07-02T00:00:00Z").expires_unix
    assert store.policy("cap").state is State.EXPIRED
    assert not store.standing()[0].enabled
    with pytest.raises(Conflict, match="has expired; save it with a later expiry"):
        store.enable("cap", "ann")
    assert store.save(policy(900.0), "ann").state is State.ENABLED  # what has expired bound nobody


def test_a_version_and_an_end_that_both_wait_are_approved_one_by_one(store):
    store.save(policy(), "ann")
    store.enable("cap", "ann")
    store.save(policy(500.0), "ann")
    store.disable("cap", "ann", "x")
    with pytest.raises(Conflict, match="version 7 of cap does not wait for approval; version 2 does"):
        store.approve("cap", "bob", version=7)
    assert store.approve("cap", "bob", version=2).effective.version == 2
    assert store.approve("cap", "bob").state is State.APPROVED


def test_a_policy_that_was_removed_begins_anew_and_keeps_its_versions(store):
    store.save(policy(), "ann")
    store.remove("cap", "ann", "x")
    stored = store.save(policy(600.0), "bob")
    assert (stored.state, stored.effective.version) == (State.APPROVED, 2)
    assert [version.author for version in store.versions("cap")] == ["bob", "ann"]


@pytest.mark.parametrize("what", ["policy", "enable", "versions"])
def test_what_is_not_there_is_said_not_to_be_there(store, what):
    arguments = ("nothing", "ann") if what == "enable" else ("nothing",)
    with pytest.raises(Unknown, match="there is no policy 'nothing'"):
        getattr(store, what)(*arguments)


def test_a_file_is_taken_over_changed_and_emptied_without_anybody_approving(store):
    assert [each.state for each in store.take_over([policy(), policy(name="two")], "policies.yaml")] == [State.ENABLED] * 2
    assert store.take_over([policy(), policy(name="two")], "policies.yaml") == ()
    (changed,) = store.take_over([policy(600.0), policy(name="two")], "policies.yaml")
    assert (changed.effective.version, changed.effective.author, changed.source) == (2, "policies.yaml", "file")
    store.take_over([policy(600.0)], "policies.yaml")
    assert [each.name for each in store.policies()] == ["cap"]
    store.take_over([policy(600.0), policy(name="two")], "policies.yaml")
    assert [each.state for each in store.policies()] == [State.ENABLED] * 2


def test_a_policy_of_the_file_is_changed_in_the_file(store):
    store.take_over([policy()], "policies.yaml")
    for change in (
        lambda: store.save(policy(300.0), "ann"),
        lambda: store.enable("cap", "ann"),
        lambda: store.disable("cap", "ann", "x"),
        lambda: store.remove("cap", "ann", "x"),
    ):
        with pytest.raises(Conflict, match="cap is from the file of policies; change it there"):
            change()


def test_the_file_takes_over_a_policy_that_somebody_made(store):
    store.save(policy(380.0), "ann")
    store.enable("cap", "ann")
    store.save(policy(500.0), "ann")
    (taken,) = store.take_over([policy()], "policies.yaml")
    assert (taken.source, taken.effective.version, taken.draft, taken.state) == ("file", 3, None, State.ENABLED)


def test_everything_that_was_done_is_told_with_who_did_it(store):
    store.save(policy(), "ann")
    store.enable("cap", "bob")
    store.disable("cap", "cid", "test over")
    store.approve("cap", "dan")
    assert [(act.who, act.what, act.subject) for act in store.acts("cap")] == [
        ("dan", "disable", "cap"),
        ("cid", "ask to disable", "cap"),
        ("bob", "enable", "cap"),
        ("ann", "save", "cap"),
    ]


def test_a_hold_counts_until_it_expires_or_is_released(store, clock):
    pins = store.pins
    one = pins.hold(Scope(node=("n1",)), 400.0, by="ann", reason="loud", expires=NOW + 60)
    two = pins.hold(Scope(), 5_000.0, by="ann", reason="loud", expires=NOW + 600, of="node")
    assert [(each.hold.watts, each.hold.of, each.counts) for each in pins.holds()] == [
        (400.0, "gpu", True),
        (5_000.0, "node", True),
    ]
    clock.now += 60
    assert [each.hold.id for each in pins.holds()] == [two.hold.id]
    pins.release(two.hold.id, "bob")
    assert pins.holds() == ()
    with pytest.raises(Unknown, match=f"there is no hold {one.hold.id}, or it has ended"):
        pins.release(one.hold.id, "bob")


def test_a_hold_that_raises_beyond_the_envelope_waits_for_a_second_person(store):
    pins = store.pins
    number = pins.hold(
        Scope(), 700.0, by="ann", reason="bench", expires=NOW + 60, needs_second="b1 would be over what is trip-safe"
    ).hold.id
    assert not pins.holds()[0].counts
    with pytest.raises(NeedsSecond):
        pins.approve_hold(number, "ANN")
    assert pins.approve_hold(number, "bob").counts
    with pytest.raises(Conflict, match="does not wait for approval"):
        pins.approve_hold(number, "bob")


@pytest.mark.parametrize(("watts", "expires"), [(0.0, NOW + 1), (float("nan"), NOW + 1), (400.0, NOW), (400.0, float("inf"))])
def test_a_hold_without_watts_or_without_an_end_is_refused(store, watts, expires):
    with pytest.raises(Conflict, match="expected"):
        store.pins.hold(Scope(), watts, by="ann", reason="x", expires=expires)


def test_an_emergency_is_started_and_ended_by_one_person_and_expires(store, clock):
    pins = store.pins
    one = pins.start_emergency(Scope(rack=("r1",)), by="ann", reason="smoke")
    pins.start_emergency(Scope(), by="ann", reason="drill", expires=NOW + 60)
    assert [str(each.emergency.scope) for each in pins.emergencies()] == ["rack r1", "the whole site"]
    clock.now += 60
    assert [each.emergency.id for each in pins.emergencies()] == [one.emergency.id]
    ended = pins.end_emergency(one.emergency.id, by="bob", reason="steam")
    assert (ended.ended_by, ended.ended_reason, ended.ended_at) == ("bob", "steam", clock.now)
    assert pins.emergencies() == ()
    with pytest.raises(Conflict, match="has ended already"):
        pins.end_emergency(one.emergency.id, by="bob", reason="steam")
    with pytest.raises(Unknown, match="there is no emergency 99"):
        pins.end_emergency(99, by="bob", reason="x")
    with pytest.raises(Conflict, match="expected a time to come"):
        pins.start_emergency(Scope(), by="ann", reason="x", expires=NOW)


def test_tables_of_another_version_are_refused_with_advice(tmp_path):
    engine = open_engine(address(None, tmp_path))
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE power_meta SET value = '99'"))
    engine.dispose()
    with pytest.raises(StoreError, match=r"power.db has tables of version 99; expected 1; another Wattstat has used it"):
        open_engine(address(None, tmp_path))


def test_a_version_that_cannot_be_read_is_named(store):
    store.save(policy(), "ann")
    with store._engine.begin() as connection:
        connection.execute(sa.text("""UPDATE policy_versions SET body = '{"name": "cap"}'"""))
    with pytest.raises(StoreError, match="cap version 1 was saved by another Wattstat and cannot be read"):
        store.policies()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense", "is no URL; expected such as postgresql"),
        ("mysql://db/x", "names mysql; expected sqlite or postgresql"),
        ("sqlite://", "names no file; expected such as sqlite:///"),
    ],
)
def test_an_address_that_makes_no_sense_is_refused_without_repeating_it(tmp_path, url, words):
    with pytest.raises(StoreError, match=words):
        address(url, tmp_path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="check the folder and its owner"):
        open_engine(address(None, tmp_path / "file" / "folder"))


# Saves version after version and says so when it is on the disk, until it is killed.
WRITER = """
import sys, time
from pathlib import Path
from power.policies.database import address, open_engine
from power.policies.reader import from_json
from power.policies.repository import Repository
store = Repository(open_engine(address(None, Path(sys.argv[1]))), time.time)
number = max((each.effective.version for each in store.policies()), default=0)
while True:
    number += 1
    body = {"name": "cap", "owner": "ops", "reason": str(number), "ask": {"gpu_cap": {"watts": 100 + number}}}
    store.save(from_json(body), "ann")
    print(number, flush=True)
"""


@pytest.mark.parametrize("seed", range(3))
def test_what_was_answered_is_there_after_a_kill_and_nothing_is_half(tmp_path, seed):
    random, told = Random(seed), 0
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        ) as writer:
            assert writer.stdout is not None
            for _ in range(random.randint(1, 12)):
                told = int(writer.stdout.readline())
            writer.send_signal(signal.SIGKILL)
            told = max([told, *(int(line) for line in writer.stdout.read().split() if line.isdecimal())])
    with opened(None, tmp_path, Clock()) as store:
        stored, versions, acts = store.policy("cap"), store.versions("cap"), store.acts("cap", limit=10_000)
    assert stored.effective.version >= told
    assert [version.version for version in versions] == list(range(len(versions), 0, -1))
    assert all(version.policy.reason == str(version.version) for version in versions)
    assert len(acts) == len(versions)


@pytest.mark.debian
def test_postgresql_keeps_the_same(clock):
    with postgresql.server() as url, opened(url, Path(), clock) as store, opened(url, Path(), clock) as again:
        store.save(policy(), "ann")
        store.enable("cap", "ann")
        store.save(policy(500.0), "ann")
        assert store.approve("cap", "bob").effective.version == 2
        store.pins.hold(Scope(node=("n1",)), 400.0, by="ann", reason="loud", expires=NOW + 60)
        store.pins.start_emergency(Scope(), by="ann", reason="smoke")
        assert again.policies() == store.policies()
        assert again.pins.holds() == store.pins.holds()
        assert [each.emergency.reason for each in again.pins.emergencies()] == ["smoke"]
        assert len(again.acts()) == 6
