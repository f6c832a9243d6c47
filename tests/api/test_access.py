"""Every way past the gate that somebody might try."""

import ast
import asyncio
import inspect
import json
from pathlib import Path

import pytest
from fastapi import FastAPI

from tests.support.asgi import Client
from wattstat.access import Caller, Role
from wattstat.api import access, identity, login, problems, roles, sessions, tokens
from wattstat.config.access import Access

TOKENS = {role.name.lower(): f"wst_{role.name.lower()}" for role in Role}
BEARER = {name: f"Bearer {token}" for name, token in TOKENS.items()}
SETTINGS = {"tokens": [{"name": f"the-{role}", "role": role, "sha256": tokens.digest(token)} for role, token in TOKENS.items()]}
PROXY = {"trusted": ["10.0.0.0/29"], "roles": {"facility": "approver", "hpc": "author"}}


def application(tmp_path, **settings):
    app = FastAPI()
    problems.install(app)
    who = access.identity(Access.model_validate(settings), tmp_path)
    access.add_routes(app, who)

    async def me():
        return login.told(access.caller())

    def me_in_a_thread():
        return login.told(access.caller())

    app.add_api_route("/api/see", me, methods=["GET"])
    app.add_api_route("/api/thread", me_in_a_thread, methods=["GET"])
    app.add_api_route("/api/power/hold", me, methods=["POST"])
    app.add_api_route("/api/power/policies", me, methods=["POST"])
    app.add_api_route("/api/power/policies/{name}/approve", me, methods=["POST"])
    app.add_api_route("/api/unlisted", me, methods=["POST"])
    app.add_api_route("/api/v1/query", me, methods=["POST"])
    app.add_api_route("/-/healthy", me, methods=["GET"])
    access.guard(app, who)
    app.state.who = who
    return app


@pytest.fixture
def site(tmp_path):
    """A site with a token for each role."""
    return application(tmp_path, **SETTINGS)


@pytest.fixture
def local(site):
    return Client(site)


@pytest.fixture
def remote(site):
    return Client(site, peer="192.0.2.7", host="wattstat.example.net")


# Who is who -----------------------------------------------------------------------------------------------------------


def test_who_sits_at_the_machine_looks_without_any_setting(tmp_path):
    answer = Client(application(tmp_path))("GET", "/api/see")

    assert answer.json == {"name": "local", "role": "viewer", "via": "local"}


@pytest.mark.parametrize("host", ["127.0.0.1:8050", "localhost:8050", "[::1]:8050", "localhost"])
def test_every_name_of_loopback_is_this_machine(site, host):
    assert Client(site, host=host)("GET", "/api/see").status == 200


def test_a_local_caller_has_the_role_that_the_settings_say(tmp_path):
    app = application(tmp_path, local_role="operator")

    assert Client(app)("POST", "/api/power/hold").json["role"] == "operator"
    assert Client(app)("POST", "/api/power/policies").status == 403


def test_a_token_says_who_asks(remote):
    assert remote("GET", "/api/see", authorization=BEARER["author"]).json == {
        "name": "the-author",
        "role": "author",
        "via": "token",
    }


def test_the_caller_is_known_in_threads_too(remote):
    assert remote("GET", "/api/thread", authorization=BEARER["author"]).json["name"] == "the-author"


def test_outside_of_a_request_the_caller_is_nobody_and_may_only_look():
    assert access.caller() == Caller(name="nobody", role=Role.VIEWER, via="none")
    with pytest.raises(problems.Problem, match="needs the role operator"):
        access.require(Role.OPERATOR)


def test_strangers_may_not_even_look(remote):
    answer = remote("GET", "/api/see")

    assert answer.status == 401
    assert answer.header("content-type") == "application/problem+json"
    assert answer.header("www-authenticate").startswith("Bearer")
    assert "role viewer" in answer.json["detail"]


def test_strangers_look_where_the_settings_let_them_and_act_nowhere(tmp_path):
    stranger = Client(application(tmp_path, anonymous_viewers=True), peer="192.0.2.7", host="wattstat.example.net")

    assert stranger("GET", "/api/see").json["via"] == "anonymous"
    assert stranger("POST", "/api/power/hold").status == 403


def test_health_is_told_to_everybody(remote):
    assert remote("GET", "/-/healthy").status == 200


