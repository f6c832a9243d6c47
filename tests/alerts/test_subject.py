"""Which device an alert is about."""

import pytest

from alerts.subject import Subject, subject


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"node": "gpu-017", "gpu": "3", "uuid": "GPU-1"}, ("node", "gpu-017", "GPU 3")),
        ({"node": "gpu-017", "rack": "r12", "component": "server"}, ("node", "gpu-017", "")),
        ({"node": "gpu-017", "psu": "PSU.Slot.2"}, ("node", "gpu-017", "PSU.Slot.2")),
        ({"node": "gpu-017", "device": "mlx5_0", "port": "1"}, ("node", "gpu-017", "mlx5_0 port 1")),
        ({"switch": "ib-leaf-1", "port": "1/7", "kind": "effective"}, ("switch", "ib-leaf-1", "port 1/7")),
        ({"switch": "leaf-1", "psu": "2", "rack": "r1"}, ("switch", "leaf-1", "PSU 2")),
        ({"storage": "scratch", "storage_node": "scratch-1", "psu": "1"}, ("storage", "scratch", "scratch-1 PSU 1")),
        ({"pdu": "pdu-01a", "phase": "L1"}, ("pdu", "pdu-01a", "phase L1")),
        ({"rack": "r12", "source": "pdu"}, ("rack", "r12", "")),
        ({"budget": "r12", "kind": "rack"}, ("rack", "r12", "")),
        ({"budget": "hall", "kind": "site"}, ("site", "", "")),
        ({"budget": "r12-a", "kind": "breaker"}, ("breaker", "r12-a", "")),
        ({"manager": "bcm", "device": "gpu-3", "check": "mounts"}, ("manager", "bcm", "gpu-3 mounts")),
        ({"manager": "bcm", "node": "gpu-3", "check": "state"}, ("node", "gpu-3", "state")),
        ({"scheduler": "slurm", "job_id": "17"}, ("job", "17", "")),
        ({"account": "physics"}, ("account", "physics", "")),
        ({"collector": "redfish", "target": "gpu-017", "tier": "fast"}, ("node", "gpu-017", "redfish tier fast")),
        ({"collector": "switches", "target": "leaf-1"}, ("switch", "leaf-1", "switches")),
        ({"collector": "somebody's", "target": "pump"}, ("device", "pump", "somebody's")),
        ({"kind": "switch", "device": "leaf-1", "source": "pdu"}, ("switch", "leaf-1", "")),
        ({"instance": "127.0.0.1:9838", "job": "wattstat"}, ("wattstat", "127.0.0.1:9838", "")),
        ({"receiver": "pager"}, ("site", "", "receiver pager")),
        ({}, ("site", "", "")),
    ],
)
def test_labels_name_the_device_and_what_of_it(labels, expected):
    assert subject(labels) == expected


def test_the_scraped_process_is_no_device_beside_a_real_one():
    assert subject({"node": "gpu-1", "instance": "core:9838", "job": "wattstat"}) == ("node", "gpu-1", "")


def test_the_site_needs_no_name():
    assert str(Subject("site", "")) == "site"
    assert str(Subject("node", "gpu-1", "GPU 3")) == "node gpu-1"
