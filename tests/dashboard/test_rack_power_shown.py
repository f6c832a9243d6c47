"""The rack map says who measured a rack, how much of it, and where meter and sum differ."""

import pytest
from fixture_datapath import DatapathLive, datapath_inventory

from dashboard.components.rackmap import payload
from dashboard.problems import problems
from dashboard.rackpower import RackPower
from dashboard.state import OVERVIEW, hall_state

METERED = RackPower(metered=10_000.0, metered_coverage=1.0, summed=10_300.0, summed_coverage=1.0)


async def racks() -> dict:
    live = DatapathLive(hall_inventory=datapath_inventory())
    hall = hall_state(await live.hall(OVERVIEW), live.hall_inventory, await live.collectors())
    return {rack["name"]: rack for rack in payload(hall, problems(hall))["racks"]}


async def test_each_rack_names_its_source_and_coverage():
    found = await racks()

    assert {name: (rack["power"], rack["from"]) for name, rack in found.items()} == {
        "R01": ("12.9\u202fkW", "metered"),
        "R02": ("11.4\u202fkW", "metered"),
        "R03": ("11.2\u202fkW", "PDU silent, summed, 100\u202f% measured"),
        "R04": ("11.2\u202fkW", "summed, 100\u202f% measured"),
    }
    assert found["R01"]["differs"] == "sum \N{MINUS SIGN}13\u202f%"
    assert found["R02"]["differs"] == ""


def test_meter_and_sum_within_five_percent_are_the_same():
    assert METERED.difference is None
    assert RackPower(metered=10_000.0, summed=10_600.0, summed_coverage=1.0).difference == pytest.approx(0.06)


def test_a_sum_that_lacks_devices_may_be_lower_but_never_higher():
    assert RackPower(metered=10_000.0, summed=7_000.0, summed_coverage=0.7).difference is None
    assert RackPower(metered=10_000.0, summed=12_000.0, summed_coverage=0.7).difference == pytest.approx(0.2)


def test_a_partial_sum_is_a_lower_bound_and_a_gap_is_no_zero():
    partial = RackPower(summed=7_000.0, summed_coverage=0.7)
    nothing = RackPower(metered_coverage=0.5, summed_coverage=0.0)

    assert partial.is_partial
    assert partial.source == "summed, 70\u202f% measured"
    assert nothing.watts is None
    assert nothing.source == "PDU silent, no reading"
    assert "50\u202f% of its PDUs answer" in nothing.about
    assert RackPower().about == "nothing measures it"


def test_both_are_told_to_who_points_at_it():
    assert METERED.about == ("its PDUs measure 10.0\u202fkW; its devices sum up to 10.3\u202fkW, 100\u202f% of them measured")