def test_a_browser_is_led_to_the_login_and_a_script_is_not(remote):
    page = remote("GET", "/node/gpu01", query="from=now-1h", accept="text/html,*/*")

    assert (page.status, page.header("location")) == (303, "/login?next=/node/gpu01%3Ffrom%3Dnow-1h")
    assert remote("GET", "/api/see", accept="text/html").status == 401


# Roles ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "needed"),
    [
        ("/api/power/hold", "operator"),
        ("/api/power/policies", "author"),
        ("/api/power/policies/night/approve", "approver"),
        ("/api/unlisted", "approver"),
    ],
)
def test_a_role_does_what_lower_ones_may_and_nothing_above(remote, path, needed):
    for role in Role:
        answer = remote("POST", path, authorization=BEARER[role.name.lower()])
        allowed = role >= Role.named(needed)
        assert answer.status == (200 if allowed else 403), role
        if not allowed:
            assert f"needs the role {needed}" in answer.json["detail"]


@pytest.mark.parametrize(
    "path", ["//api/power/hold", "/api/power/hold/", "/api//power/hold", "/API/power/hold", "/api/power/hold/..;/x"]
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "BREW"])
def test_a_viewer_gets_round_no_rule_by_another_spelling(remote, path, method):
    assert remote(method, path, authorization=BEARER["viewer"]).status == 403


def test_long_questions_by_post_are_for_viewers(remote):
    assert remote("POST", "/api/v1/query", authorization=BEARER["viewer"]).status == 200


def test_a_websocket_is_not_served(site):
    sent = []

    async def ask():
        async def send(message):
            sent.append(message)

        async def receive():
            return {"type": "websocket.connect"}

        await site({"type": "websocket", "path": "/_dash-ws-callback", "headers": [], "query_string": b""}, receive, send)

    asyncio.run(ask())
    assert [each["type"] for each in sent] == ["websocket.close"]


# Tokens ---------------------------------------------------------------------------------------------------------------


def test_a_wrong_token_is_refused_even_where_none_is_needed(local):
    answer = local("GET", "/api/see", authorization="Bearer wst_wrong")

    assert answer.status == 401
    assert "wst_wrong" not in answer.body.decode()


@pytest.mark.parametrize("shown", ["", " ", "x" * 100_000, "wst_viewer\x00", "Ünïcode"])
def test_a_token_that_makes_no_sense_is_wrong_and_breaks_nothing(local, shown):
    scope_safe = shown.encode("utf-8").decode("latin-1")

    assert local("GET", "/api/see", authorization=f"Bearer {scope_safe}").status == 401


@pytest.mark.parametrize("name", ["token", "access_token", "api_key", "Authorization"])
def test_a_token_in_an_address_is_refused_whoever_sends_it(local, name):
    answer = local("GET", "/api/see", query=f"{name}={TOKENS['approver']}")

    assert answer.status == 400
    assert "Authorization: Bearer" in answer.json["detail"]
    assert TOKENS["approver"] not in answer.body.decode()


def test_the_scheme_may_be_written_as_anybody_likes(remote):
    assert remote("GET", "/api/see", authorization=f"bearer {TOKENS['viewer']}").status == 200


def test_after_ten_wrong_tokens_an_address_waits_and_others_do_not(site, remote):
    for _ in range(tokens.MOST_FAILURES):
        assert remote("GET", "/api/see", authorization="Bearer wst_guess").status == 401
    answer = remote("GET", "/api/see", authorization=BEARER["viewer"])

    assert answer.status == 429
    assert 0 < int(answer.header("retry-after")) <= tokens.FAILURE_SECONDS + 1
    assert Client(site, peer="192.0.2.8")("GET", "/api/see", authorization=BEARER["viewer"]).status == 200


def test_failures_are_forgotten_after_a_minute_and_do_not_fill_the_memory():
    now = 0.0
    failures = tokens.Failures(lambda: now)
    for _ in range(tokens.MOST_FAILURES):
        failures.add("192.0.2.7")
    assert failures.wait_seconds("192.0.2.7") == tokens.FAILURE_SECONDS

    now = tokens.FAILURE_SECONDS
    assert failures.wait_seconds("192.0.2.7") == 0
    for number in range(tokens.MOST_ADDRESSES + 10):
        failures.add(str(number))
    assert len(failures._by_address) == tokens.MOST_ADDRESSES


