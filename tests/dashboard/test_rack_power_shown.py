"""The rack map says who measured a rack, how much of it, and where meter and sum differ."""

from dataclasses import replace

from fixture_datapath import DatapathLive, datapath_inventory

from dashboard.components.rackmap import payload
from dashboard.problems import problems
from dashboard.rackpower import RackPower
from dashboard.state import OVERVIEW, hall_state

METERED = RackPower(metered=10_000.0, metered_coverage=1.0, summed=10_300.0, summed_coverage=1.0)


async def racks() -> dict:
    live = DatapathLive(hall_inventory=datapath_inventory())
    off = {"R01": -0.132, "R02": -0.018}
    hall = hall_state(await live.hall(OVERVIEW), live.hall_inventory, await live.collectors(), racks_off=off)
    return {rack["name"]: rack for rack in payload(hall, problems(hall))["racks"]}


async def test_each_rack_names_its_source_and_coverage():
    found = await racks()

    assert {name: (rack["power"], rack["from"]) for name, rack in found.items()} == {
        "R01": ("12.9\u202fkW", "metered"),
        "R02": ("11.4\u202fkW", "metered"),
        "R03": ("11.2\u202fkW", "PDU silent, summed 100\u202f%"),
        "R04": ("11.2\u202fkW", "summed 100\u202f%"),
    }
    assert found["R01"]["differs"] == "sum \N{MINUS SIGN}13\u202f%"
    assert found["R02"]["differs"] == ""


def test_meter_and_sum_within_five_percent_are_the_same():
    assert replace(METERED, off=0.049).difference is None
    assert replace(METERED, off=0.06).difference == 0.06


def test_a_swing_of_this_moment_is_no_difference():
    assert replace(METERED, summed=5_000.0, off=0.0).difference is None
    assert replace(METERED, summed=5_000.0, off=None).difference is None


def test_a_difference_of_before_is_not_told_of_a_meter_that_is_silent_now():
    assert RackPower(summed=10_000.0, summed_coverage=1.0, off=0.2).difference is None


def test_a_sum_that_lacks_devices_may_be_lower_but_never_higher():
    assert replace(METERED, summed_coverage=0.7, off=-0.3).difference is None
    assert replace(METERED, summed_coverage=0.7, off=0.2).difference == 0.2


def test_a_partial_sum_is_a_lower_bound_and_a_gap_is_no_zero():
    partial = RackPower(summed=7_000.0, summed_coverage=0.7)
    nothing = RackPower(metered_coverage=0.5, summed_coverage=0.0)

    assert partial.is_partial
    assert partial.source == "summed 70\u202f%"
    assert nothing.watts is None
    assert nothing.source == "PDU silent, no reading"
    assert "50\u202f% of its PDUs answer" in nothing.about
    assert RackPower().about == "nothing measures it"


def test_both_are_told_to_who_points_at_it():
    assert METERED.about == ("its PDUs measure 10.0\u202fkW; its devices sum up to 10.3\u202fkW, 100\u202f% of them measured")
