"""`wattstat check-config` on what it says of alerts: what would keep somebody from being told."""

import pytest
import yaml
from typer.testing import CliRunner

from wattstat.cli import app
from wattstat.cli.check_config import examine


def found(tmp_path, alerts, **more):
    path = tmp_path / "wattstat.yaml"
    path.write_text(yaml.safe_dump({"alerts": alerts, **more}))
    (tmp_path / "inventory.yaml").write_text("site: {name: hall}\n")
    _, _, problems = examine(path)
    return [str(problem) for problem in problems if problem.setting.startswith(("alerts", "groups", "route", "receivers"))]


@pytest.fixture
def pager(tmp_path):
    (tmp_path / "pager").write_text("json://127.0.0.1:1/x")
    return {"pager": {"urls": [{"file": str(tmp_path / "pager")}]}}


def test_somebody_who_can_be_told_is_good(tmp_path, pager):
    assert found(tmp_path, {"receivers": pager}) == []


@pytest.mark.parametrize(
    ("more", "is_said"),
    [({}, True), ({"store": {"prometheus": {"url": "http://127.0.0.1:9090"}}}, False)],
    ids=["evaluated here", "evaluated by a Prometheus"],
)
def test_that_nobody_is_told_is_said_and_no_mistake(tmp_path, more, is_said):
    found(tmp_path, {}, **more)

    done = CliRunner().invoke(app, ["check-config", str(tmp_path / "wattstat.yaml")])

    assert done.exit_code == 0
    assert ("nobody is told of alerts" in done.output) is is_said


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"rules": ["nowhere/*.yml"]}, "no file fits"),
        ({"heartbeat": {"url": {"env": "WATTSTAT_TEST_NO_SUCH"}}}, "WATTSTAT_TEST_NO_SUCH is not set"),
        ({"last_resort": {"file": "nothing-here"}}, "cannot be read"),
        ({"alertmanagers": [{"url": "http://127.0.0.1:9093", "credentials": "am"}]}, "'am' is no entry of credentials"),
    ],
)
def test_what_cannot_work_is_named_with_its_setting(tmp_path, pager, more, says):
    (said,) = found(tmp_path, {"receivers": pager, **more})

    assert says in said


def test_it_says_who_is_told_while_alertmanager_is_away(tmp_path, pager):
    there = {"alertmanagers": [{"url": "http://127.0.0.1:9093"}]}

    def said(alerts):
        assert found(tmp_path, alerts) == []
        return CliRunner().invoke(app, ["check-config", str(tmp_path / "wattstat.yaml")]).output

    assert "when no Alertmanager takes alerts for 300 s, critical ones go to alerts.receivers (pager)" in said(
        {**there, "receivers": pager}
    )
    assert "nobody is told until one does" in said(there)
    assert "Alertmanager" not in said({"receivers": pager})


@pytest.mark.parametrize("what", ["heartbeat", "last_resort"])
def test_what_watches_over_evaluations_that_nobody_makes_is_refused(tmp_path, pager, what):
    (tmp_path / "heart").write_text("json://127.0.0.1:1/" if what == "last_resort" else "http://127.0.0.1:1/")
    address = {"file": str(tmp_path / "heart")}
    watching = {what: {"url": address} if what == "heartbeat" else address, "receivers": pager}

    (said,) = found(tmp_path, {**watching, "findings": False, "shipped_rules": False})

    assert "nothing is evaluated" in said
    assert found(tmp_path, {**watching, "findings": False}) == []
    elsewhere = {"store": {"prometheus": {"url": "http://127.0.0.1:9090"}}}
    assert found(tmp_path, {**watching, "findings": False, "shipped_rules": False}, **elsewhere) == []


def test_rules_and_routes_are_read(tmp_path, pager):
    (tmp_path / "bad.yml").write_text("groups:\n- name: a\n  rules:\n  - alert: X\n    expr: sum(\n")
    (tmp_path / "routing.yml").write_text("route: {receiver: nobody-declared}\n")

    said = found(tmp_path, {"receivers": pager, "rules": [str(tmp_path / "bad.yml")], "routing": str(tmp_path / "routing.yml")})

    assert any("is no PromQL" in each for each in said)
    assert any("nobody-declared" in each for each in said)


def test_an_address_that_no_service_has_is_refused_and_not_repeated(tmp_path):
    (tmp_path / "pager").write_text("no-such-thing://secret-token")

    (said,) = found(tmp_path, {"receivers": {"pager": {"urls": [{"file": str(tmp_path / "pager")}]}}})

    assert "no address that Apprise knows" in said
    assert "secret-token" not in said


def test_duties_that_leave_a_gap_or_name_nobody_are_refused(tmp_path, pager):
    duty = {"on_call": [{"receiver": "nobody-here"}]}

    (said,) = found(tmp_path, {"receivers": {**pager, "crew": duty}})

    assert "'nobody-here' is no receiver" in said


def test_a_receiver_that_only_the_routing_has_is_named_with_its_line(tmp_path, pager):
    (tmp_path / "routing.yml").write_text(
        "route:\n  receiver: pager\n  routes:\n    - receiver: tikets\nreceivers: [{name: tikets}, {name: pager}]\n"
    )

    (said,) = found(tmp_path, {"receivers": pager, "routing": str(tmp_path / "routing.yml")})

    assert said.startswith(f"{tmp_path}/routing.yml:4:")
    assert "'tikets' stands in the routing and not in alerts.receivers; add it there, or route to another" in said
    assert found(tmp_path, {"routing": str(tmp_path / "routing.yml")}) == [], "without receivers nobody is told at all"


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["oncall"], "alerts for pager and tickets go to oncall"),
        (["pager", "tickets", "oncall"], "oncall is never told of an alert: the built-in routing knows pager and tickets"),
        (["pager", "tickets"], ""),
    ],
)
def test_whether_a_receiver_is_ever_told_is_said_and_no_mistake(tmp_path, pager, names, says):
    assert found(tmp_path, {"receivers": dict.fromkeys(names, pager["pager"])}) == []

    done = CliRunner().invoke(app, ["check-config", str(tmp_path / "wattstat.yaml")])

    assert done.exit_code == 0
    assert says in done.output
    assert ("told" in done.output or "go to" in done.output) is bool(says)


def test_what_is_wrong_with_a_receiver_names_its_setting_once(tmp_path, pager):
    (said,) = found(tmp_path, {"receivers": {**pager, "crew": {}}})

    assert "alerts.receivers.crew: has neither urls nor on_call" in said
    assert said.count("alerts.receivers") == 1


def test_an_address_in_clear_is_refused_with_where_to_put_it_and_not_repeated(tmp_path):
    (said,) = found(tmp_path, {"receivers": {"pager": {"urls": ["json://user:secret-token@127.0.0.1/x"]}}})

    assert "put the address in a file: {file: /etc/wattstat/pager.url}" in said
    assert "secret-token" not in said