def test_digests_and_signatures_are_compared_in_constant_time():
    """No `==` touches a digest: the comparison must not tell how many letters were right."""
    for module in (tokens, sessions, identity):
        tree = ast.parse(inspect.getsource(module))
        compared = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Compare)]
        assert not [text for text in compared if "sha256" in text or "digest" in text or "signature" in text]
    assert inspect.getsource(tokens).count("hmac.compare_digest") == 2
    assert "hmac.compare_digest" in inspect.getsource(sessions)


def test_every_entry_is_compared_wherever_the_right_one_stands(monkeypatch, site):
    seen = []
    compare = tokens.hmac.compare_digest
    monkeypatch.setattr(tokens.hmac, "compare_digest", lambda a, b: seen.append(b) or compare(a, b))

    assert site.state.who.tokens.find(TOKENS["viewer"]).name == "the-viewer"
    assert len(seen) == len(TOKENS)


def test_a_file_of_tokens_is_read_again_and_a_broken_one_lets_nobody_in(tmp_path):
    path = tmp_path / "tokens.yaml"
    path.write_text("tokens:\n" + tokens.entry("ada", "author", "wst_a"))
    remote = Client(application(tmp_path, tokens_file=str(path)), peer="192.0.2.7")

    def status(token):
        return remote("GET", "/api/see", authorization=f"Bearer {token}").status

    assert status("wst_a") == 200
    path.write_text("tokens:\n" + tokens.entry("bert", "author", "wst_bb"))
    assert (status("wst_a"), status("wst_bb")) == (401, 200)
    path.write_text("tokens: nonsense")
    assert status("wst_bb") == 401
    path.unlink()
    assert status("wst_bb") == 401


# Proxies --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def behind(tmp_path):
    """A site behind a proxy at 10.0.0.1."""
    return application(tmp_path, proxy=PROXY, **SETTINGS)


def test_a_trusted_proxy_says_who_people_are_and_their_best_group_counts(behind):
    proxy = Client(behind, peer="10.0.0.1", host="wattstat.example.net")

    told = proxy("GET", "/api/see", x_forwarded_user="ada", x_forwarded_groups="students, facility,hpc").json
    assert told == {"name": "ada", "role": "approver", "via": "proxy"}
    assert proxy("GET", "/api/see", x_forwarded_user="bert", x_forwarded_groups="students").json["role"] == "viewer"
    assert proxy("GET", "/api/see").status == 401


@pytest.mark.parametrize("peer", ["10.0.0.9", "192.0.2.7", "127.0.0.1", "::ffff:10.0.0.9", "nonsense"])
def test_headers_of_anybody_else_are_not_believed(behind, peer):
    answer = Client(behind, peer=peer, host="wattstat.example.net")(
        "GET", "/api/see", x_forwarded_user="ada", x_forwarded_groups="facility", x_forwarded_for="10.0.0.1"
    )

    assert answer.status == 401


def test_a_local_caller_that_claims_to_be_forwarded_is_a_stranger(behind):
    assert Client(behind)("GET", "/api/see", x_forwarded_user="ada", x_forwarded_groups="facility").status == 401


def test_without_a_proxy_in_the_settings_its_headers_are_nothing(remote):
    assert remote("GET", "/api/see", x_forwarded_user="ada", x_forwarded_groups="facility").status == 401


def test_two_user_headers_are_nobody(behind):
    proxy = Client(behind, peer="10.0.0.1", host="wattstat.example.net")

    assert proxy("GET", "/api/see", x_forwarded_user=["ada", "eve"], x_forwarded_groups="facility").status == 401


@pytest.mark.parametrize(
    "headers", [{"x_forwarded_for": "192.0.2.7"}, {"forwarded": "for=192.0.2.7"}, {"x_real_ip": "192.0.2.7"}, {"via": "1.1 x"}]
)
def test_strangers_that_a_proxy_of_this_machine_brings_are_not_local(local, headers):
    assert local("GET", "/api/see", **headers).status == 401


def test_a_proxy_that_adds_nothing_is_known_by_its_old_protocol(local):
    assert local("GET", "/api/see", http="1.0").status == 401


