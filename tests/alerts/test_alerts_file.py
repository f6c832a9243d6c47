"""The file of alerts when it is damaged, full, unreadable or a folder: what is told, and that the rest goes on."""

import asyncio
import sqlite3
from zoneinfo import ZoneInfo

import pytest
from fastapi import FastAPI

from alerts.delivery.board import Board
from alerts.delivery.receivers import Receivers
from alerts.delivery.routing import Route, Routing
from alerts.delivery.store import DeliveryStore
from alerts.memory import Change, Memory, MemoryFailed
from alerts.model import Alert, fingerprint
from alerts.room import Room
from tests.support.asgi import Client
from wattstat.api import access, alert_routes, problems
from wattstat.config.access import Access
from wattstat.config.alerts import Alerts
from wattstat.inventory import Inventory
from wattstat.store.embedded import EmbeddedStore

NOW = 1_800_000_000.0


async def hall():
    return Inventory()


@pytest.fixture
def room(tmp_path):
    settings = Alerts.model_validate({"findings": False})
    store = EmbeddedStore(tmp_path / "history.duckdb")
    opened = Room(
        settings, store=store, record=None, peer=None, hall=hall, credentials={}, data_dir=tmp_path,
        zone=ZoneInfo("UTC"), clock=lambda: NOW,
    )  # fmt: skip
    yield opened
    asyncio.run(closed(opened, store))


async def closed(*opened):
    for each in opened:
        await each.close()


def lost(description="lost"):
    labels = {"alertname": "GpuLost", "node": "gpu-1"}
    return Alert(
        fingerprint=fingerprint(labels), labels=labels, annotations={"description": description}, state="firing", value=1.0,
        active_at=NOW, fired_at=NOW, group="g", expression="up",
    )  # fmt: skip


def lose_tables(folder):
    """As good as a sector that cannot be read: everything that asks for them fails."""
    with sqlite3.connect(folder / "alerts.sqlite") as damaged:
        for table in ("engine_episodes", "delivery_told", "delivery_messages", "delivery_silences"):
            damaged.execute(f"DROP TABLE {table}")
    damaged.close()


async def test_with_a_folder_in_its_place_people_are_told_all_the_same(tmp_path):
    (tmp_path / "alerts.sqlite").mkdir()
    (tmp_path / "rules.yml").write_text("groups: [{name: a, interval: 1s, rules: [{alert: Always, expr: vector(1)}]}]")
    settings = Alerts.model_validate({"shipped_rules": False, "findings": False, "rules": [str(tmp_path / "rules.yml")]})
    store = EmbeddedStore(tmp_path / "history.duckdb")
    room = Room(
        settings, store=store, record=None, peer=None, hall=hall, credentials={}, data_dir=tmp_path, zone=ZoneInfo("UTC")
    )
    stop = asyncio.Event()
    working = asyncio.ensure_future(room.run(stop))
    async with asyncio.timeout(20):
        while not (active := await room.desk.active()):
            await asyncio.sleep(0.02)
    status = await room.desk.status()
    stop.set()
    await working
    await closed(room, store)

    assert [alert.name for alert in active] == ["Always"]
    assert "it is a folder, and a file is to stand there" in status.failing_rules["memory"]
    assert "alerts cannot be written to disk" in room._delivery.problem()


async def test_rows_that_another_version_wrote_cost_only_themselves(tmp_path):
    path = tmp_path / "alerts.sqlite"
    memory = Memory(path)
    memory.save("g", NOW, [Change(rule="r", now=lost(), before=None)], [])
    memory._database.execute("INSERT INTO engine_active VALUES ('r', 'beef', '{\"of\": \"tomorrow\"}')")
    memory._database.execute("INSERT INTO engine_episodes VALUES ('r', 'beef', 1, NULL, 'no json')")
    memory._database.execute("INSERT INTO engine_untold VALUES ('beef', 1, '{\"of\": \"tomorrow\"}')")
    delivery = DeliveryStore(path)
    delivery._connection.execute("INSERT INTO delivery_waiting VALUES ('no address', 'g', 'beef', 'pager', 1)")
    delivery._connection.execute("INSERT INTO delivery_groups VALUES ('g', 'no json', 1)")

    remembered = memory.load()
    delivery.load(
        Board(Routing(root=Route(key="", receiver="nobody")), Receivers({}, ZoneInfo("UTC"), routed=(), stand_in=False))
    )

    assert [list(alerts) for alerts in remembered.active.values()] == [[lost().fingerprint]]
    assert remembered.untold == ()
    assert [episode.alert.name for episode in memory.episodes(0, NOW)] == ["GpuLost"]
    memory.close()
    delivery.close()


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/alerts", None),
        ("GET", "/api/alerts/history", None),
        ("GET", "/api/alerts/noise", None),
        ("GET", "/api/alerts/beef/evidence", None),
        ("POST", "/api/alerts/silences", {"matchers": ['node="gpu-1"'], "ends_at": "now+2h", "comment": "a new board"}),
    ],
)
def test_a_file_that_cannot_be_read_is_a_problem_that_says_what_where_and_what_to_do(room, tmp_path, method, path, body):
    app = FastAPI()
    problems.install(app)
    app.include_router(alert_routes.router(room.desk, clock=lambda: NOW))
    access.guard(app, access.identity(Access(local_role="operator"), tmp_path))
    lose_tables(tmp_path)
    room._engine.active = lambda: [lost()]

    answer = Client(app)(method, path, body=body)

    assert (answer.status, answer.header("content-type")) == (503, "application/problem+json")
    assert answer.json["title"] == "Alerts are not available"
    assert str(tmp_path / "alerts.sqlite") in answer.json["detail"]
    assert "check the disk's space" in answer.json["detail"]


def test_a_damaged_file_is_set_aside_and_a_new_one_begun(tmp_path):
    path = tmp_path / "alerts.sqlite"
    path.write_bytes(b"SQLite format 3\0" + b"\x07" * 5000)

    memory = Memory(path)
    memory.close()

    (aside,) = tmp_path.glob("alerts.sqlite.damaged-*")
    assert aside.stat().st_size == 5016
    assert path.stat().st_size > 0


def test_a_sound_file_stays(tmp_path):
    path = tmp_path / "alerts.sqlite"
    Memory(path).close()
    Memory(path).close()

    assert not list(tmp_path.glob("*.damaged-*"))


def test_a_folder_in_its_place_is_named(tmp_path):
    (tmp_path / "alerts.sqlite").mkdir()

    with pytest.raises(MemoryFailed, match="it is a folder, and a file is to stand there"):
        Memory(tmp_path / "alerts.sqlite")


def test_a_full_disk_says_so(tmp_path):
    memory = Memory(tmp_path / "alerts.sqlite")
    pages = memory._database.execute("PRAGMA page_count").fetchone()[0]
    memory._database.execute(f"PRAGMA max_page_count={pages}")
    alert = lost("x" * 100_000)

    with pytest.raises(MemoryFailed, match="database or disk is full; free some space on its disk"):
        memory.save("g", NOW, [Change(rule="r", now=alert, before=None)], [])
    assert not memory._database.in_transaction
    memory.close()
