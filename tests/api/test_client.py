"""The Python client: what it sends, what it never sends, what it says when something is wrong."""

import ast
import socket
import sys
import threading
from pathlib import Path

import pytest
from structlog.testing import capture_logs

import wattstat.client
from tests.support import power_desk, power_site
from tests.support.power_desk import night_cap
from wattstat.client import Refused, Unreachable, Wattstat, WattstatError


@pytest.fixture
def desk(tmp_path):
    made = power_desk.made_desk(tmp_path / "core")
    yield made
    power_desk.closed(made)


@pytest.fixture
def site(desk, tmp_path):
    with capture_logs(), power_site.running(desk, tmp_path) as url:
        yield lambda who="bert": Wattstat(url, token=power_site.token(who) if who else "")


def test_a_policy_goes_its_way(site, desk):
    ada, bert, olga = site("ada"), site("bert"), site("olga")
    assert ada.save(night_cap(), dry_run=True)["preview"]["lowered"] == 16
    assert ada.policies() == []
    ada.save(night_cap())
    assert ada.save(night_cap())["unchanged"]
    assert olga.enable("night-cap", dry_run=True)["state"] == "approved"
    olga.enable("night-cap")
    assert desk.steering.cap("n1") == 500

    ada.save(night_cap(ask={"gpu_cap": {"watts": 600}}))
    with pytest.raises(Refused, match="needs the role approver") as refused:
        ada.approve("night-cap", 2)
    assert refused.value.status == 403
    bert.approve("night-cap", 2)
    olga.disable("night-cap", "summer")
    bert.approve("night-cap", None)
    bert.expire("night-cap", "summer")
    assert desk.steering.cap("n1") == 700
    assert ada.policies() == []


def test_what_stands_and_what_was_done_can_be_read(site):
    olga = site("olga")
    held = olga.hold("node/n1", 400, "a fan is loose", minutes=60)
    olga.release(held["id"], "mended")
    urgent = olga.emergency("rack/r1", "smoke", confirm="r1", minutes=5)
    olga.all_clear(urgent["id"], "false alarm")
    olga.signal("spot-price", 0.4)
    olga.checkpoint("77")

    assert [each["what"] for each in olga.audit(kind="order")][::-1] == [
        "hold", "release", "emergency", "all clear", "post signal", "announce checkpoint",
    ]  # fmt: skip
    assert olga.verify()["whole"]
    assert olga.status()["mode"] == "enforce"
    assert len(list(olga.audit(limit=1))) == 6  # page after page


def test_a_rehearsal_is_asked_for(site):
    site("ada").save(night_cap())

    assert site("olga").simulate("night-cap", days=2)["days"] == 2
    assert site("olga").simulate(night_cap(name="day-cap"))["policies"] == ["day-cap"]
    assert site("olga").preview(night_cap())["preview"]["lowered"] == 16
    assert site("ada").make("night-cap", "facility", parameters={"percent": 60})["owner"] == "facility"


def test_a_refusal_carries_all_that_the_site_said(site):
    with pytest.raises(Refused, match="rack r1 lacks") as refused:
        site("ada").save(night_cap(ask={"limit": {"watts": 5000}}))

    assert refused.value.problem["deficits"][0]["deficit_watts"] == pytest.approx(2880)


def test_the_token_comes_from_the_environment(site, monkeypatch):
    url = site()._url
    monkeypatch.setenv("WATTSTAT_TOKEN", power_site.token("ada"))

    assert Wattstat(url).ask("GET", "/api/access/me")["name"] == "ada"
    assert Wattstat(url, token="").ask("GET", "/api/access/me")["name"] == "local"


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "ftp://127.0.0.1", "nonsense", "http://127.0.0.1:99999"])
def test_where_nobody_answers_it_says_where_it_asked(url):
    with pytest.raises(Unreachable, match=url):
        Wattstat(url).status()


@pytest.fixture
def odd_server():
    """Answers every request with the given bytes; keeps what it was sent."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        seen = []

        def serve(answer):
            def once():
                connection, _ = listening.accept()
                with connection:
                    seen.append(connection.recv(65536).decode())
                    connection.sendall(answer)

            thread = threading.Thread(target=once)
            thread.start()
            return f"http://127.0.0.1:{listening.getsockname()[1]}", thread

        yield serve, seen


def test_a_redirect_is_not_followed_so_the_token_goes_nowhere_else(odd_server):
    serve, seen = odd_server
    url, thread = serve(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")
    with pytest.raises(Refused, match="status 302"):
        Wattstat(url, token="wst_secret").status()
    thread.join()

    assert len(seen) == 1
    assert "Authorization: Bearer wst_secret" in seen[0]


def test_something_else_at_the_address_is_told(odd_server):
    serve, _ = odd_server
    url, thread = serve(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n<ht>")
    with pytest.raises(WattstatError, match="not as Wattstat does"):
        Wattstat(url).status()
    thread.join()


def test_it_needs_nothing_but_python():
    source = Path(wattstat.client.__file__).read_text()
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).partition(".")[0]
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }

    assert imported - {"__future__"} <= sys.stdlib_module_names
    assert len(source.splitlines()) < 240
