"""A group of rules or a part of the room that fails for a reason that nobody foresaw: the others go on."""

import asyncio
from zoneinfo import ZoneInfo

from alerts.room import Room
from wattstat.config.alerts import Alerts
from wattstat.store.embedded import EmbeddedStore

RULES = """
groups:
  - {name: broken, interval: 1s, rules: [{alert: Never, expr: poison > 0}]}
  - {name: sound, interval: 1s, rules: [{alert: Always, expr: vector(1)}]}
"""


class Poisoned(EmbeddedStore):
    """A store with a bug."""

    async def query(self, expression, *args, **kwargs):
        if "poison" in expression:
            raise RuntimeError("generator raised StopIteration")
        return await super().query(expression, *args, **kwargs)


async def no_hall():
    raise RecursionError("an inventory without an end")


async def until(look):
    async with asyncio.timeout(20):
        while not await look():
            await asyncio.sleep(0.02)


async def test_neither_a_group_nor_a_part_ends_the_others(tmp_path):
    (tmp_path / "rules.yml").write_text(RULES)
    settings = Alerts.model_validate({"shipped_rules": False, "findings": False, "rules": [str(tmp_path / "rules.yml")]})
    store = Poisoned(tmp_path / "history.duckdb")
    room = Room(
        settings, store=store, record=store.record, peer=None, hall=no_hall, credentials={}, data_dir=tmp_path,
        zone=ZoneInfo("UTC"), every_seconds=1.0,
    )  # fmt: skip
    stop = asyncio.Event()
    working = asyncio.ensure_future(room.run(stop))

    async def both_failed():
        failing = (await room.desk.status()).failing_rules
        return {"evaluation: broken", "room: the inventory"} <= failing.keys()

    async def fires():
        return [alert for alert in await room.desk.active() if alert.name == "Always"]

    await until(both_failed)
    await until(fires)
    assert not working.done()
    text = await room.exposition()
    stop.set()
    await asyncio.wait_for(working, 10)
    await room.close()
    await store.close()

    counted = {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if "part_errors_total{" in line
    }
    assert counted['wattstat_alert_part_errors_total{part="evaluation"}'] > 0
    assert counted['wattstat_alert_part_errors_total{part="room"}'] > 0
    assert counted['wattstat_alert_part_errors_total{part="sending"}'] == 0
