"""Storage, cables and power follow the workloads, and workloads wait for them."""

import numpy as np
import pytest

from simulator.bmc.server import Bmcs
from simulator.control import Control, controllers_of
from simulator.faults import Faults, UnknownFault
from simulator.plant.show import Show
from simulator.site import layout
from simulator.truth import truth
from simulator.workload import Job, Kind
from simulator.world import World

START = 1_760_000_000.0
STEP = 0.5


def hall(nodes=16, seed=3):
    """A hall without any job."""
    return World(layout(nodes), seed, START, jobs=False)


def begin(world, servers, kind=Kind.TRAINING, name="7"):
    """A job on all GPUs of some servers."""
    rows = [row for server in servers for row in world.hall.by_name(server).gpu_rows]
    job = Job(
        id=name,
        name="a",
        user="u",
        account="a",
        partition="p",
        kind=kind,
        gpus=len(rows),
        not_before=0,
        seconds=1e6,
        seed=5,
        rows=np.array(rows),
    )
    world.begin(job)
    world.patterns.checkpoint_seconds[:] = 0
    return job


async def switch_on(world, **body):
    control = Control(world, Faults(), Bmcs(controllers_of(world, Faults(), ("u", "p")), 1))
    return control, await control.switch_on(body)


def mean_over(world, seconds, read):
    values = []
    until = world.now + seconds
    while world.now < until - 1e-9:
        world.advance(world.now + STEP, STEP)
        values.append(np.array(read(world)))
    return np.mean(values, axis=0)


def utilization(world):
    return world.physics.utilization


@pytest.mark.parametrize("step", [0.25, 7.0])
def test_the_joules_of_a_pdu_are_those_of_what_hangs_on_it(step):
    world = World(layout(16), 4, START)
    began = world.physics.node_joules.copy()
    world.advance(START + 900, step)
    electric, racks = world.plant.electric, world.hall.racks
    for number, rack in enumerate(racks):
        pdus = electric.pdu_joules[2 * number : 2 * number + 2].sum()
        servers = sum(
            world.physics.node_joules[each.index] - began[each.index] for each in world.hall.servers if each.rack == rack
        )
        devices = electric.joules[electric.rack == number].sum()
        assert pdus == pytest.approx(servers + devices, rel=1e-9)
        assert devices > 900 * 1000


def test_a_rack_breaker_carries_what_its_pdu_meters():
    world = World(layout(16), 4, START)
    world.advance(START + 30, 0.25)
    assert world.physics.breakers.load_watts.ravel() == pytest.approx(world.plant.electric.pdu_watts)


def test_the_same_seed_gives_the_same_plant_and_another_seed_another():
    found = []
    for seed in (1, 1, 2):
        world = World(layout(16), seed, START)
        world.advance(START + 60, 1.0)
        found.append((world.plant.electric.joules.tolist(), world.plant.cables.counters["receive_bytes"].tolist()))
    assert found[0] == found[1] != found[2]


def test_training_reads_from_scratch_and_inference_hardly():
    world = hall()
    begin(world, ["xe9680-01", "xe9680-02"])
    world.advance(START + 60, STEP)
    training = world.plant.stores.read[0].copy()
    begin(world, ["xe9680-03", "xe9680-04"], Kind.INFERENCE, "8")
    world.advance(START + 120, STEP)
    serving = world.plant.stores.read[0]
    names = [server.name for server in world.hall.servers]
    assert training[names.index("xe9680-01")] > 1e9
    assert 0 < serving[names.index("xe9680-03")] < 0.05 * training[names.index("xe9680-01")]


def test_checkpoints_are_bursts_of_writes_on_scratch():
    world = hall()
    begin(world, ["xe9680-01", "xe9680-02"])
    quiet = mean_over(world, 20, lambda each: each.plant.stores.write[0].sum())
    world.patterns.checkpoint_every[:16], world.patterns.checkpoint_seconds[:16] = 100.0, 40.0
    world.patterns.work[:16] = 61.0
    world.advance(world.now + 25, STEP)
    assert world.plant.stores.write[0].sum() > 10 * quiet
    assert world.plant.stores.write[0].sum() == pytest.approx(16 * 130e6, rel=0.1)


