"""Controllers as real processes on a real database: stopped, resumed, killed at any moment."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from subprocess import Popen
from typing import NamedTuple

import pytest
import sqlalchemy as sa

from power.guard.lease import Lease, open_engine
from tests.support import postgresql
from tests.support.processes import python, running, wait_for

TTL = 2.0


@pytest.fixture(scope="module")
def postgresql_url() -> Iterator[str]:
    with postgresql.server() as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.debian)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'power.db'}"
        return
    found = request.getfixturevalue("postgresql_url")
    yield found
    engine = sa.create_engine(found)
    with engine.begin() as connection:
        connection.execute(sa.text("drop table if exists power_lease"))
    engine.dispose()


class Write(NamedTuple):
    """A controller's write to a device, as it arrives there."""

    at: float
    token: int
    name: str


class Hall:
    """Controllers, and a device that refuses a lower token than the highest that it has seen."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url

    def controller(self, name: str) -> AbstractContextManager[Popen[bytes]]:
        command = python("tests.power.guard.lease_child", self.url, name, str(TTL), str(self.folder / f"{name}.journal"))
        return running(command, self.folder / f"{name}.log")

    def looks(self, name: str) -> list[Write]:
        """Every turn of a controller; token 0 where it wrote nothing."""
        journal = self.folder / f"{name}.journal"
        # A controller that was killed may have left half a line.
        lines = journal.read_text(encoding="utf-8").split("\n")[:-1] if journal.exists() else []
        return [Write(float(at), int(token), name) for at, token in (line.split() for line in lines)]

    def accepted(self) -> list[Write]:
        names = [journal.stem for journal in self.folder.glob("*.journal")]
        highest, taken = 1, []
        for write in sorted(write for name in names for write in self.looks(name)):
            if write.token >= highest:
                highest = write.token
                taken.append(write)
        return taken

    def wait_until_it_leads(self, name: str, above: int = 0) -> Write:
        def first() -> Write | None:
            return next((write for write in self.looks(name) if write.token > above), None)

        return wait_for(f"{name} to lead", first)

    def wait_until_it_looks(self, name: str, times: int = 3) -> None:
        before = len(self.looks(name))
        wait_for(f"{name} to look", lambda: len(self.looks(name)) >= before + times)

    def stop(self, pid: int) -> None:
        """Stop a process, but not while it has SQLite's file locked: then nobody can lead, which is safe."""
        os.kill(pid, signal.SIGSTOP)
        if not self.url.startswith("sqlite"):
            return
        engine = sa.create_engine(self.url, connect_args={"timeout": 0.2, "isolation_level": None})
        try:
            with engine.connect() as connection:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                connection.exec_driver_sql("ROLLBACK")
        except sa.exc.OperationalError:
            os.kill(pid, signal.SIGCONT)
            self.stop(pid)
        finally:
            engine.dispose()


def test_a_stopped_leader_is_replaced_and_writes_nothing_when_it_resumes(url, tmp_path):
    hall = Hall(tmp_path, url)
    with hall.controller("one") as one:
        first = hall.wait_until_it_leads("one")
        with hall.controller("two"):
            hall.wait_until_it_looks("two")
            hall.stop(one.pid)
            last = hall.looks("one")[-1]
            second = hall.wait_until_it_leads("two")
            assert second.token > first.token
            assert second.at - last.at > TTL / 2, "the first one might have written still"
            os.kill(one.pid, signal.SIGCONT)
            hall.wait_until_it_looks("one", times=5)
            assert [write for write in hall.accepted() if write.name == "one" and write.at > second.at] == []


def test_a_leader_killed_at_any_moment_is_followed_by_a_higher_token(url, tmp_path):
    hall = Hall(tmp_path, url)
    tokens = []
    with ExitStack() as stack:
        names = ["one", "two"]
        processes = {name: stack.enter_context(hall.controller(name)) for name in names[:1]}
        tokens.append(hall.wait_until_it_leads("one").token)
        processes["two"] = stack.enter_context(hall.controller("two"))
        for turn in range(3):
            leader, standby = names[turn % 2], names[1 - turn % 2]
            hall.wait_until_it_looks(standby)
            processes[leader].kill()
            processes[leader].wait()
            tokens.append(hall.wait_until_it_leads(standby, above=tokens[-1]).token)
            processes[leader] = stack.enter_context(hall.controller(leader))
    assert tokens == sorted(set(tokens))
    owners: dict[int, set[str]] = {}
    for write in hall.accepted():
        owners.setdefault(write.token, set()).add(write.name)
    assert {len(names) for names in owners.values()} == {1}


def test_several_that_begin_together_have_one_leader(url, tmp_path):
    hall = Hall(tmp_path, url)
    with hall.controller("a"), hall.controller("b"), hall.controller("c"):
        for name in "abc":
            hall.wait_until_it_looks(name, times=6)
    assert len({write.name for write in hall.accepted()}) == 1


def test_a_database_that_cannot_be_opened_makes_no_leader(tmp_path):
    engine = open_engine(f"sqlite:///{tmp_path / 'no' / 'such' / 'power.db'}", TTL)
    lease = Lease(engine, "one", TTL)
    assert lease.tick() is None
    assert "unable to open database file" in lease.away
    engine.dispose()


def test_a_server_that_is_not_there_is_given_up_soon(tmp_path):
    engine = open_engine(f"postgresql+psycopg://wattstat@/postgres?host={tmp_path}", TTL)
    lease = Lease(engine, "one", TTL)
    assert lease.tick() is None
    assert lease.away
    engine.dispose()
