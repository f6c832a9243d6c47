"""Alerts that a site's Prometheus evaluates are shown as ours are."""

import math

import pytest

from alerts.model import fingerprint
from alerts.peer import Peer, alerts_of
from wattstat.store.protocol import QueryError

LABELS = {"alertname": "GpuLost", "node": "gpu-017", "severity": "critical"}
TOLD = {
    "labels": LABELS,
    "annotations": {"summary": "A GPU is lost"},
    "state": "firing",
    "activeAt": "2026-11-23T08:00:00.123456789Z",
    "value": "1e+00",
}


def groups(*alerts, **rule):
    more = {"name": "GpuLost", "query": "wattstat_gpu_lost == 1", "duration": 60, "health": "ok", **rule}
    return [{"name": "wattstat-gpu", "rules": [{**more, "alerts": list(alerts)}, {"name": "recorded", "type": "recording"}]}]


def test_an_alert_of_prometheus_has_its_labels_moments_and_expression():
    (found,) = alerts_of(groups(TOLD))

    assert (found.fingerprint, found.name, found.severity) == (fingerprint(LABELS), "GpuLost", "critical")
    assert found.active_at == pytest.approx(1795420800.123456)
    assert found.fired_at == pytest.approx(found.active_at + 60)
    assert (found.value, found.group, found.expression) == (1.0, "wattstat-gpu", "wattstat_gpu_lost == 1")


@pytest.mark.parametrize("moment", ["2026-11-23T08:00:00Z", "2026-11-23T08:00:00.5Z", "2026-11-23T09:00:00.500000001+01:00"])
def test_moments_with_any_number_of_digits_are_read(moment):
    (found,) = alerts_of(groups({**TOLD, "activeAt": moment}))

    assert found.active_at == pytest.approx(1795420800, abs=0.6)


def test_what_is_pending_has_not_fired():
    (found,) = alerts_of(groups({**TOLD, "state": "pending"}))

    assert (found.state, found.fired_at) == ("pending", None)


@pytest.mark.parametrize("broken", [{"labels": {}}, {"activeAt": "soon"}, {"activeAt": None}])
def test_an_alert_that_nobody_could_name_or_date_is_left_out(broken):
    assert list(alerts_of(groups({**TOLD, **broken}))) == []


def test_a_value_that_is_no_number_is_none_of_ours():
    (found,) = alerts_of(groups({**TOLD, "value": ""}))

    assert math.isnan(found.value)


async def test_when_prometheus_is_silent_the_last_alerts_stay_and_the_reason_is_told():
    now, answers = [0.0], [groups(TOLD, health="err", lastError="many-to-many"), QueryError("connection refused")]

    async def ask():
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    peer = Peer(ask, clock=lambda: now[0])

    assert [alert.name for alert in await peer.active()] == ["GpuLost"]
    assert await peer.failing() == {"GpuLost": "many-to-many"}
    now[0] = 10.0
    assert [alert.name for alert in await peer.active()] == ["GpuLost"]
    assert await peer.failing() == {"Prometheus": "connection refused", "GpuLost": "many-to-many"}
