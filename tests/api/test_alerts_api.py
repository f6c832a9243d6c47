"""The public calls about alerts: filters, times, refusals, roles."""

import pytest
from fastapi import FastAPI

from tests.support.asgi import Client
from tests.support.told_alerts import ToldDesk, view
from wattstat.api import access, alert_routes, problems, prometheus
from wattstat.api.alerts import Deduction, EvidenceLine, HealthView
from wattstat.config.access import Access

NOW = 2_000.0


@pytest.fixture
def desk():
    return ToldDesk()


@pytest.fixture
def ask(desk, tmp_path):
    return client(desk, tmp_path, "operator")


def client(desk, tmp_path, role):
    app = FastAPI()
    problems.install(app)
    app.include_router(alert_routes.router(desk, clock=lambda: NOW))
    app.include_router(prometheus.router(None, desk))
    access.guard(app, access.identity(Access(local_role=role), tmp_path))
    return Client(app)


def test_an_alert_tells_its_times_its_words_and_its_device(ask, desk):
    desk.alerts = [view()]

    (found,) = ask("GET", "/api/alerts").json["items"]

    assert found["active_at"] == "1970-01-01T00:16:40.000Z"
    assert found["ended_at"] is None
    assert (found["summary"], found["subject"], found["part"]) == ("A GPU does not answer its driver", "node gpu-017", "GPU 3")


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["A", "B", "C"]),
        ("state=pending", ["B"]),
        ("severity=critical,info", ["A", "C"]),
        ("subject=leaf-1", ["C"]),
        ("subject=switch+leaf-1", ["C"]),
        ("subject=node+leaf-1", []),
        ("name=B", ["B"]),
        ("job=42", ["A", "B"]),
        ("quiet=true", ["C"]),
        ("quiet=false", ["A", "B"]),
    ],
)
def test_a_filter_leaves_what_it_names(ask, desk, query, names):
    desk.alerts = [
        view("A"),
        view("B", state="pending", severity="warning"),
        view("C", severity="info", subject="switch leaf-1", jobs=(), inhibited_by=("f",)),
    ]

    assert [each["name"] for each in ask("GET", "/api/alerts", query=query).json["items"]] == names


def test_a_severity_that_does_not_exist_is_refused_with_those_that_do(ask):
    answer = ask("GET", "/api/alerts", query="severity=fatal")

    assert answer.status == 400
    assert "there is no fatal; expected critical, warning, info, none" in answer.json["detail"]


def test_history_is_asked_for_a_span_and_says_which(ask, desk):
    desk.past = [view("Old", active_at=10.0, ended_at=20.0), view("New", active_at=1_500.0, ended_at=1_600.0)]

    found = ask("GET", "/api/alerts/history", query="from=now-1000s&to=now").json

    assert [each["name"] for each in found["items"]] == ["New"]
    assert (found["from"], found["to"]) == ("1970-01-01T00:16:40.000Z", "1970-01-01T00:33:20.000Z")


def test_a_silence_says_what_until_when_by_whom_and_why(ask, desk):
    made = ask("POST", "/api/alerts/silences", body={"matchers": ['node="gpu-017"'], "ends_at": "now+2h", "comment": "swap"})

    assert made.status == 201
    assert made.json["ends_at"] == "1970-01-01T02:33:20.000Z"
    assert desk.quiet[0].created_by
    gone = ask("DELETE", f"/api/alerts/silences/{made.json['id']}")
    assert (gone.status, desk.quiet) == (200, [])


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"matchers": ['node="a"'], "ends_at": "later", "comment": "x"}, 400, "ends_at: 'later' is no time"),
        ({"matchers": ['node="a"'], "ends_at": "now+1h", "comment": ""}, 400, "a silence needs a comment"),
        ({"matchers": [], "ends_at": "now+1h", "comment": "x"}, 422, "matchers"),
        ({"ends_at": "now+1h", "comment": "x"}, 422, "matchers"),
    ],
)
def test_a_silence_that_cannot_be_is_refused_with_the_reason(ask, desk, body, status, says):
    answer = ask("POST", "/api/alerts/silences", body=body)

    assert answer.status == status
    assert says in answer.body.decode()
    assert desk.quiet == []


def test_a_viewer_may_look_and_silence_nothing(desk, tmp_path):
    ask = client(desk, tmp_path, "viewer")
    desk.alerts = [view()]

    assert ask("GET", "/api/alerts").status == 200
    body = {"matchers": ['node="a"'], "ends_at": "now+1h", "comment": "x"}
    assert ask("POST", "/api/alerts/silences", body=body).status == 403
    assert ask("DELETE", "/api/alerts/silences/s1").status == 403
    assert ask("POST", "/api/alerts/receivers/pager/test").status == 403


@pytest.mark.parametrize("path", ["/api/alerts/beef/evidence", "/api/alerts/runbooks/NoSuchThing"])
def test_what_is_not_there_is_404(ask, path):
    assert ask("GET", path).status == 404


def test_evidence_and_runbook_stand_beside_an_alert(ask, desk):
    desk.lines["beef"] = (EvidenceLine(text="It is hot", expression="a", limit_expression="3", unit="celsius"),)
    desk.runbooks["GpuLost"] = "# GpuLost\n"

    (line,) = ask("GET", "/api/alerts/beef/evidence").json["items"]

    assert line == {"text": "It is hot", "expression": "a", "limit_expression": "3", "unit": "celsius"}
    assert ask("GET", "/api/alerts/runbooks/GpuLost").body == b"# GpuLost\n"


def test_health_is_filtered_by_kind_and_score(ask, desk):
    lost = Deduction(
        fingerprint="beef",
        name="GpuLost",
        severity="critical",
        category="components",
        points=40,
        what="GPU 3 is lost",
        since=1.0,
    )
    desk.devices = [
        HealthView(kind="node", name="gpu-017", score=60, by_category={"components": 40}, deductions=(lost,)),
        HealthView(kind="switch", name="leaf-1", score=100, by_category={}, deductions=()),
    ]

    (found,) = ask("GET", "/api/health", query="below=100").json["items"]

    assert (found["name"], found["deductions"][0]["since"]) == ("gpu-017", "1970-01-01T00:00:01.000Z")
    assert [each["name"] for each in ask("GET", "/api/health", query="kind=switch").json["items"]] == ["leaf-1"]


def test_prometheus_paths_show_rules_of_either_kind(ask, desk):
    rules = [{"type": "alerting", "name": "A"}, {"type": "recording", "name": "b"}]
    desk.groups = [{"name": "g", "rules": rules}, {"name": "h", "rules": rules[1:]}]
    desk.alerts = [view()]

    assert len(ask("GET", "/api/v1/rules").json["data"]["groups"]) == 2
    (group,) = ask("GET", "/api/v1/rules", query="type=alert").json["data"]["groups"]
    assert group["rules"] == rules[:1]
    assert ask("GET", "/api/v1/rules", query="type=other").status == 400
    assert ask("GET", "/api/v1/alerts").json["data"]["alerts"][0]["state"] == "firing"