def test_wrong_tokens_behind_a_proxy_count_for_who_sent_them(behind):
    proxy = Client(behind, peer="10.0.0.1")
    for _ in range(tokens.MOST_FAILURES):
        proxy("GET", "/api/see", authorization="Bearer wst_guess", x_forwarded_for="198.51.100.1, 192.0.2.7")

    def status(address):
        return proxy("GET", "/api/see", authorization=BEARER["viewer"], x_forwarded_for=address).status

    # The last one is the proxy's word; what stands before it anybody could have written.
    assert (status("192.0.2.8, 192.0.2.7"), status("192.0.2.7, 192.0.2.8")) == (429, 200)


# Browsers -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["evil.example:8050", "127.0.0.1.evil.example", "localhost.evil.example:8050", "", "[::1", "0.0.0.0:8050"]
)
def test_a_name_that_merely_leads_here_is_no_local_caller(site, host):
    assert Client(site, host=host)("GET", "/api/see").status == 401


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "http://127.0.0.1:9999", "http://127.0.0.1:8050.evil.example", "", "127.0.0.1:8050"],
)
def test_another_sites_page_cannot_act(tmp_path, origin):
    client = Client(application(tmp_path, local_role="approver"))

    assert client("POST", "/api/power/hold", origin=origin).status == 403
    assert client("POST", "/api/power/hold", origin="http://127.0.0.1:8050").status == 200


def test_a_form_without_origin_is_known_by_what_browsers_add(tmp_path):
    client = Client(application(tmp_path, local_role="approver"))

    assert client("POST", "/api/power/hold", sec_fetch_site="cross-site").status == 403
    assert client("POST", "/api/power/hold", sec_fetch_site="same-origin").status == 200
    assert client("POST", "/api/power/hold", cookie="other=1").status == 403
    assert client("POST", "/api/power/hold").status == 200  # curl


def test_the_name_that_the_browser_knows_counts_behind_a_proxy(behind):
    proxy = Client(behind, peer="10.0.0.1", host="127.0.0.1:8050")
    asked = {"x_forwarded_user": "ada", "x_forwarded_groups": "facility", "x_forwarded_host": "wattstat.example.net"}

    assert proxy("POST", "/api/power/hold", **asked, origin="https://wattstat.example.net").status == 200
    assert proxy("POST", "/api/power/hold", **asked, origin="https://evil.example").status == 403


def test_a_stranger_cannot_choose_the_name_that_origins_are_compared_with(remote):
    answer = remote(
        "POST",
        "/api/power/hold",
        authorization=BEARER["operator"],
        origin="https://evil.example",
        x_forwarded_host="evil.example",
    )

    assert answer.status == 403


def test_no_page_may_be_laid_under_another(local):
    assert local("GET", "/api/see").header("content-security-policy") == "frame-ancestors 'self'"


# Sessions -------------------------------------------------------------------------------------------------------------


def logged_in(client, role="operator", **headers):
    answer = client("POST", "/login", form={"token": TOKENS[role], "next": "/nodes"}, **headers)
    assert answer.status == 303, answer.body
    return answer


def test_a_login_is_a_cookie_that_scripts_and_other_sites_cannot_use(remote):
    answer = logged_in(remote)
    cookie = answer.header("set-cookie")

    assert answer.header("location") == "/nodes"
    assert {"httponly", "samesite=strict", "path=/"} <= {part.strip().lower() for part in cookie.split(";")}
    assert TOKENS["operator"] not in cookie
    assert "secure" not in cookie.lower()
    assert "secure" in logged_in(remote, scheme="https").header("set-cookie").lower()


def session_of(client, **login_headers):
    value = logged_in(client, **login_headers).cookies[sessions.COOKIE]
    return value, {"cookie": f"other=1; {sessions.COOKIE}={value}", "origin": f"http://{client.host}"}


def test_a_session_acts_as_its_token(remote):
    _, headers = session_of(remote)

    assert remote("POST", "/api/power/hold", **headers).json == {"name": "the-operator", "role": "operator", "via": "session"}
    assert remote("POST", "/api/power/policies", **headers).status == 403
    assert remote("POST", "/api/power/hold", cookie=headers["cookie"]).status == 403  # nobody said whence