def test_only_jobs_on_several_servers_use_the_rails():
    world = hall()
    begin(world, ["xe9680-01"], name="7")
    begin(world, ["xe9680-02", "xe9680-03"], name="8")
    rates = mean_over(world, 30, lambda each: each.plant.cables.transmit_rate)
    cables = world.plant.cables
    alone, joined = cables.rows["xe9680-01", "mlx5_0"], cables.rows["xe9680-02", "mlx5_0"]
    assert rates[alone] < 1e6
    assert 2e9 < rates[joined] < 50e9
    assert rates[cables.twin[joined]] == pytest.approx(rates[joined])


async def test_slow_metadata_lowers_utilization_and_power_of_readers_only_and_within_seconds():
    world = hall()
    begin(world, ["xe9680-01"], name="7")
    begin(world, ["xe9680-02"], Kind.INFERENCE, "8")
    world.advance(START + 60, STEP)
    before, watts = mean_over(world, 20, utilization), mean_over(world, 20, lambda each: each.physics.gpu_watts)
    control, fault = await switch_on(world, target="scratch", kind="storage_slow_metadata")
    world.advance(world.now + 10, STEP)
    during, less = mean_over(world, 20, utilization), mean_over(world, 20, lambda each: each.physics.gpu_watts)
    assert (during[:8] < 0.5 * before[:8]).all()
    assert (less[:8] < 0.6 * watts[:8]).all()
    assert during[8:16] == pytest.approx(before[8:16], abs=0.05)
    assert world.plant.stores.latency[0] > 0.03
    await control.switch_off(fault.id)
    world.advance(world.now + 20, STEP)
    assert mean_over(world, 20, utilization)[:8] == pytest.approx(before[:8], abs=0.05)


@pytest.mark.parametrize(("kind", "most"), [("storage_gone", 0.1), ("storage_full", 0.4)])
async def test_a_cluster_that_is_gone_or_full_starves_its_readers(kind, most):
    world = hall()
    begin(world, ["xe9680-01"])
    world.advance(START + 60, STEP)
    work = world.patterns.work[0]
    await switch_on(world, target="scratch", kind=kind)
    world.advance(world.now + 30, STEP)
    assert (mean_over(world, 20, utilization)[:8] < most).all()
    assert world.patterns.work[0] - work < 0.5 * 50


async def test_a_checkpoint_that_cannot_be_written_waits():
    world = hall()
    begin(world, ["xe9680-01"])
    world.patterns.checkpoint_every[:8], world.patterns.checkpoint_seconds[:8] = 100.0, 40.0
    world.patterns.work[:8] = 65.0
    await switch_on(world, target="scratch", kind="storage_full")
    world.advance(world.now + 60, STEP)
    assert 65 < world.patterns.work[0] < 80


def test_a_cluster_that_is_asked_for_more_than_it_can_give_is_slow_and_starves():
    world = hall()
    begin(world, [server.name for server in world.hall.servers if server.model.hgx])
    world.advance(START + 60, STEP)
    well, latency = mean_over(world, 10, utilization)[:8].mean(), world.plant.stores.latency[0]
    world.plant.stores.design_read[0] = 6e9
    world.advance(world.now + 30, STEP)
    assert world.plant.stores.read[0].sum() <= 6e9
    assert world.plant.stores.load[0] > 0.9
    assert mean_over(world, 10, utilization)[:8].mean() < 0.7 * well
    assert world.plant.stores.latency[0] > 5 * latency


