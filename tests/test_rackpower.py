"""What racks and devices without a cap draw, and how much of it is known."""

import json

from hypothesis import given
from hypothesis import strategies as st

from tests.support.premises import everything, small_hall, told
from wattstat import inventory, rackpower
from wattstat.catalogue import facility, network, node, storage

HALL = small_hall()


def racks(snapshot):
    found = rackpower.rack_power(snapshot, HALL, rackpower.device_power(snapshot, HALL))
    return {(each.rack, each.source): (each.watts, each.measured, each.expected) for each in found}


def without(*labels):
    """Everything but the samples that carry one of these labels."""
    return told(*(sample for sample in everything() if not set(sample[2:]) & set(labels)))


def test_a_rack_is_metered_by_its_pdus_and_summed_over_its_devices():
    found = racks(told(*everything()))

    assert found["r1", "pdu"] == (8500, 2, 2)
    assert found["r1", "sum"] == (5000 + 3000 + 500, 3, 3)
    assert ("r2", "pdu") not in found, "nothing meters it"
    assert ("empty", "sum") not in found, "nothing stands there"


def test_half_of_the_pdus_is_no_rack():
    assert racks(without("p2"))["r1", "pdu"] == (None, 1, 2)


def test_a_device_that_nobody_read_is_a_gap_and_not_zero():
    found = racks(without("gpu2"))

    assert found["r1", "sum"] == (5500, 2, 3)
    assert racks(told())["r1", "sum"] == (None, 0, 3), "nothing known is no power of 0 W"


def test_a_load_that_nobody_can_read_counts_as_missing():
    watts, measured, expected = racks(told(*everything()))["r2", "sum"]

    assert (measured, expected) == (3, 4)
    assert watts == 2000 + 500 + 374


def test_the_samples_of_a_rack_without_power_are_its_coverage_alone():
    found = rackpower.samples(told(), HALL)

    assert {sample.metric for sample in found} == {facility.RACK_POWER_COVERAGE_RATIO}
    assert {sample.value for sample in found} == {0}


def test_a_pdu_may_carry_what_the_breaker_before_it_is_rated_for_where_somebody_said_so():
    hall = inventory.loads(
        """
breakers: [{name: r1-a, limit_watts: 34500}]
racks: [{name: r1, breakers: [r1-a]}]
pdus:
  - {name: p1, rack: r1, breaker: r1-a, snmp: {address: 10.0.0.1}}
  - {name: p2, rack: r1, feed: B, snmp: {address: 10.0.0.2}}
""",
        source="test",
    )

    assert [(sample.metric, sample.labels, sample.value) for sample in rackpower.limits(hall)] == [
        (facility.PDU_LIMIT_WATTS, ("p1",), 34500)
    ]


def test_an_outlets_meter_goes_before_a_devices_own_sensor():
    both = told(*everything(), (network.SWITCH_POWER_WATTS, 1, "leaf1", "psu_input"))

    assert rackpower.device_power(both, HALL)["leaf1"][:2] == (500, "pdu")


def test_a_device_on_two_outlets_of_which_one_is_silent_is_told_by_its_own_sensor_or_not_at_all():
    half = without("p2")
    assert "leaf1" not in rackpower.device_power(half, HALL)

    own = told(
        (network.SWITCH_POWER_WATTS, 480, "leaf1", "psu_input"), (facility.PDU_OUTLET_POWER_WATTS, 260, "p1", "1", "leaf1")
    )
    assert rackpower.device_power(own, HALL)["leaf1"][:2] == (480, "psu_input")


def test_a_server_is_no_device_without_a_cap_whoever_reads_it_and_also_before_its_lister_has_answered():
    outlets = {"1": "leaf1", "3": "gpu1"}
    data = {"switches": [{"name": "leaf1"}], "pdus": [{"name": "p1", "outlets": outlets, "snmp": {"address": "10.0.0.1"}}]}
    early = inventory.loads(json.dumps(data))
    snapshot = told(
        (facility.PDU_OUTLET_POWER_WATTS, 260, "p1", "1", "leaf1"),
        (facility.PDU_OUTLET_POWER_WATTS, 2500, "p1", "3", "gpu1"),
        (storage.STORAGE_NODE_POWER_WATTS, 374, "gpu", "gpu1", "sensor"),
    )

    assert set(rackpower.device_power(snapshot, HALL)) == set()  # leaf1 has a second outlet there, gpu1 is a server
    assert rackpower.device_power(told(*[(facility.PDU_OUTLET_POWER_WATTS, 9, "p1", "3", "gpu1")]), early) == {}
    assert rackpower.device_power(snapshot, early)["leaf1"].watts == 260


def test_what_supplies_put_out_is_not_what_goes_in():
    found = rackpower.device_power(told(*everything()), HALL)["leaf2"]

    assert (found.watts, found.source) == (500, "derived")


def test_what_goes_in_is_taken_before_what_comes_out():
    both = told(
        (network.SWITCH_POWER_WATTS, 470, "leaf2", "psu_output"), (network.SWITCH_POWER_WATTS, 510, "leaf2", "psu_input")
    )

    assert rackpower.device_power(both, HALL)["leaf2"][:2] == (510, "psu_input")


def test_a_servers_baseboard_is_not_the_server():
    assert racks(told((node.NODE_POWER_WATTS, 4000, "gpu3", "hgx")))["r2", "sum"] == (None, 0, 4)


def test_readings_keep_their_age():
    assert rackpower.device_power(told(*everything(), age=7.0), HALL)["scratch-1"].age_seconds == 7.0


@given(st.sets(st.integers(0, len(everything()) - 1)))
def test_whatever_is_missing_coverage_tells_and_nothing_is_invented(chosen):
    snapshot = told(*(everything()[place] for place in sorted(chosen)))
    whole = racks(told(*everything()))
    for key, (watts, measured, expected) in racks(snapshot).items():
        assert 0 <= measured <= expected == whole[key][2]
        if watts is not None and watts != whole[key][0]:
            assert measured < expected or key == ("r1", "sum"), "less is drawn only where somebody is missing"
        assert (watts is None) == (measured == 0) or key[1] == "pdu"


def test_a_rack_with_a_feed_that_no_pdu_hangs_on_is_not_metered():
    text = """
breakers: [{name: a, limit_watts: 9000}, {name: b, limit_watts: 9000, feed: B}]
racks: [{name: r1, breakers: [a, b]}]
pdus: [{name: p1, rack: r1, STRIP, snmp: {address: 10.0.0.1}}OTHER]
"""

    def carried(strip, other=""):
        return rackpower.carriers(inventory.loads(text.replace("STRIP", strip).replace("OTHER", other)))

    second = ", {name: p2, rack: r1, feed: B, snmp: {address: 10.0.0.2}}"
    assert carried("feed: A") == carried("breaker: a") == {}, "half of it is missing"
    assert carried("feed: A", second) == carried("breaker: a", second) == {"r1": ["p1", "p2"]}
    assert carried("kind: apc") == {"r1": ["p1"]}, "nobody said what it hangs on"
    assert carried("feed: A, carries_rack: false", second) == {}


def test_what_was_not_read_is_named():
    found = rackpower.rack_power(without("gpu2", "p2"), HALL, rackpower.device_power(without("gpu2", "p2"), HALL))

    assert {each.source: each.unread for each in found if each.rack == "r1"} == {"pdu": ("p2",), "sum": ("gpu2", "leaf1")}
