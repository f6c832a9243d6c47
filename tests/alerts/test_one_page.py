"""One trouble is one page: from the fault at the device, through collectors, rules and inhibition, to who is told."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from alerts.delivery.inhibition import Inhibitions
from alerts.delivery.reader import BUILT_IN, read_routing
from alerts.evaluation.engine import Engine
from alerts.evaluation.rules import AlertRule
from alerts.memory import Memory
from alerts.model import Alert
from tests.support.series_store import SeriesStore
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
        speaking, kept = split(hall.firing(), rack)
        told |= speaking
        quiet |= kept
    return told, quiet


def split(firing: list[Alert], rack: str = "") -> tuple[set[str], set[str]]:
    """The names of what speaks, and of what its cause keeps quiet."""
    labels = {each.fingerprint: {"rack": rack, **each.labels} for each in firing}
    inhibitions = Inhibitions(ROUTING.inhibit_rules)
    for fingerprint, each in labels.items():
        inhibitions.add(fingerprint, each)
    told: set[str] = set()
    quiet: set[str] = set()
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


def degraded(store: SeriesStore, seconds: float) -> None:
    """A bad cable as agents, a switch and a fabric manager tell of it: slower, with errors, and the other rails well."""
    times = range(0, round(seconds), 30)
    for number in range(1, 3):
        bad = number == 2
        switch = {"switch": "ib-leaf-1", "port": f"IB1/7/{number}"}
        device = {"node": "gpu-4", "device": f"mlx5_{number}"}
        constant = [
            ("wattstat_fabric_link_info", {**switch, **device, "rail": str(number), "source": "ufm"}, 1),
            ("wattstat_infiniband_port_rate_bits_per_second", {**device, "port": "1"}, 1e11 if bad else 4e11),
            ("wattstat_infiniband_port_active", {**device, "port": "1"}, 1),
            ("wattstat_switch_port_bit_error_ratio", {**switch, "kind": "symbol"}, 2e-8 if bad else 1e-16),
        ]
        for name, labels, value in constant:
            store.add({"__name__": name, **labels}, [(time * 1000, value) for time in times])
        counted = {"__name__": "wattstat_switch_port_errors_total", **switch, "direction": "receive"}
        store.add(counted, [(time * 1000, 40.0 * time * bad) for time in times])


async def test_a_bad_cable_is_one_page_that_names_both_ends(tmp_path):
    store, memory, now = SeriesStore(), Memory(tmp_path / "alerts.sqlite"), 0.0
    degraded(store, 2100)
    groups = [group for group in shipped() if group.name == "wattstat-fabric"]
    engine = Engine(store=store, memory=memory, groups=groups, record=store.record, clock=lambda: now)
    await engine.start()
    told: set[str] = set()
    quiet: set[str] = set()
    for now in range(15, 2100, 30):
        for state in engine.groups:
            await engine.evaluate(state.group, now)
        speaking, kept = split([each for each in engine.active() if each.state == "firing"])
        told |= speaking
        quiet |= kept
    memory.close()

    assert engine.failing() == {}
    assert told == {"LinkErrorsHigh"}
    assert quiet == {"LinkErrorsRising", "RailSlow", "SwitchPortErrors"}
    (cable,) = [each for each in engine.active() if each.name == "LinkErrorsHigh"]
    assert "port IB1/7/2 of ib-leaf-1, to mlx5_2 of gpu-4," in cable.annotations["description"]


async def test_a_supply_that_fails_is_one_message(tmp_path, monkeypatch):
    async with told_hall(tmp_path, monkeypatch, model="r660", alerts=rules_of("server"), read="redfish") as hall:
        await heard(hall, 120)

        await hall.switch_on(hall.world.hall.servers[0].name, "psu_failed", psu=2)
        told, quiet = await heard(hall, 600)

        assert told == {"PsuFailed"}
        assert quiet == {"PsuRedundancyLost", "ServerFault"}
