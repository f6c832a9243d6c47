"""Boundaries among a counter's readings: read by somebody else, at a moment of their own."""

import pytest

from energy.ledger.bases import merged
from energy.ledger.series import Reading, track

EVER = 1.8e8
"""What the counter had counted before: a month."""


def entry(at, joules, **more):
    return Reading(at, EVER + joules, boot="a", **more)


def edge(at, joules):
    return Reading(at, EVER + joules)


def rise(readings):
    knots = track(readings)
    return knots[-1].joules - knots[0].joules


def test_an_entry_that_was_read_before_a_boundary_and_written_after_it_is_no_reset():
    """Two jobs begin at once: the second boundary hides from the first that the next entry lies below both."""
    readings = merged([entry(0, 0), entry(2, 1400), entry(4, 2800)], [edge(1.9, 1450), edge(1.95, 1460)])

    assert rise(readings) == pytest.approx(2800)


def test_a_span_that_ended_with_a_boundary_goes_on_with_an_older_entry():
    assert rise([edge(0, 100), entry(0.5, 50), entry(2.5, 1500)]) == pytest.approx(1400)


def test_a_driver_that_was_loaded_anew_after_a_boundary_begins_at_zero_all_the_same():
    readings = [edge(0, 0), Reading(10, 700.0, boot="b"), Reading(20, 7700.0, boot="b")]

    assert rise(readings) == pytest.approx(7700, rel=0.01)


def test_a_reset_that_the_agent_saw_is_believed_however_small_the_counter_was():
    readings = [Reading(0, 3000.0, 0), Reading(10, 2000.0, 1, boot="a"), Reading(20, 9000.0, 1, boot="a")]

    assert rise(readings) == pytest.approx(9000, rel=0.01)
