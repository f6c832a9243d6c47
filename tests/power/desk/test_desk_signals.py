"""Numbers and checkpoints at the desk, and the policies that people know by name."""

import pytest

from power.desk.refusal import Refusal
from power.desk.signal_calls import SignalCalls
from power.policies.reader import from_json
from power.policies.records import Refused
from tests.support.power_desk import ADA, NOW, OLGA
from wattstat.api.power_bodies import CheckpointBody, MakeBody, SignalBody
from wattstat.document import InvalidDocument


@pytest.fixture
def calls(desk):
    return SignalCalls(desk)


def test_a_number_counts_and_is_on_the_trail(calls, desk):
    told = calls.signal("spot-price", SignalBody(value=0.41), OLGA, dry_run=False)

    assert told == {"name": "spot-price", "value": 0.41, "until": "2026-09-21T14:28:20.000Z"}
    assert calls.signals()["items"] == [{"name": "spot-price", "value": 0.41}]
    assert desk.trail.read()[0].body["what"] == "post signal"
    assert desk.steering.decisions == 1


def test_a_number_has_no_dry_run_and_so_does_nothing_by_one(calls):
    with pytest.raises(Refusal, match="try those with a preview"):
        calls.signal("spot-price", SignalBody(value=0.41), OLGA, dry_run=True)
    assert calls.signals()["items"] == []


def test_a_number_without_a_name_is_refused(calls):
    with pytest.raises(Refused, match="no name of a signal"):
        calls.signal("Spot Price", SignalBody(value=0.41), OLGA, dry_run=False)


def test_a_job_announces_its_checkpoint(calls, desk):
    told = calls.checkpoint(CheckpointBody(job_id="77", seconds=30), OLGA, dry_run=False)

    assert told["until"] == "2026-09-21T14:13:50.000Z"
    assert desk.posted.announced(NOW + 1) == {("slurm", "77"): NOW + 30}


def test_predefined_policies_are_made_and_not_saved(calls, desk):
    names = [each["name"] for each in calls.predefined()["items"]]
    made = calls.made("night-cap", MakeBody(owner="facility", scope={"rack": "r1"}, parameters={"percent": 60}))

    assert {"static-cap", "night-cap", "hot-inlet", "demand-response", "emergency"} <= set(names)
    assert from_json(made["policy"]).ask.gpu_cap.percent == 60
    assert desk.repository.policies() == ()


@pytest.mark.parametrize(
    ("name", "parameters", "says"),
    [
        ("static-cap", {}, "watts: is missing"),
        ("night-cap", {"percentage": 60}, "night-cap has none such; expected percent"),
        ("night-cap", {"owner": "eve"}, "night-cap has none such"),
        ("noon-cap", {}, "is none of static-cap"),
    ],
)
def test_what_makes_no_policy_is_told(calls, name, parameters, says):
    with pytest.raises(Refusal, match=says):
        calls.made(name, MakeBody(owner=ADA.name, parameters=parameters))


def test_numbers_that_fit_no_policy_are_told_with_what_was_expected(calls):
    with pytest.raises((InvalidDocument, Refusal), match="percent"):
        calls.made("night-cap", MakeBody(owner="ada", parameters={"percent": 200}))
