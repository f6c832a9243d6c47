"""What a controller says when it refuses, sorted by what can be done about it."""

import json

import pytest

from power.actuators.messages import verdict
from power.model import Outcome
from tests.support.recorded_bmc import refusal
from tests.support.samples import samples


@pytest.mark.parametrize(
    ("status", "ids", "outcome"),
    [
        (200, ("Success", "SYS413"), None),
        (202, (), None),
        (200, ("Success", "SYS430"), Outcome.PENDING_RESTART),
        (403, ("SYS406",), Outcome.LOCKED),
        (400, ("RAC1201",), Outcome.LOCKED),
        (400, ("RAC095",), Outcome.LOCKED),
        (400, ("LC087",), Outcome.LOCKED),
        (403, ("LIC501",), Outcome.UNLICENSED),
        (400, ("LIC503",), Outcome.UNLICENSED),
        (403, (), Outcome.UNLICENSED),
        (400, ("SYS409",), Outcome.OUT_OF_RANGE),
        (400, ("SYS428",), Outcome.REFUSED),
        (400, ("SYS429",), Outcome.REFUSED),
        (404, ("SYS403",), Outcome.REFUSED),
        (405, (), Outcome.REFUSED),
        (403, ("InsufficientPrivilege",), Outcome.REFUSED),
        (503, ("RAC0218",), Outcome.UNREACHABLE),
        (400, ("SYS431", "RAC0508"), Outcome.UNREACHABLE),
        (500, (), Outcome.UNREACHABLE),
    ],
)
def test_each_refusal_has_its_outcome(status, ids, outcome):
    assert verdict(status, refusal(status, *ids).body).outcome is outcome


@pytest.mark.parametrize("message", ["SYS432", "RAC1010"])
def test_a_cap_that_is_switched_off_asks_to_be_switched_on(message):
    assert verdict(400, refusal(400, message).body).switch_on_first


@pytest.mark.parametrize(("status", "ids"), [(412, ()), (428, ()), (400, ("SYS404",))])
def test_a_missing_etag_asks_for_one(status, ids):
    assert verdict(status, refusal(status, *ids).body).wants_etag


def test_ids_and_words_stay_searchable():
    found = verdict(400, refusal(400, "SYS409", text="Unable to set the object properties.").body)
    assert found.detail == "HTTP 400: SYS409: Unable to set the object properties."


@pytest.mark.parametrize(
    ("name", "status", "outcome"),
    [
        ("busy-SYS431-RAC0508", 400, Outcome.UNREACHABLE),
        ("503-max-sessions-RAC0218", 503, Outcome.UNREACHABLE),
        ("401-bad-login-SYS415", 401, Outcome.REFUSED),
        ("403-html-forbidden", 403, Outcome.UNLICENSED),
    ],
)
def test_recorded_refusals_are_understood(name, status, outcome):
    body = json.loads(samples("redfish-samples", "dell-error-bodies", f"{name}.json").read_text())["body"]
    assert verdict(status, body if isinstance(body, dict) else {}).outcome is outcome


@pytest.mark.parametrize("body", [{}, {"error": None}, {"error": {"@Message.ExtendedInfo": [1, None]}}, {"error": []}])
def test_a_body_of_nonsense_is_judged_by_its_status(body):
    assert verdict(400, body).outcome is Outcome.REFUSED
    assert verdict(204, body).outcome is None
