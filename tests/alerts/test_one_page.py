"""One trouble is one page: from the fault at the device, through collectors, rules and inhibition, to who is told."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from alerts.delivery.inhibition import Inhibitions
from alerts.delivery.reader import BUILT_IN, read_routing
from alerts.evaluation.rules import AlertRule
from tests.support.told_hall import ToldHall, shipped, told_hall

ROUTING = read_routing(BUILT_IN, ZoneInfo("UTC"))


def rules_of(*files: str) -> list[str]:
    """The names of all alerts of some rule files."""
    groups = [group for group in shipped() if group.name in {f"wattstat-{each}" for each in files}]
    assert len(groups) == len(files)
    return [rule.name for group in groups for rule in group.rules if isinstance(rule, AlertRule)]


async def heard(hall: ToldHall, seconds: float, rack: str = "") -> tuple[set[str], set[str]]:
    """What people are told of while so long a time passes, and what is kept quiet. `rack` is where all servers stand."""
    told: set[str] = set()
    quiet: set[str] = set()
    until = hall.world.now + seconds
    while hall.world.now < until:
        await hall.tick()
        labels = {each.fingerprint: {"rack": rack, **each.labels} for each in hall.firing()}
        inhibitions = Inhibitions(ROUTING.inhibit_rules)
        for fingerprint, each in labels.items():
            inhibitions.add(fingerprint, each)
        for each in labels.values():
            if ROUTING.root.matching(each)[0].receiver != "nobody":
                (quiet if inhibitions.causes(each) else told).add(each["alertname"])
    return told, quiet


async def test_a_gpu_that_falls_off_the_bus_is_one_page(tmp_path, monkeypatch):
    async with told_hall(tmp_path, monkeypatch, model="xe9680", alerts=rules_of("gpu", "server")) as hall:
        name = hall.world.hall.servers[0].name
        await heard(hall, 120)
        hall.parts_may_fail = True

        await hall.switch_on(name, "gpu_off_bus", gpu=2)
        told, quiet = await heard(hall, 420)

        assert told == {"GpuLost"}
        assert quiet == {"ServerFault", "GpuUnhealthyByBmc"}
        (lost,) = [each for each in hall.firing() if each.name == "GpuLost"]
        assert "XID 79" in lost.annotations["description"]
        (by_bmc,) = [each for each in hall.firing() if each.name == "GpuUnhealthyByBmc"]
        assert (by_bmc.labels["device"], by_bmc.labels["gpu"]) == ("GPU_SXM_3", lost.labels["gpu"])


async def test_a_feed_that_is_lost_is_one_page(tmp_path, monkeypatch):
    alerts = rules_of("racks", "server")
    async with told_hall(tmp_path, monkeypatch, model="r660", nodes=3, alerts=alerts, read="redfish") as hall:
        await heard(hall, 120)

        await hall.switch_on("rack-01", "feed_lost", feed="A")
        told, quiet = await heard(hall, 420, rack="rack-01")

        assert told == {"FeedLost"}
        assert quiet == {"PsuFailed", "PsuRedundancyLost", "ServerFault"}
        (lost,) = [each for each in hall.firing() if each.name == "FeedLost"]
        assert all(server.name in lost.annotations["description"] for server in hall.world.hall.servers)


async def test_a_supply_that_fails_is_one_message(tmp_path, monkeypatch):
    async with told_hall(tmp_path, monkeypatch, model="r660", alerts=rules_of("server"), read="redfish") as hall:
        await heard(hall, 120)

        await hall.switch_on(hall.world.hall.servers[0].name, "psu_failed", psu=2)
        told, quiet = await heard(hall, 600)

        assert told == {"PsuFailed"}
        assert quiet == {"PsuRedundancyLost", "ServerFault"}
