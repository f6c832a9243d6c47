"""Whose jobs an alert hits: those on the server itself, on the servers of a rack, or on what hangs on a switch."""

import pytest

from alerts.reach import Reach, reach_of
from tests.support.premises import small_hall

REACH = reach_of(small_hall())


@pytest.mark.parametrize(
    ("labels", "nodes"),
    [
        ({"alertname": "GpuLost", "node": "gpu1", "gpu": "3"}, ("gpu1",)),
        ({"alertname": "FeedLost", "rack": "r1"}, ("gpu1", "gpu2")),
        ({"alertname": "BudgetExceeded", "budget": "1", "kind": "row"}, ("gpu1", "gpu2")),
        ({"alertname": "SwitchSilent", "switch": "leaf2"}, ("gpu1", "gpu2", "gpu3")),
        ({"alertname": "LinkErrorsHigh", "switch": "leaf2", "port": "1/2"}, ("gpu2",)),
        # The rule knows who hangs there: what was found goes before what was written.
        ({"alertname": "LinkErrorsHigh", "switch": "leaf2", "port": "1/2", "node": "gpu3", "device": "mlx5_0"}, ("gpu3",)),
        ({"alertname": "LinkErrorsHigh", "switch": "leaf2", "port": "9"}, ()),
        ({"alertname": "FeedLost", "rack": "empty"}, ()),
        # What stands in a rack does not hit the rack.
        ({"alertname": "PduSilent", "pdu": "p1", "rack": "r1"}, ()),
        ({"alertname": "Watchdog"}, ()),
    ],
    ids=lambda value: value["alertname"] if isinstance(value, dict) else None,
)
def test_an_alert_hits_the_servers_that_hang_on_its_device(labels, nodes):
    assert REACH.nodes(labels) == nodes


def test_before_the_inventory_is_read_only_the_server_itself_is_known():
    assert Reach().nodes({"node": "gpu1"}) == ("gpu1",)
    assert Reach().nodes({"rack": "r1"}) == ()
