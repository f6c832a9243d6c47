"""Switches and storage in the books: what their meters count serves the site."""

import pytest

from energy.model import Account, Method
from tests.energy.hall import START, Bench
from wattstat import inventory
from wattstat.catalogue import network, storage
from wattstat.catalogue.metric import Sample
from wattstat.hall import Block, BlockKey, Snapshot

HALL = inventory.loads("""
racks: [{name: r1}]
nodes: [{name: n1, rack: r1}]
switches: [{name: leaf1, rack: r1}]
storage: [{name: scratch, kind: powerscale, url: "https://scratch", nodes: [{name: scratch-1, rack: r1}]}]
""")


def told(bench, *samples, age=0.0):
    now = bench.clocks.wall()
    block = Block(key=BlockKey("test", "all", ""), samples=samples, taken_at=now - age, interval_seconds=60)
    bench.ledger.see(Snapshot(taken_at=now, blocks=(block,)))


def joules(bench, name):
    return sum(posting.joules for posting in bench.books.postings if posting.node == name)


def played(*samples, seconds=100):
    bench = Bench(inventory=HALL)
    for second in range(0, seconds + 1, 10):
        bench.clocks.steady = START + second
        bench.observe()
        told(bench, *samples)
        bench.settle()
    return bench


def test_a_switch_and_a_storage_node_are_overhead_joule_by_joule():
    bench = played(
        Sample(network.SWITCH_POWER_WATTS, ("leaf1", "psu_input"), 500.0),
        Sample(storage.STORAGE_NODE_POWER_WATTS, ("scratch", "scratch-1", "sensor"), 400.0),
    )

    assert {posting.account for posting in bench.books.postings} == {Account.OVERHEAD}
    for name, watts in (("leaf1", 500), ("scratch-1", 400)):
        assert joules(bench, name) == pytest.approx(watts * (bench.settled_steady(name) - START))
    assert {posting.methods for posting in bench.books.postings} == {Method.INTEGRAL}


def test_a_sensor_that_is_read_once_a_minute_or_so_has_no_holes_until_three_of_its_readings_are_missing():
    bench = Bench(inventory=HALL)
    read_at = (0, 64, 120, 184, 250, 550)
    for second in range(0, 601, 10):
        bench.clocks.steady = START + second
        bench.observe()
        newest = max(at for at in read_at if at <= second)
        if second - newest < 180:
            told(bench, Sample(network.SWITCH_POWER_WATTS, ("leaf1", "psu_input"), 500.0), age=second - newest)
        bench.settle()

    assert joules(bench, "leaf1") == pytest.approx(550 * 500)
    assert sum(posting.estimated_joules for posting in bench.books.postings) == pytest.approx(300 * 500)
    # Of the hole half may be wrong, of the minutes before it nothing.
    assert sum(posting.error_joules for posting in bench.books.postings) == pytest.approx(300 * 500 / 2)


def test_what_only_its_supplies_output_is_known_of_counts_with_their_loss():
    bench = played(Sample(network.SWITCH_POWER_WATTS, ("leaf1", "psu_output"), 470.0))

    assert joules(bench, "leaf1") == pytest.approx(500 * (bench.settled_steady("leaf1") - START))


def test_a_switch_that_nobody_reads_has_no_line_in_the_books():
    assert played().books.postings == []
