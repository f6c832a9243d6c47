"""The ring and its reader's cursor: nothing served twice, nothing missed silently, memory bounded."""

import itertools
from dataclasses import fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattstat.journal import Entry, Gpu, GpuCounts
from wattstat.serve.journal.boundaries import Boundaries
from wattstat.serve.journal.keeper import MOST_ENTRIES, Cursor, Journal
from wattstat.serve.journal.ring import CHUNK, Ring
from wattstat.serve.journal.spool import Spool

GPUS = {f"GPU-{index}": Gpu(uuid=f"GPU-{index}", index=index) for index in range(8)}


class Clock:
    now = 5000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def journal(clock, tmp_path):
    return make(clock, tmp_path)


def make(clock, folder, **values):
    boundaries = Boundaries(spool=Spool(folder=folder / "spool"), clock=clock, monotonic=clock)
    return Journal(node="n1", every_seconds=1, boundaries=boundaries, clock=clock, monotonic=clock, **values)


def beat(journal, clock, times=1, *, gpus=("GPU-0",), resets=0, every=1.0):
    """Entries with a counter that says their number."""
    for _ in range(times):
        clock.now += every
        number = float(journal.ring.count)
        counts = {uuid: GpuCounts(joules=number, resets=resets, power_joules=number) for uuid in gpus}
        journal.write_gpus(Entry(at=clock.now, gpus=counts), {uuid: GPUS[uuid] for uuid in gpus} | dict(journal.gpus))


def numbers(document):
    return [None if row[0] is None else int(row[0]) for row in document["counts"]["joules"]]


def test_a_new_journal_is_empty_and_whole(journal):
    document = journal.document()
    assert (document["ages"], document["complete"], document["cursor"]) == ([], True, 0)


def test_without_a_step_every_entry_is_served_once(journal, clock):
    beat(journal, clock, 5)
    first = journal.document()
    beat(journal, clock, 3)
    second = journal.document(after=first["cursor"], boot=journal.boot)
    assert numbers(first) + numbers(second) == list(range(8))
    assert journal.document(after=second["cursor"], boot=journal.boot)["ages"] == []


def test_a_step_keeps_its_rhythm_over_readings_and_always_has_the_newest(journal, clock):
    beat(journal, clock, 25)
    assert numbers(journal.document(step=10)) == [0, 10, 20, 24]


def test_who_reads_as_often_as_the_step_gets_little_more_than_one_entry(journal, clock):
    beat(journal, clock, 1)
    cursor, got = 0, []
    for _ in range(20):
        document = journal.document(after=cursor, boot=journal.boot, step=10)
        cursor = document["cursor"]
        got += numbers(document)
        beat(journal, clock, 10)
    assert len(got) <= 22


def test_both_sides_of_a_reset_are_kept(journal, clock):
    beat(journal, clock, 13)
    beat(journal, clock, 13, resets=1)
    assert numbers(journal.document(step=20)) == [0, 12, 13, 25]


def test_both_sides_of_a_gap_are_kept(journal, clock):
    beat(journal, clock, 13)
    clock.now += 600
    beat(journal, clock, 13)
    assert numbers(journal.document(step=20)) == [0, 12, 13, 25]


def test_both_sides_of_a_gpu_s_loss_are_kept(journal, clock):
    beat(journal, clock, 13, gpus=("GPU-0", "GPU-1"))
    beat(journal, clock, 13, gpus=("GPU-0",))
    document = journal.document(step=20)
    assert numbers(document) == [0, 12, 13, 25]
    assert document["counts"]["joules"] == [[0, 0], [12, 12], [13, None], [25, None]]


def test_another_boot_gets_everything_and_is_told_that_some_is_lost(journal, clock):
    beat(journal, clock, 5)
    document = journal.document(after=Cursor(entries=3).number, boot="another")
    assert (numbers(document), document["complete"]) == ([0, 1, 2, 3, 4], False)


@pytest.mark.parametrize("cursor", [Cursor(entries=6).number, Cursor(entries=5, boundaries=1).number, 1 << 60])
def test_a_cursor_that_was_never_given_is_another_boot_s(journal, clock, cursor):
    beat(journal, clock, 5)
    document = journal.document(after=cursor)
    assert (len(document["ages"]), document["complete"]) == (5, False)


