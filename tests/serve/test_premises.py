"""What core tells about racks, storage and fabric: documents that a script can rely on."""

from tests.support.premises import everything, small_hall, told
from wattstat.serve import premises

HALL = small_hall()


def item(document, name, key):
    return next(each for each in document["items"] if each[key] == name)


def test_a_rack_shows_both_figures_and_their_coverage():
    (pdu, summed) = item(premises.racks(told(*everything()), HALL), "r1", "rack")["power"]

    assert (pdu["source"], pdu["watts"], pdu["coverage_ratio"]) == ("pdu", 8500, 1)
    assert (summed["source"], summed["watts"]) == ("sum", 8500)


def test_a_rack_that_nobody_read_has_no_watts_but_says_what_is_expected():
    (summed,) = item(premises.racks(told(), HALL), "r2", "rack")["power"]

    assert (summed["watts"], summed["measured"], summed["expected"]) == (None, 0, 4)


def test_a_switch_names_its_jobs_and_a_silent_one_is_neither_up_nor_down():
    told_now = premises.fabric_now(told(*everything()), HALL)
    leaf = item(told_now, "leaf2", "switch")

    assert (leaf["up"], leaf["ports"], leaf["ports_up"], leaf["jobs"]) == (True, 2, 1, ["7", "8"])
    assert item(told_now, "leaf1", "switch")["up"] is None
    assert len(told_now["cables"]) == 4


def test_a_storage_cluster_shows_its_design_beside_what_it_does():
    cluster = item(premises.storage_now(told(*everything()), HALL), "scratch", "storage")

    assert cluster["design_bytes_per_second"] == {"read": 40e9}
    assert cluster["latency_seconds"] == {"nfs3": 0.002}
    assert cluster["size_bytes"] is None
    assert cluster["nodes"] == [{"node": "scratch-1", "rack": "r2", "up": None, "watts": 374, "source": "sensor"}]


def test_a_pdu_shows_its_phases():
    strip = item(premises.pdus_now(told(*everything()), HALL), "p1", "pdu")

    assert (strip["watts"], strip["phases"]) == (4300, [{"phase": "L1", "watts": 1400}])
    assert item(premises.pdus_now(told(), HALL), "p2", "pdu")["watts"] is None


def test_the_exposition_has_power_of_racks_and_devices_and_the_cables():
    names = {sample.metric.name for sample in premises.samples(told(*everything()), HALL)}

    assert names == {
        "wattstat_device_power_watts",
        "wattstat_rack_power_watts",
        "wattstat_rack_power_coverage_ratio",
        "wattstat_fabric_link_info",
    }
