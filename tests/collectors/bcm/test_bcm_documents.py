"""Whatever form a manager's lists have, and whatever stands in them."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.bcm import crosscheck, documents, figures
from collectors.bcm.documents import Device, Row, State
from collectors.bcm.source import BcmSource
from simulator.bcm import Machine, Shown, shown
from simulator.bcm import documents as written
from simulator.site import layout
from simulator.world import World
from tests.support.redfish_replay import leaves
from wattstat.config.devices import BaseCommand
from wattstat.hall import Snapshot
from wattstat.inventory import Inventory

# As a BCM 11.0 answers.
ELEVEN = [
    {"category": "default", "cluster": "BCM 11.0 Cluster", "hostname": "node001", "ip": "10.141.0.1", "type": "PhysicalNode"},
    {"cluster": "BCM 11.0 Cluster", "hostname": "head", "ip": "10.141.255.254", "roles": ["headnode"], "type": "HeadNode"},
    {"hostname": "switch01", "type": "EthernetSwitch"},
]


def test_devices_are_read_as_a_bcm_11_writes_them():
    node, head, switch = documents.devices(ELEVEN)

    assert node == Device(name="node001", kind="PhysicalNode", category="default", ip="10.141.0.1")
    assert [each.is_server for each in (node, head, switch)] == [True, True, False]
    assert documents.devices({"data": ELEVEN}) == documents.devices(ELEVEN)


@pytest.mark.parametrize(
    "place",
    [
        {"rack": {"name": "r07", "position": 12}},
        {"rack": {"rack": "r07", "position": "12"}},
        {"rack": "r07", "rack_position": 12},
        {"rack": "r07", "rackPosition": 12.0},
    ],
)
def test_a_place_is_found_however_it_is_written(place):
    (found,) = documents.devices([{"hostname": "n", **place}])
    assert (found.rack, found.unit) == ("r07", 12)


@pytest.mark.parametrize("position", [0, -1, 1.5, 61, None, "top", True, []])
def test_what_is_no_unit_is_no_place(position):
    (found,) = documents.devices([{"hostname": "n", "rack": {"name": "r", "position": position}}])
    assert (found.rack, found.unit) == ("r", None)


def test_racks_list_devices_or_their_names():
    assert documents.racks([{"name": "r1", "devices": [{"hostname": "a", "position": 3}, "b"]}]) == {
        "a": ("r1", 3),
        "b": ("r1", None),
    }
    assert documents.racks({"r1": ["a"]}) == {"a": ("r1", None)}


@pytest.mark.parametrize(
    "document",
    [
        [{"hostname": "n1", "status": "UP"}, {"hostname": "n2", "status": "DOWN"}],
        {"data": [{"name": "n1", "state": "UP"}, {"entity": "n2", "state": "DOWN"}]},
        {"n1": "UP", "n2": "DOWN"},
        {"n1": {"status": "[   UP   ]"}, "n2": {"status": "DOWN"}},
    ],
)
def test_states_are_found_however_they_are_wrapped(document):
    assert {name: state.word for name, state in documents.states(document).items()} == {"n1": "up", "n2": "down"}


def test_a_failed_health_check_stands_beside_the_state():
    found = documents.states(
        [
            {"hostname": "a", "status": "[   UP   ], health check failed"},
            {"hostname": "b", "status": "UP", "health_check_failed": False},
            {"hostname": "c", "status": "UP"},
        ]
    )
    assert found["a"] == State(word="up", checks={"health": False})
    assert found["b"].checks == {"health": True}
    assert found["c"].checks == {}


def test_rows_are_read_as_a_9_0_writes_them():
    document = {
        "data": [
            {
                "age": 144.381,
                "entity": "workergpu16",
                "measurable": "gpu_utilization:gpu0",
                "raw": 0.3096,
                "time": 1584396000000,
                "value": "31.0%",
            },
            {"age": 5000, "entity": "old", "measurable": "gpu_utilization:gpu0", "raw": 1.0, "value": "100.0%"},
            {"entity": "w", "measurable": "gpu_utilization:gpu1", "raw": None, "value": "no data"},
            {"entity": "", "measurable": "x"},
        ]
    }
    first, second = documents.rows(document)

    assert first == Row(entity="workergpu16", measurable="gpu_utilization", parameter="gpu0", raw=0.3096, value="31.0%")
    assert second.raw is None
    assert figures.gpus([first, second]) == {"workergpu16": 1}


def test_gpus_are_counted_also_where_rows_do_not_name_them():
    rows = [Row(entity="w", measurable="gpu_utilization", raw=0.5), Row(entity="w", measurable="gpu_utilization", raw=0.1)]
    assert figures.gpus(rows) == {"w": 2}


@pytest.mark.parametrize(
    ("raw", "value", "expected"),
    [
        (0.31, "31.0%", 0.31),
        (1.0, "100.0%", 1.0),
        (1.0, "1.0%", 0.01),
        (31.0, "31.0%", 0.31),
        (0.0, "0.0%", 0.0),
        (0.5, "", 0.5),
        (31.0, "31", None),
        (None, "31%", None),
        (-1.0, "", None),
    ],
)
def test_a_share_is_what_number_and_text_agree_on(raw, value, expected):
    assert figures.ratio(Row(entity="base", measurable="x", raw=raw, value=value)) == pytest.approx(expected)


def test_a_complaint_with_http_200_is_an_error():
    assert documents.complaint({"error": "no permission"}) == "no permission"
    assert documents.complaint({"data": [], "error": "x"}) == documents.complaint([]) == ""


def test_only_what_both_know_is_compared():
    ours = {"a": crosscheck.Ours(8, True), "b": crosscheck.Ours(None, None), "c": crosscheck.Ours(8, True)}
    judged, differences = crosscheck.compared(ours, {"a": "installing", "b": "down", "c": "down"}, {"a": 8, "b": 8})

    assert judged == {("a", "gpus"): False, ("c", "state"): True}
    assert [str(each) for each in differences] == ["c: the manager says down, Wattstat up"]


CLUSTER = Shown(
    now=1_760_000_000.0,
    machines=[Machine(name=f"n{number}", rack="r1", unit=number, gpus=[(0.5, 300.0)] * 4, gpu_count=4) for number in (1, 2)],
    others=[("sw", "Switch")],
)
DOCUMENTS = {
    "fast": {
        "status": written.status(CLUSTER),
        "totals": written.latest(CLUSTER, "base", ""),
        "gpus": written.latest(CLUSTER, "", "gpu_utilization"),
        "measurable RunningJobs": written.latest(CLUSTER, "", "RunningJobs"),
        "up": written.latest(CLUSTER, "", "DeviceIsUp"),
    },
    "slow": {"devices": written.devices(CLUSTER), "racks": written.racks(CLUSTER)},
}
PLACES = {tier: [path for path in leaves(told) if len(path) > 1] for tier, told in DOCUMENTS.items()}
JUNK = (None, "", -1, True, [], {}, [None], "9" * 400, 2**80, 1e308, math.inf, math.nan, "UP", {"rack": {"name": {}}})
INVENTORY = Inventory.model_validate({"nodes": [{"name": "n1", "gpus": 4}, {"name": "n2"}]})
OURS = crosscheck.observed(INVENTORY, Snapshot(taken_at=0, blocks=()))


def checked(tier, told):
    source = BcmSource(
        target="bcm",
        settings=BaseCommand(name="bcm", url="https://head:8081"),
        tiers=(),
        web=None,
        inventory=INVENTORY,
        hall=lambda: Snapshot(taken_at=0, blocks=()),
    )
    made = source.parse(tier, {**told, "ours": OURS, "suspected": frozenset()}).samples
    assert all(math.isfinite(sample.value) and sample.value >= 0 for sample in made)
    keys = [(sample.metric.name, sample.labels) for sample in made]
    assert len(keys) == len(set(keys))
    assert all(isinstance(label, str) for sample in made for label in sample.labels)
    return made


def changed(value, path, new):
    name, rest = path[0], path[1:]
    copied = dict(value) if isinstance(value, dict) else list(value)
    copied[name] = changed(value[name], rest, new) if rest else new
    return copied


@pytest.mark.parametrize("tier", ["fast", "slow"])
def test_the_documents_tell_something(tier):
    assert len(checked(tier, DOCUMENTS[tier])) > 4


@settings(max_examples=300)
@given(tier=st.sampled_from(["fast", "slow"]), place=st.integers(0, 10**6), junk=st.sampled_from(JUNK))
def test_any_value_may_be_anything(tier, place, junk):
    path = PLACES[tier][place % len(PLACES[tier])]
    checked(tier, changed(DOCUMENTS[tier], path, junk))


@settings(max_examples=300)
@given(
    tier=st.sampled_from(["fast", "slow"]),
    told=st.recursive(
        st.sampled_from(JUNK) | st.text(max_size=5) | st.floats() | st.integers(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["data", "hostname", "status", "rack", "devices", "entity", "measurable", "raw"]),
                inner,
                max_size=5,
            )
        ),
        max_leaves=15,
    ),
)
def test_any_document_may_be_any_json(tier, told):
    checked(tier, dict.fromkeys(DOCUMENTS[tier], told))


def test_empty_lists_make_no_numbers():
    assert [sample.metric.name for sample in checked("fast", {"status": [], "totals": {"data": []}})] == [
        "wattstat_cluster_manager_up"
    ]
    assert checked("slow", {"devices": [], "racks": []}) == []


def test_the_simulated_hall_is_shown_as_its_physics_have_it():
    world = World(layout(4, 1), 1, 1_760_000_000.0)
    world.physics.present[0] = False
    found = shown(world)
    first = world.hall.servers[0]

    assert [machine.name for machine in found.machines] == [server.name for server in world.hall.servers]
    assert (found.machines[0].rack, found.machines[0].unit) == (first.rack, first.unit)
    assert found.machines[0].gpu_count == len(first.gpu_rows) == len(found.machines[0].gpus) + 1
    assert {kind for _, kind in found.others} == {"Switch", "PowerDistributionUnit"}
    total = next(row for row in written.latest(found, "base", "")["data"] if row["measurable"] == "TotalGPUPowerUsage")
    assert total["raw"] == pytest.approx(world.physics.gpu_watts[1:].sum())
