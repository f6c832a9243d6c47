"""Who leads: by a row that must keep changing, and each process's own monotonic clock."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import StaticPool

from power.guard.lease import Lease, open_engine
from power.model import Fence

TTL = 10.0


class Clock:
    """A monotonic clock; each process has its own zero."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Site:
    """A database in memory and the controllers on it."""

    def __init__(self) -> None:
        self.engine = sa.create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
        self.is_away = False
        self.slow: Callable[[], None] = lambda: None
        sa.event.listen(self.engine, "before_cursor_execute", self._before)

    def _before(self, *_: object) -> None:
        self.slow()
        if self.is_away:
            raise sa.exc.OperationalError("select", {}, Exception("the server\nis gone"))

    def controller(self, name: str, now: float = 0.0, ttl: float = TTL) -> tuple[Lease, Clock]:
        clock = Clock(now)
        return Lease(self.engine, name, ttl, clock), clock

    def row(self) -> sa.Row:
        with self.engine.begin() as connection:
            return connection.execute(sa.text("select * from power_lease")).one()


def test_the_first_one_leads_at_once_and_keeps_its_token():
    site = Site()
    lease, clock = site.controller("one", 100.0)
    assert lease.fence is None
    assert lease.tick() == Fence(token=1, holder="one", valid_until=105.0)
    clock.now = 101.0
    assert lease.tick() == Fence(token=1, holder="one", valid_until=106.0)
    assert lease.fence == Fence(token=1, holder="one", valid_until=106.0)
    assert (site.row().token, site.row().beat, site.row().holder, site.row().ttl_seconds) == (1, 2, "one", TTL)


def test_only_one_of_several_leads():
    site = Site()
    leases = [site.controller(name)[0] for name in ("one", "two", "two")]
    for _ in range(5):
        assert [lease.tick() is not None for lease in leases] == [True, False, False]
    assert [lease.leader for lease in leases[1:]] == ["one", "one"]


def test_a_standby_takes_over_when_the_row_has_not_changed_for_a_whole_lease():
    site = Site()
    leader, _ = site.controller("one")
    standby, clock = site.controller("two", 5000.0)
    leader.tick()
    assert standby.tick() is None
    clock.now += 9.9
    assert standby.tick() is None
    leader.tick()
    clock.now += 0.1
    assert standby.tick() is None, "it has changed since"
    clock.now += 9.9
    assert standby.tick() is None
    clock.now += 0.1
    assert standby.tick() == Fence(token=2, holder="two", valid_until=clock.now + 5)
    assert leader.tick() is None
    assert leader.leader == "two"


def test_after_half_of_the_lease_the_leader_writes_no_more():
    lease, clock = Site().controller("one")
    lease.tick()
    clock.now = 4.99
    assert lease.fence is not None
    clock.now = 5.0
    assert lease.fence is None


def test_the_time_that_the_database_takes_counts():
    site = Site()
    lease, clock = site.controller("one")
    lease.tick()

    def slow() -> None:
        clock.now += 3.0

    site.slow = slow
    clock.now = 1.0
    fence = lease.tick()
    assert fence is not None
    assert (fence.valid_until, clock.now) == (6.0, 4.0)
    # What takes longer than half of the lease was granted in vain.
    clock.now, site.slow = 4.0, lambda: setattr(clock, "now", 9.0)
    assert lease.tick() is None


def test_a_leader_that_slept_through_its_lease_has_none_when_it_wakes():
    site = Site()
    leader, mine = site.controller("one")
    standby, its = site.controller("two")
    leader.tick()
    standby.tick()
    mine.now = its.now = 45.0
    assert leader.fence is None
    assert standby.tick() == Fence(token=2, holder="two", valid_until=50.0)
    assert leader.tick() is None
    assert leader.brake() is None


def test_a_leader_that_slept_and_was_not_missed_leads_again_with_a_higher_token():
    site = Site()
    lease, clock = site.controller("one")
    lease.tick()
    clock.now = 45.0
    assert lease.tick() == Fence(token=2, holder="one", valid_until=50.0)


def test_a_restarted_process_waits_like_everybody_else():
    site = Site()
    lease, _ = site.controller("one")
    lease.tick()
    again, clock = site.controller("one")
    assert again.tick() is None
    clock.now = 10.0
    assert again.tick() == Fence(token=2, holder="one", valid_until=15.0)
    assert lease.tick() is None


def test_the_longer_of_two_leases_is_waited_for():
    site = Site()
    leader, _ = site.controller("one", ttl=30.0)
    leader.tick()
    standby, clock = site.controller("two", ttl=10.0)
    standby.tick()
    clock.now = 29.9
    assert standby.tick() is None
    clock.now = 30.0
    assert standby.tick() is not None
    assert site.row().ttl_seconds == 10.0
    patient, later = site.controller("three", ttl=60.0)
    patient.tick()
    later.now = 59.9
    assert patient.tick() is None


def test_a_lease_that_is_given_back_is_taken_at_once():
    site = Site()
    leader, clock = site.controller("one")
    leader.tick()
    leader.release()
    assert leader.fence is None
    assert site.row().holder == site.row().instance == ""
    standby, _ = site.controller("two")
    assert standby.tick() == Fence(token=2, holder="two", valid_until=5.0)
    leader.release()
    clock.now = 1.0
    assert leader.tick() is None
    assert site.row().holder == "two"


def test_who_lost_the_lease_gives_nothing_back():
    site = Site()
    leader, mine = site.controller("one")
    leader.tick()
    standby, its = site.controller("two")
    standby.tick()
    its.now = 10.0
    standby.tick()
    mine.now = 1.0
    leader.release()
    assert site.row().holder == "two"


