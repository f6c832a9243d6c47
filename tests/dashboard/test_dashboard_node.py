"""What the page of one server says of the age and the origin of its numbers."""

import dataclasses

from fixture_hall import NOW, FakeLive

from dashboard import words
from dashboard.components import server
from dashboard.pages.node import _LATE_INTERVALS, _interval
from dashboard.state import OVERVIEW, Index, hall_state
from wattstat.api.live import CollectorState, LiveSample, LiveSnapshot
from wattstat.catalogue import node

STATE = CollectorState(
    collector="redfish",
    target="n1",
    tier="medium",
    every_seconds=60,
    success=True,
    supported=True,
    duration_seconds=0.1,
    last_success=NOW,
    failing_since=None,
    error="",
    resource_errors={},
    samples=1,
    circuit_open_until=None,
)


async def test_what_is_read_every_minute_is_not_late_after_half_of_one():
    live = FakeLive()
    hall = hall_state(
        await live.hall(OVERVIEW), live.hall_inventory, [STATE, dataclasses.replace(STATE, tier="fast", every_seconds=10)]
    )

    assert _LATE_INTERVALS * _interval(hall, "n1", "medium") > 2 * 60
    assert _interval(hall, "n1", "fast") == 10
    assert _interval(hall, "elsewhere", "medium") == 0


def test_a_meter_that_is_older_than_its_panel_says_so():
    samples = (
        LiveSample({"node": "n1", "source": "system"}, 500.0, 4.0),
        LiveSample({"node": "n1", "source": "psu_sum"}, 510.0, 118.0),
    )
    index = Index(LiveSnapshot(taken_at=NOW, metrics={node.NODE_POWER_WATTS.name: samples}))

    drawn = str(server.meters(index, "n1"))

    assert f"Sum of power supplies, {words.duration(118)} ago<" in drawn
    assert drawn.count(" ago<") == 1
    assert index.age_of_power("n1", "psu_sum") == 118