def test_a_cookie_that_was_changed_is_none(remote):
    value, _ = session_of(remote)
    approver = tokens.digest(TOKENS["approver"])
    version, _, number, until, signature = value.split(".")
    forged = [
        f"{version}.{approver}.{number}.{until}.{signature}",
        f"{version}.{tokens.digest(TOKENS['operator'])}.{number}.{int(until) + 1}.{signature}",
        value[:-1] + ("0" if value[-1] != "0" else "1"),
        value.rpartition(".")[0] + ".",
        value + "0",
        "",
        "1....",
    ]
    assert [remote("GET", "/api/see", cookie=f"{sessions.COOKIE}={each}").status for each in forged] == [401] * len(forged)
    assert remote("GET", "/api/see", cookie=f"{sessions.COOKIE}={value}").status == 200


def test_a_cookie_of_another_installation_is_none(tmp_path, remote):
    value, _ = session_of(remote)
    elsewhere = Client(application(tmp_path / "other", **SETTINGS), peer="192.0.2.7")

    assert elsewhere("GET", "/api/see", cookie=f"{sessions.COOKIE}={value}").status == 401


def test_a_session_ends_with_logout_for_every_copy_of_it(remote):
    value, headers = session_of(remote)
    answer = remote("POST", "/logout", **headers)

    assert answer.status == 303
    assert "max-age=0" in answer.header("set-cookie").lower()
    assert remote("GET", "/api/see", cookie=f"{sessions.COOKIE}={value}").status == 401


def test_a_session_ends_with_its_time():
    now = 1000.0
    kept = sessions.Sessions(b"k" * 32, seconds=60, clock=lambda: now)
    value = kept.begin("a" * 64)
    assert kept.read(value).until == 1060
    now = 1060.0
    assert kept.read(value) is None


def test_a_session_ends_when_its_token_is_withdrawn(tmp_path):
    path = tmp_path / "tokens.yaml"
    path.write_text("tokens:\n" + tokens.entry("the-operator", "operator", TOKENS["operator"]))
    remote = Client(application(tmp_path, tokens_file=str(path)), peer="192.0.2.7", host="w.example")
    value, headers = session_of(remote)

    path.write_text("tokens:\n" + tokens.entry("the-operator", "viewer", TOKENS["operator"]))
    assert remote("POST", "/api/power/hold", **headers).status == 403
    path.write_text("tokens: []")
    assert remote("GET", "/api/see", cookie=f"{sessions.COOKIE}={value}").status == 401


def test_a_login_from_another_page_is_refused(remote):
    assert remote("POST", "/login", form={"token": TOKENS["operator"]}, origin="https://evil.example").status == 403


def test_a_wrong_login_says_so_and_counts(remote):
    for _ in range(tokens.MOST_FAILURES):
        answer = remote("POST", "/login", form={"token": "<script>"})
        assert (answer.status, b"Wrong token" in answer.body, b"<script>" in answer.body) == (401, True, False)
    assert remote("POST", "/login", form={"token": TOKENS["operator"]}).status == 429


def test_a_login_that_is_too_long_is_not_read(remote):
    assert remote("POST", "/login", form={"token": "x" * login.MOST_FORM_BYTES}).status == 413


@pytest.mark.parametrize(
    "path", ["//evil.example", "https://evil.example", "/\\evil.example", "", "/a\nb", "javascript:alert(1)"]
)
def test_a_login_leads_nowhere_else(path):
    assert login.local_path(path) == "/"


def test_the_login_page_has_no_script_and_escapes(remote):
    page = remote("GET", "/login", query="next=/x'%3E%3Cscript%3E").body.decode()

    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_the_keys_of_sessions_are_for_the_owner_alone(tmp_path, remote):
    session_of(remote)
    path = Path(tmp_path / identity.SESSION_KEY_FILE)

    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    fresh = Client(application(tmp_path, **SETTINGS), peer="192.0.2.7")
    assert "chmod 600" in json.loads(fresh("GET", "/api/see", cookie=f"{sessions.COOKIE}=x").body)["detail"]


def test_every_listed_role_is_for_a_path_that_could_be_asked_for():
    assert all(pattern.startswith("/") for _, pattern, _ in roles.ACTS)
    assert roles.least("POST", "/api/anything") is Role.APPROVER
    assert roles.least("GET", "/api/anything") is Role.VIEWER