def test_without_the_database_the_leader_stops_at_half_of_the_lease():
    site = Site()
    lease, clock = site.controller("one")
    lease.tick()
    site.is_away = True
    clock.now = 4.0
    assert lease.tick() == Fence(token=1, holder="one", valid_until=5.0)
    assert lease.away == "the server is gone"
    clock.now = 5.0
    assert lease.tick() is None
    site.is_away = False
    clock.now = 6.0
    assert lease.tick() == Fence(token=2, holder="one", valid_until=11.0)
    assert lease.away == ""


def test_a_database_that_is_away_from_the_start_makes_no_leader_and_no_fuss():
    site = Site()
    site.is_away = True
    lease, _ = site.controller("one")
    assert lease.tick() is None
    assert lease.leader == ""
    lease.release()
    assert lease.brake() is None
    site.is_away = False
    assert lease.tick() is not None


def test_the_brake_has_the_last_token_while_the_database_is_away():
    site = Site()
    lease, clock = site.controller("one")
    assert lease.brake() is None
    lease.tick()
    assert lease.brake() == Fence(token=1, holder="one", valid_until=5.0, urgent_only=True)
    clock.now = 60.0
    assert lease.brake() is None, "nobody knows yet why it was not renewed"
    site.is_away = True
    assert lease.tick() is None
    assert lease.brake() == Fence(token=1, holder="one", valid_until=65.0, urgent_only=True)


def test_a_release_without_the_database_stops_the_leader_all_the_same():
    site = Site()
    lease, _ = site.controller("one")
    lease.tick()
    site.is_away = True
    lease.release()
    assert lease.fence is None
    assert lease.away


def test_a_token_that_a_device_has_seen_is_outbid():
    """The database came back from a backup: its counter is behind what devices have seen."""
    site = Site()
    lease, clock = site.controller("one")
    lease.tick()
    lease.outbid(40)
    lease.outbid(7)
    clock.now = 1.0
    assert lease.tick() == Fence(token=41, holder="one", valid_until=6.0)
    assert site.row().token == 41
    clock.now = 2.0
    assert lease.tick() == Fence(token=41, holder="one", valid_until=7.0)
    standby, _ = site.controller("two")
    standby.outbid(99)
    lease.release()
    fence = standby.tick()
    assert fence is not None
    assert fence.token == 100


def test_a_takeover_that_somebody_else_was_quicker_with_is_none():
    site = Site()
    leader, _ = site.controller("one")
    leader.tick()
    standby, clock = site.controller("two")
    standby.tick()
    clock.now = 10.0
    asked = 0

    def quicker() -> None:
        nonlocal asked
        asked += 1
        if asked == 2:  # between its look and its takeover
            site.slow = lambda: None
            leader.tick()

    site.slow = quicker
    with suppress(sa.exc.SQLAlchemyError):
        assert standby.tick() is None
    assert asked == 2
    assert site.row().holder == "one"
    assert standby.tick() is None


def test_two_that_begin_at_once_make_one_table_and_one_row():
    site = Site()
    one, _ = site.controller("one")
    two, _ = site.controller("two")
    made = 0

    def other_first() -> None:
        nonlocal made
        made += 1
        if made == 1:
            one.tick()

    site.slow = other_first
    two.tick()
    site.slow = lambda: None
    assert [one.tick() is not None, two.tick() is not None] == [True, False]
    with site.engine.begin() as connection:
        assert connection.execute(sa.text("select count(*) from power_lease")).scalar() == 1


@pytest.mark.parametrize("ttl", [1.0, 10.0])
def test_takeover_takes_at_most_half_as_long_again_as_the_lease(ttl):
    site = Site()
    leader, _ = site.controller("one", ttl=ttl)
    leader.tick()
    standby, clock = site.controller("two", ttl=ttl)
    for _ in range(15):
        if standby.tick() is None:
            clock.now += ttl / 10
    assert standby.fence is not None
    assert clock.now <= 1.5 * ttl


class _Asked(Exception):
    """Stands for a connection."""


def asked(url: str, ttl: float) -> dict[str, object]:
    """With what a database would be connected to."""
    engine = open_engine(url, ttl)
    found: dict[str, object] = {}

    @sa.event.listens_for(engine, "do_connect")
    def connect(_dialect: object, _record: object, _arguments: object, parameters: dict[str, object]) -> None:
        found.update(parameters)
        raise _Asked

    with pytest.raises(_Asked):
        engine.connect()
    return found


def test_whatever_waits_for_a_fifth_of_the_lease_is_as_good_as_away():
    server = asked("postgresql+psycopg://wattstat@db/power", 20.0)
    assert (server["connect_timeout"], server["tcp_user_timeout"]) == (4, 4000)
    assert server["options"] == "-c statement_timeout=4000 -c lock_timeout=4000"
    assert asked("postgresql+psycopg://wattstat@db/power", 5.0)["connect_timeout"] == 2, "libpq takes no less"
    file = asked("sqlite:////var/lib/power.db", 10.0)
    assert (file["timeout"], file["check_same_thread"]) == (2.0, False)


def test_two_that_were_quicker_with_the_table_are_no_outage():
    lease, _ = Site().controller("one")
    lease._unreachable(sa.exc.IntegrityError("insert", {}, Exception("there is one already")))
    assert lease.away == ""
    lease._unreachable(sa.exc.OperationalError("select", {}, Exception("gone")))
    assert lease.away == "gone"


def test_a_device_that_claims_a_token_no_database_can_count_to_costs_nobody_the_lease():
    lease, clock = Site().controller("one")
    lease.tick()
    lease.outbid(2**63)
    lease.outbid(10**30)
    clock.now = 1.0
    assert lease.tick() == Fence(token=1, holder="one", valid_until=6.0)