@pytest.mark.parametrize("kind", ["link_degraded", "link_flapping", "link_down", "optics_dark"])
async def test_a_bad_rail_slows_all_ranks_of_the_jobs_that_use_it_whose_gpus_spin(kind):
    world = hall()
    begin(world, ["xe9680-01", "xe9680-02"], name="7")
    begin(world, ["xe9680-03", "xe9680-04"], name="8")
    world.advance(START + 60, STEP)
    watts, work = mean_over(world, 30, lambda each: each.physics.gpu_watts), world.patterns.work.copy()
    await switch_on(world, target="xe9680-01", kind=kind, port="mlx5_2")
    world.advance(world.now + 10, STEP)
    less, spinning = mean_over(world, 30, lambda each: each.physics.gpu_watts), mean_over(world, 10, utilization)
    assert (less[:16] < 0.9 * watts[:16]).all()
    assert less[16:32] == pytest.approx(watts[16:32], rel=0.06)
    assert (spinning[:16] > 0.9).all()
    done = world.patterns.work - work
    assert (done[:16] < 0.9 * done[16:32].min()).all()


async def test_a_flapping_link_counts_each_fall_at_both_ends():
    world = hall()
    await switch_on(world, target="ib-leaf-1", kind="link_flapping", port="IB1/1/1")
    world.advance(world.now + 90, STEP)
    cables = world.plant.cables
    row = cables.rows["ib-leaf-1", "IB1/1/1"]
    assert cables.counters["link_downs"][[row, cables.twin[row]]].tolist() == [10, 10]
    assert cables.changed_at[row] > START


async def test_a_dark_module_receives_no_light_and_a_degraded_link_is_slow_and_counts_errors():
    world = hall()
    control, _ = await switch_on(world, target="ib-leaf-1", kind="optics_dark", port="IB1/1/1")
    await control.switch_on({"target": "xe9680-01", "kind": "link_degraded", "port": "mlx5_1"})
    world.advance(world.now + 60, STEP)
    Show(world.plant).write()
    dark, slow = world.plant.plant.switch("ib-leaf-1").ports[:2]
    adapter = world.plant.plant.adapters["xe9680-01"][1]
    assert (dark.up, dark.receive_dbm) == (False, -30.0)
    assert world.plant.plant.adapters["xe9680-01"][0].up is False
    assert (slow.up, slow.speed, adapter.speed) == (True, 100e9, 100e9)
    assert slow.symbol_errors == pytest.approx(2400)
    assert slow.bit_error_ratio > 1e-9


async def test_a_switch_that_is_dead_takes_its_links_and_its_watts():
    world = hall()
    begin(world, ["xe9680-01", "xe9680-02"])
    world.advance(START + 30, STEP)
    control, fault = await switch_on(world, target="ib-leaf-2", kind="switch_gone")
    world.advance(world.now + 5, STEP)
    Show(world.plant).write()
    plant = world.plant.plant
    assert not plant.switch("ib-leaf-2").up
    assert plant.switch("ib-leaf-2").watts == 0
    assert [port.up for port in plant.adapters["xe9680-01"]] == [True] * 4 + [False] * 4
    await control.switch_off(fault.id)
    world.advance(world.now + 5, STEP)
    Show(world.plant).write()
    assert all(port.up for port in plant.adapters["xe9680-01"])
    assert plant.switch("ib-leaf-2").watts > 500


async def test_a_supply_that_failed_leaves_its_load_to_the_other():
    world = hall()
    world.advance(START + 5, STEP)
    control, _ = await switch_on(world, target="eth-leaf-1", kind="switch_psu_failed", psu=2)
    world.advance(world.now + 5, STEP)
    Show(world.plant).write()
    first, second = world.plant.plant.switch("eth-leaf-1").supplies
    assert (first.ok, second.ok, second.watts) == (True, False, 0.0)
    assert first.watts > 500
    with pytest.raises(UnknownFault, match="power supplies 1 to 2, not 3"):
        await control.switch_on({"target": "eth-leaf-1", "kind": "switch_psu_failed", "psu": 3})


