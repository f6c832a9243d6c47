"""What the control room is told about storage, switches and rails."""

from dashboard.plantproblems import problems
from dashboard.problem import Level
from wattstat.api.live import LiveSample, LiveSnapshot
from wattstat.catalogue import network, storage
from wattstat.inventory import Inventory

HALL = Inventory.model_validate({"nodes": [{"name": "gpu1"}, {"name": "gpu2"}]})


def told(*samples, silent=()):
    """The lines for these samples: metric, value, labels in its order."""
    families = {}
    for metric, value, *labels in samples:
        families.setdefault(metric.name, []).append(LiveSample(dict(zip(metric.labels, labels, strict=True)), value, 1.0))
    snapshot = LiveSnapshot(taken_at=0.0, metrics={name: tuple(found) for name, found in families.items()})
    return {(each.kind, each.where): (each.level, each.what) for each in problems(snapshot, HALL, silent)}


def cable(node, device, switch):
    return (network.FABRIC_LINK_INFO, 1, node, device, "1", switch, "1/1", "inventory")


def test_nothing_known_is_nothing_wrong():
    assert told() == {}


def test_a_cabled_rail_that_is_down_names_the_leaf_and_a_free_port_is_no_fault():
    found = told(
        cable("gpu1", "mlx5_0", "leaf1"),
        cable("gpu1", "mlx5_1", "leaf2"),
        (network.INFINIBAND_PORT_ACTIVE, 0, "gpu1", "mlx5_0", "1"),
        (network.INFINIBAND_PORT_ACTIVE, 0, "gpu1", "mlx5_1", "1"),
        (network.INFINIBAND_PORT_ACTIVE, 0, "gpu2", "mlx5_7", "1"),
    )

    assert found == {("rail_down", "gpu1"): (Level.CRITICAL, "2 rails down (mlx5_0, mlx5_1, towards leaf1, leaf2)")}


def test_a_switch_with_a_failed_supply_or_fan_is_critical():
    found = told(
        (network.SWITCH_PSU_OK, 0, "leaf1", "2"),
        (network.SWITCH_PSU_OK, 1, "leaf1", "1"),
        (network.SWITCH_FAN_OK, 0, "leaf1", "3"),
    )

    assert found["switch_psu", "leaf1"] == (Level.CRITICAL, "Power supply 2 of the switch failed")
    assert found["switch_fan", "leaf1"] == (Level.CRITICAL, "Fan 3 of the switch failed")


def test_a_cluster_is_nearly_full_then_full_and_one_of_unknown_size_is_neither():
    def used(name, value):
        return (storage.STORAGE_CAPACITY_BYTES, value, name, "used")

    found = told(
        used("a", 86), used("b", 96), used("c", 50), used("d", 99), (storage.STORAGE_CAPACITY_BYTES, 99, "c", "reserved"),
        *((storage.STORAGE_SIZE_BYTES, 100, name) for name in "abc"),
    )  # fmt: skip

    assert found == {
        ("storage_full", "a"): (Level.WARNING, "86 % full"),
        ("storage_full", "b"): (Level.CRITICAL, "96 % full"),
    }


def test_a_cluster_at_its_design_and_one_that_answers_late_are_told():
    found = told(
        (storage.STORAGE_THROUGHPUT_BYTES_PER_SECOND, 36e9, "a", "read"),
        (storage.STORAGE_DESIGN_BYTES_PER_SECOND, 40e9, "a", "read"),
        (storage.STORAGE_THROUGHPUT_BYTES_PER_SECOND, 36e9, "b", "read"),
        (storage.STORAGE_LATENCY_SECONDS, 0.12, "a", "nfs3"),
        (storage.STORAGE_LATENCY_SECONDS, 0.002, "a", "nfs4"),
    )

    assert found["storage_busy", "a"][1] == "read traffic at 90 % of its design"
    assert found["storage_slow", "a"][1] == "nfs3 takes 120 ms: whoever reads from it waits"
    assert len(found) == 2


