"""A small hall with PDUs, switches and storage, and what collectors could have posted about it."""

from wattstat import inventory
from wattstat.catalogue import facility, job, network, node, storage
from wattstat.catalogue.metric import Samples
from wattstat.hall import Block, BlockKey, Hall

NOW = 1_000.0
TEXT = """
breakers: [{name: a, limit_watts: 9000}]
racks: [{name: r1, row: "1", breakers: [a]}, {name: r2, breakers: [a]}, {name: empty}]
nodes: [{name: gpu1, rack: r1}, {name: gpu2, rack: r1}, {name: gpu3, rack: r2}]
loads: [{name: pump, kind: cooling, rack: r2, max_watts: 100}]
switches:
  - {name: leaf1, rack: r1, max_watts: 900}
  - {name: leaf2, rack: r2, max_watts: 900, fabric: infiniband}
storage:
  - name: scratch
    kind: powerscale
    url: https://scratch
    design_read_bytes_per_second: 40e9
    nodes: [{name: scratch-1, rack: r2, max_watts: 500}]
pdus:
  - {name: p1, rack: r1, feed: A, outlets: {"1": leaf1, "3": gpu1}, snmp: {address: 10.0.0.1}}
  - {name: p2, rack: r1, feed: B, outlets: {"1": leaf1}, snmp: {address: 10.0.0.2}}
links:
  - {node: "gpu[1-3]", device: mlx5_0, rail: 1, switch: leaf2, port: "1/{i}"}
  - {node: gpu1, device: eth0, switch: leaf1}
"""


def small_hall():
    """Its inventory."""
    return inventory.loads(TEXT)


def told(*samples, age=0.0):
    """The snapshot of a hall that holds these samples (metric, value, labels…), `age` seconds old."""
    hall = Hall(clock=lambda: NOW)
    out = Samples()
    for metric, value, *labels in samples:
        out.add(metric, value, *labels)
    hall.post(Block(key=BlockKey("test", "all", ""), samples=tuple(out), taken_at=NOW - age, interval_seconds=60))
    return hall.snapshot()


def everything():
    """Readings of all that can be read in the small hall."""
    return (
        (node.NODE_POWER_WATTS, 5000, "gpu1", "system"),
        (node.NODE_POWER_WATTS, 4900, "gpu1", "psu_sum"),
        (node.NODE_POWER_WATTS, 3000, "gpu2", "psu_sum"),
        (node.NODE_POWER_WATTS, 2000, "gpu3", "system"),
        (network.SWITCH_POWER_WATTS, 470, "leaf2", "psu_output"),
        (network.SWITCH_UP, 1, "leaf2"),
        (network.SWITCH_PORT_UP, 1, "leaf2", "1/1"),
        (network.SWITCH_PORT_UP, 0, "leaf2", "1/2"),
        (storage.STORAGE_NODE_POWER_WATTS, 374, "scratch", "scratch-1", "sensor"),
        (storage.STORAGE_UP, 1, "scratch"),
        (storage.STORAGE_LATENCY_SECONDS, 0.002, "scratch", "nfs3"),
        (facility.PDU_POWER_WATTS, 4300, "p1"),
        (facility.PDU_POWER_WATTS, 4200, "p2"),
        (facility.PDU_OUTLET_POWER_WATTS, 260, "p1", "1", "leaf1"),
        (facility.PDU_OUTLET_POWER_WATTS, 240, "p2", "1", "leaf1"),
        (facility.PDU_OUTLET_POWER_WATTS, 2500, "p1", "3", "gpu1"),
        (facility.PDU_PHASE_POWER_WATTS, 1400, "p1", "L1"),
        (job.JOB_GPU_INFO, 1, *_job("7", "gpu1")),
        (job.JOB_GPU_INFO, 1, *_job("8", "gpu3")),
    )


def _job(number, name):
    given = {"job_id": number, "node": name}
    return tuple(given.get(label, "") for label in job.JOB_GPU_INFO.labels)
