"""A server's own meter: shape by power, total by the BMC's counter."""

import pytest

from energy.ledger.meter import NodeMeter
from tests.energy.oracle import Power


def _run(power: Power, *, gauge: float = 1.0, seconds: int = 7200, holes=(), counter=True) -> tuple[NodeMeter, list[float]]:
    """Power every 10 s, the counter in whole Wh every minute, settled with a lag of 40 s; the joules posted by then."""
    meter = NodeMeter()
    posted = [0.0]
    for second in range(0, seconds + 1, 10):
        if any(since <= second < until for since, until in holes):
            continue
        meter.read(power.at(second) * gauge, second)
        if counter and second % 60 == 0:
            meter.count(3600.0 * int(power.joules(second) / 3600), second)
        until = second - 40
        if until > meter.knots[0].at and (meter.newest or 0) >= until:
            origin = meter.knots[0].joules
            base = meter.advanced(until)
            total = base.origin - origin + base.posted
            posted.append(posted[-1] + total - meter.posted)
            assert posted[-1] >= posted[-2] - 1e-6
            meter.forget(base)
    return meter, posted


def test_power_alone_is_integrated_by_trapezoids():
    _, posted = _run(Power([(0, 4000.0)]), counter=False)
    assert posted[-1] == pytest.approx(4000 * 7160)


@pytest.mark.parametrize("gauge", [0.9, 0.97, 1.0, 1.04, 1.1])
def test_a_gauge_that_is_wrong_is_put_right_by_the_counter(gauge):
    power = Power([(0, 4000.0), (1800, 6500.0), (3600, 2500.0), (5400, 6000.0)])
    meter, posted = _run(power, gauge=gauge)
    assert posted[-1] == pytest.approx(power.joules(7160), abs=3600 * 3 + 6000 * 12)
    assert meter.gain == pytest.approx(1 / gauge, rel=0.02)


def test_a_hole_holds_what_the_counter_says():
    power = Power([(0, 4000.0), (1300, 9000.0), (1700, 4000.0)])
    _, posted = _run(power, holes=((1200, 1800),))
    assert posted[-1] == pytest.approx(power.joules(7160), abs=3600 * 4)


def test_a_counter_that_begins_anew_is_taken_up_again():
    meter = NodeMeter()
    for second in range(0, 601, 10):
        meter.read(3600.0, second)
        if second % 60 == 0:
            meter.count(3600.0 * (second + 5000 if second < 300 else second - 300), second)
    assert meter.knots[-1].joules == pytest.approx(3600 * 600, rel=0.01)


def test_a_meter_that_is_thinned_out_between_settling_and_committing_loses_no_joule():
    thick, thin = NodeMeter(), NodeMeter()
    for second in range(0, 2001, 10):
        for meter in (thick, thin):
            meter.read(500.0 + second % 70, float(second))
        if second == 1000:
            bases = thick.advanced(900.0), thin.advanced(900.0)
        thin.thin(50)
    assert len(thin.knots) <= 50 < len(thick.knots)
    for meter, base in zip((thick, thin), bases, strict=True):
        meter.forget(base)
    rest = [meter.knots[-1].joules - meter.posted for meter in (thick, thin)]
    assert rest[0] == pytest.approx(rest[1])
    assert rest[0] == pytest.approx(1100 * 530, rel=0.01)
    assert len(thin.knots) == len(thin.watts)