def test_drives_that_do_their_work_are_no_trouble():
    found = told(
        (storage.STORAGE_DRIVES, 46, "a", "HEALTHY"),
        (storage.STORAGE_DRIVES, 2, "a", "L3"),
        (storage.STORAGE_DRIVES, 0, "a", "SMARTFAIL"),
        (storage.STORAGE_DRIVES, 1, "b", "bad"),
    )

    assert found == {("storage_drives", "b"): (Level.WARNING, "1 drive bad")}


def test_a_node_of_the_cluster_that_is_down_is_critical_and_a_supply_a_warning():
    found = told(
        (storage.STORAGE_NODE_UP, 0, "a", "a-2"),
        (storage.STORAGE_NODE_UP, 1, "a", "a-1"),
        (storage.STORAGE_NODE_PSU_OK, 0, "a", "a-1", "2"),
    )

    assert found["storage_node", "a"] == (Level.CRITICAL, "Storage node a-2 is down")
    assert found["storage_psu", "a"] == (Level.WARNING, "Power supply 2 of a-1 failed")


def test_links_with_bit_errors_after_correction_are_one_line_a_switch_and_raw_ones_are_none():
    found = told(
        (network.SWITCH_PORT_BIT_ERROR_RATIO, 3e-11, "leaf1", "1/1", "effective"),
        (network.SWITCH_PORT_BIT_ERROR_RATIO, 3e-11, "leaf1", "1/1", "symbol"),
        (network.SWITCH_PORT_BIT_ERROR_RATIO, 2e-12, "leaf1", "1/2", "symbol"),
        (network.SWITCH_PORT_BIT_ERROR_RATIO, 1e-7, "leaf1", "1/3", "raw"),
        (network.SWITCH_PORT_BIT_ERROR_RATIO, 1e-14, "leaf2", "1/1", "effective"),
    )

    assert found == {("bit_errors", "leaf1"): (Level.CRITICAL, "2 links with bit errors after correction (1/1, 1/2)")}


def test_a_rail_that_is_slower_than_the_servers_others_is_told_and_a_slower_storage_port_is_none():
    def rate(device, gigabits):
        return (network.INFINIBAND_PORT_RATE_BITS_PER_SECOND, gigabits * 1e9, "gpu1", device, "1")

    found = told(
        cable("gpu1", "mlx5_0", "leaf1"),
        cable("gpu1", "mlx5_1", "leaf1"),
        (network.FABRIC_LINK_INFO, 1, "gpu1", "mlx5_8", "", "eth", "3", "inventory"),
        rate("mlx5_0", 100), rate("mlx5_1", 400), rate("mlx5_8", 200),
    )  # fmt: skip

    assert found == {("rail_slow", "gpu1"): (Level.WARNING, "1 rail slower than the others (mlx5_0 at 100 Gb/s)")}


def test_the_fan_of_a_dead_supply_is_no_line_of_its_own():
    dead = (network.SWITCH_PSU_OK, 0, "leaf1", "1")
    fan = (network.SWITCH_FAN_OK, 0, "leaf1", "psu 1 fan 1")

    assert set(told(dead, fan)) == {("switch_psu", "leaf1")}
    assert set(told(fan)) == {("switch_fan", "leaf1")}


def test_rails_towards_a_dead_switch_are_one_line_of_the_switch():
    found = told(
        cable("gpu1", "mlx5_0", "leaf1"), cable("gpu1", "mlx5_1", "leaf2"), cable("gpu2", "mlx5_0", "leaf1"),
        *((network.INFINIBAND_PORT_ACTIVE, 0, node, device, "1")
          for node, device in (("gpu1", "mlx5_0"), ("gpu1", "mlx5_1"), ("gpu2", "mlx5_0"))),
        silent={"leaf1"},
    )  # fmt: skip

    assert found == {
        ("switch_rails", "leaf1"): (Level.CRITICAL, "2 rails of 2 servers down with it"),
        ("rail_down", "gpu1"): (Level.CRITICAL, "1 rail down (mlx5_1, towards leaf2)"),
    }