async def test_a_lost_feed_takes_the_pdu_and_what_hangs_on_it_alone():
    world = hall()
    world.advance(START + 5, STEP)
    await switch_on(world, target="rack-01", kind="feed_lost", feed="A")
    world.advance(world.now + 5, STEP)
    Show(world.plant).write()
    plant = world.plant.plant
    assert [plant.pdu(f"pdu-rack-01-{feed}").up for feed in "ab"] == [False, True]
    assert plant.pdu("pdu-rack-01-a").watts == 0
    assert plant.switch("eth-leaf-1").supplies[0].watts == 0
    assert plant.switch("eth-leaf-1").up


async def test_a_failed_drive_and_a_node_that_is_down_are_told_and_cost_throughput():
    world = hall()
    world.advance(START + 5, STEP)
    control, drive = await switch_on(world, target="scratch", kind="drive_failed", node=2, bay=5)
    await control.switch_on({"target": "scratch", "kind": "storage_node_down", "node": 3})
    world.advance(world.now + 5, STEP)
    Show(world.plant).write()
    cluster = world.plant.plant.cluster("scratch")
    assert [each.bay for each in cluster.members[1].drives if each.state == "FAILED"] == [5]
    assert [member.up for member in cluster.members] == [True, True, False, True]
    assert cluster.members[2].watts == 0
    assert [(each.severity, each.resolved_at) for each in cluster.happenings] == [("error", None), ("critical", None)]
    await control.switch_off(drive.id)
    assert cluster.members[1].drives[4].state == "HEALTHY"
    assert cluster.happenings[0].resolved_at == world.now
    with pytest.raises(UnknownFault, match="bays 1 to 8, not 9"):
        await control.switch_on({"target": "scratch", "kind": "drive_failed", "bay": 9})


async def test_a_fault_of_one_thing_is_refused_for_another_with_the_names_that_there_are():
    world = hall(2)
    for body, message in (
        ({"target": "xe9680-01", "kind": "storage_full"}, "scratch, projects, objects"),
        ({"target": "scratch", "kind": "bmc_hang"}, "xe9680-01"),
        ({"target": "ib-leaf-1", "kind": "link_down", "port": "IB1/32/1x"}, "no cable at"),
    ):
        with pytest.raises(UnknownFault, match=message):
            await switch_on(world, **body)


def test_pools_fill_over_days_and_not_within_hours():
    world = World(layout(16), 4, START)
    before = world.plant.stores.used.copy()
    world.advance(START + 6 * 3600, 60.0)
    days = (world.plant.stores.size - world.plant.stores.used) / np.maximum(world.plant.stores.used - before, 1.0) / 4
    assert (world.plant.stores.used > before).all()
    assert 5 < days[0] < 120
    assert (days[1:] > 30).all()


def test_the_truth_has_what_switches_storage_and_pdus_drew():
    world = hall()
    world.advance(START + 60, STEP)
    told = truth(world)
    assert len(told["switches"]) == 4
    assert len(told["storage_nodes"]) == 13
    assert sum(pdu["joules"] for pdu in told["pdus"].values()) == pytest.approx(
        sum(each["input_joules"] for each in told["nodes"].values())
        + sum(each["joules"] for kind in ("switches", "storage_nodes") for each in told[kind].values())
    )


def test_counters_shown_never_fall_and_both_ends_of_a_rail_count_alike():
    world = World(layout(16), 4, START)
    show = Show(world.plant)
    show.write()
    leaf = world.plant.plant.switch("ib-leaf-1")
    before = [(port.receive_bytes, port.symbol_errors) for port in leaf.ports]
    adapter = world.plant.plant.adapters["xe9680-01"][0]
    sent = adapter.transmit_bytes
    world.advance(START + 120, STEP)
    show.write()
    after = [(port.receive_bytes, port.symbol_errors) for port in leaf.ports]
    assert all(now[0] >= then[0] and now[1] >= then[1] for now, then in zip(after, before, strict=True))
    assert leaf.ports[0].receive_bytes - before[0][0] == pytest.approx(adapter.transmit_bytes - sent)