def test_a_reader_that_was_away_for_too_long_is_told_so(journal, clock):
    beat(journal, clock, 5)
    cursor = journal.document()["cursor"]
    beat(journal, clock, 13 * CHUNK)
    late = journal.document(after=cursor, boot=journal.boot, step=60)
    assert not late["complete"]
    assert numbers(late)[0] == journal.ring.oldest > 5
    assert journal.document(after=late["cursor"], boot=journal.boot)["complete"]


def test_two_hours_are_always_there(journal, clock):
    for count in (12 * CHUNK, CHUNK - 1, 1, CHUNK):
        beat(journal, clock, count)
        assert journal.ring.count - journal.ring.oldest >= 7200


def test_who_asks_for_everything_gets_it_in_parts(journal, clock):
    beat(journal, clock, MOST_ENTRIES + 10)
    first = journal.document()
    second = journal.document(after=first["cursor"], boot=journal.boot)
    assert len(first["ages"]) == MOST_ENTRIES
    assert numbers(first) + numbers(second) == list(range(MOST_ENTRIES + 10))
    assert second["complete"]


def test_eight_gpus_stay_within_a_few_megabytes(journal, clock):
    everything = GpuCounts(**dict.fromkeys((each.name for each in fields(GpuCounts)), 1))
    for _ in range(14 * CHUNK):
        clock.now += 1
        journal.write_gpus(Entry(at=clock.now, gpus=dict.fromkeys(GPUS, everything)), GPUS)
    assert journal.ring.nbytes < 4.6e6


def test_columns_of_holders_that_are_gone_cost_nothing_in_the_end(clock):
    ring = Ring(chunks=3)
    ring.add(0.0, {"a": 1.0, "b": 1.0})
    for at in range(1, 3 * CHUNK + 1):
        ring.add(float(at), {"b": 1.0})
    assert ring.keys == ["b"]


def test_ages_are_by_the_monotonic_clock(journal, clock):
    beat(journal, clock, 3)
    clock.now += 0.25
    assert journal.document()["ages"] == [2.25, 1.25, 0.25]


def test_processors_alone_are_written_where_no_gpu_answers(journal, clock):
    joules = itertools.count(10)
    journal.cpus = lambda: {"package-0": float(next(joules))}
    for _ in range(3):
        clock.now += 1
        journal.write_cpus()
    assert journal.document()["cpus"] == {"package-0": [10, 11, 12]}

    beat(journal, clock, 2)
    clock.now += 0.3
    journal.write_cpus()
    document = journal.document()
    assert document["cpus"]["package-0"] == [10, 11, 12, 13, 14], "with the GPUs' readings, and not beside them"
    assert document["counts"]["joules"] == [[None], [None], [None], [3], [4]]

    clock.now += 3
    journal.write_cpus()
    clock.now += 1
    journal.write_cpus()
    assert len(journal.document()["ages"]) == 7, "GPUs that do not answer do not stop the processors' journal"


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.sampled_from(["beat", "gap", "reset", "read", "lost"]), st.integers(1, 40)), min_size=1, max_size=25),
    st.sampled_from([0.0, 5.0, 10.0, 33.0]),
)
def test_whatever_happens_entries_come_in_order_and_the_last_is_the_newest(tmp_path_factory, steps, step):
    clock = Clock()
    clock.now = 5000.0
    journal, got, resets = make(clock, tmp_path_factory.mktemp("j")), [], 0
    cursor = None
    for what, count in [*steps, ("read", 1)]:
        if what == "gap":
            clock.now += count
        elif what == "reset":
            resets += 1
        elif what == "read":
            document = journal.document(after=cursor, boot=journal.boot, step=step)
            assert document["complete"]
            cursor = document["cursor"]
            got += numbers(document)
        else:
            beat(journal, clock, count, resets=resets, gpus=("GPU-1",) if what == "lost" else ("GPU-0",))
    known = [number for number in got if number is not None]
    assert known == sorted(set(known))
    assert len(got) == 0 or cursor == Cursor(entries=journal.ring.count).number


@given(st.integers(0, 1 << 30), st.integers(0, (1 << 20) - 1))
def test_a_cursor_is_one_number(entries, boundaries):
    cursor = Cursor(entries=entries, boundaries=boundaries)
    assert Cursor.of(cursor.number) == cursor
    assert Cursor(entries=entries + 1).number > cursor.number
