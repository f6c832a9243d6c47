"""From the public API through core's door to the desk, as people and scripts go."""

import re

import aiohttp
import dash
import pytest
from fastapi import FastAPI

from tests.support import power_desk
from tests.support.power_desk import core_of, made_desk, night_cap
from tests.support.web_server import serving
from wattstat.access import Caller, Role
from wattstat.api import access, power_routes, problems, roles, tokens
from wattstat.api.live import CoreUnavailable
from wattstat.api.power_calls import PowerCalls
from wattstat.config import Config
from wattstat.config.access import Access
from wattstat.serve.web import application

TOKENS = {"vera": "viewer", "olga": "operator", "ada": "author", "bert": "approver"}
SETTINGS = Access.model_validate(
    {"tokens": [{"name": name, "role": role, "sha256": tokens.digest(f"wst_{name}")} for name, role in TOKENS.items()]}
)
HOLD = {"scope": "node/n1", "watts": 400, "reason": "a fan is loose", "minutes": 60}


@pytest.fixture
def desk(tmp_path):
    made = made_desk(tmp_path / "core")
    yield made
    power_desk.closed(made)


@pytest.fixture
async def calls(desk, tmp_path):
    """Calls to a core that is there."""
    (tmp_path / "core.key").write_text(power_desk.KEY.hex())
    (tmp_path / "core.key").chmod(0o600)
    async with core_of(desk) as url:
        made = PowerCalls(url, tmp_path / "core.key")
        yield made
        await made.close()


@pytest.fixture
async def site(calls, tmp_path):
    async def rehearse(policies, days):
        return {"policies": [each["name"] for each in policies], "days": days}

    app = FastAPI()
    problems.install(app)
    who = access.identity(SETTINGS, tmp_path)
    app.include_router(power_routes.router(calls, rehearse))
    access.guard(app, who)
    async with serving(app) as url, aiohttp.ClientSession(url) as session:
        yield session


def acts_of(app):
    """Method and path of every call of an application that is not a mere read, the undocumented ones too."""
    documented = {(method.upper(), path) for path, calls in app.openapi()["paths"].items() for method in calls}
    plain = {(method, route.path) for route in app.routes for method in getattr(route, "methods", None) or ()}
    return sorted((method, path) for method, path in documented | plain if method not in roles.SAFE_METHODS)


async def ask(site, method, path, who="", body=None, **params):
    headers = {"Authorization": f"Bearer wst_{who}"} if who else {}
    async with site.request(method, f"/api/power{path}", json=body, headers=headers, params=params) as answer:
        return answer.status, await answer.json(content_type=None)


async def test_a_policy_goes_from_draft_to_force_with_the_name_of_each_who_had_a_hand_in_it(site, desk):
    status, tried = await ask(site, "PUT", "/policies/night-cap", "ada", night_cap(), dry_run="true")
    assert (status, tried["preview"]["lowered"]) == (200, 16)
    assert (await ask(site, "POST", "/policies", "ada", night_cap()))[1]["author"] == "ada"
    assert (await ask(site, "POST", "/policies/night-cap/enable", "olga"))[1]["state"] == "enabled"
    assert desk.steering.cap("n1") == 500

    await ask(site, "PUT", "/policies/night-cap", "ada", night_cap(ask={"gpu_cap": {"watts": 600}}), expected="1")
    assert (await ask(site, "POST", "/policies/night-cap/approve", "ada", {"version": 2}))[0] == 403
    assert (await ask(site, "POST", "/policies/night-cap/approve", "bert", {"version": 2}))[0] == 200
    assert desk.steering.cap("n1") == 600

    _, trail = await ask(site, "GET", "/audit", kind="order")
    told = [(item["what"], item["caller"], item["role"]) for item in trail["items"]][::-1]
    assert told == [
        ("save policy", "ada", "author"),
        ("enable policy", "olga", "operator"),
        ("save policy", "ada", "author"),
        ("approve policy", "bert", "approver"),
    ]
    assert (await ask(site, "GET", "/policies/night-cap"))[1]["versions"][0]["approved_by"] == "bert"


async def test_every_act_has_a_role_of_its_own_and_a_viewer_has_none_of_them(site, calls, desk):
    app = FastAPI()
    app.include_router(power_routes.router(calls))
    acts = acts_of(app)
    assert len(acts) >= 14
    for method, path in acts:
        called = re.sub(r"\{\w+\}", "1", path)
        listed = [(verb, pattern) for verb, pattern, _ in roles.ACTS if verb == method and re.fullmatch(pattern, called)]
        assert len(listed) == 1, (method, path)
        if roles.least(method, called) is Role.VIEWER:
            assert path in {"/api/power/preview", "/api/power/predefined/{name}"}
            continue
        for who in ("vera", ""):
            async with site.request(
                method, called, json={}, headers={"Authorization": f"Bearer wst_{who}"} if who else {}
            ) as answer:
                assert answer.status == 403, (method, path)
    assert desk.trail.read() == ()


async def test_the_documentation_says_which_role_a_call_needs(site, calls):
    app = FastAPI()
    app.include_router(power_routes.router(calls))
    for path, methods in app.openapi()["paths"].items():
        for method, call in methods.items():
            needed = roles.least(method.upper(), re.sub(r"\{\w+\}", "1", path))
            assert call["summary"]
            if method != "get":
                assert f"Needs the role {needed.name.lower()}." in call["description"], path


async def test_answers_have_the_members_that_are_documented(site, calls):
    await ask(site, "PUT", "/policies/night-cap", "ada", night_cap())
    await ask(site, "POST", "/hold", "olga", HOLD)
    await ask(site, "POST", "/emergency", "olga", {"scope": "rack/r2", "reason": "smoke", "confirm": "r2"})
    app = FastAPI()
    app.include_router(power_routes.router(calls))
    paths = app.openapi()["paths"]
    for path, called in [
        ("/policies", "/policies"),
        ("/policies/{name}", "/policies/night-cap"),
        ("/hold", "/hold"),
        ("/emergency", "/emergency"),
        ("/audit/verify", "/audit/verify"),
    ]:
        schema = paths[f"/api/power{path}"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        _, answer = await ask(site, "GET", called)
        told = schema["properties"]
        if "items" in told:
            answer, told = answer["items"][0], told["items"]["items"]["properties"]
        assert set(answer) == set(told), path


async def test_a_hold_and_an_emergency_come_and_go(site, desk):
    _, held = await ask(site, "POST", "/hold", "olga", HOLD)
    assert desk.steering.cap("n1") == 400
    assert (await ask(site, "DELETE", f"/hold/{held['id']}", "olga", reason="mended"))[0] == 200

    urgent = {"scope": "site", "reason": "smoke", "minutes": 5}
    status, problem = await ask(site, "POST", "/emergency", "olga", urgent)
    assert (status, problem["confirm"]) == (422, "site")
    _, made = await ask(site, "POST", "/emergency", "olga", urgent | {"confirm": "site"})
    assert (desk.steering.cap("n1"), desk.steering.cap("n4")) == (200, 200)
    await ask(site, "DELETE", f"/emergency/{made['id']}", "olga", reason="false alarm")
    assert desk.steering.cap("n1") == 700


async def test_the_deficit_comes_through_to_who_asked(site):
    status, problem = await ask(site, "PUT", "/policies/night-cap", "ada", night_cap(ask={"limit": {"watts": 5000}}))

    assert status == 422
    assert problem["deficits"][0]["limit"] == "rack r1"
    assert "rack r1 lacks" in problem["detail"]


async def test_a_saved_policy_is_rehearsed_and_an_unsaved_one_too(site):
    await ask(site, "PUT", "/policies/night-cap", "ada", night_cap())

    assert (await ask(site, "POST", "/policies/night-cap/simulate", "olga", {"days": 2}))[1] == {
        "policies": ["night-cap"],
        "days": 2,
    }
    unsaved = {"policies": [night_cap(name="day-cap")], "days": 1}
    assert (await ask(site, "POST", "/simulate", "olga", unsaved))[1]["policies"] == ["day-cap"]


async def test_without_core_it_is_told_what_still_holds(tmp_path):
    calls = PowerCalls("http://127.0.0.1:9", tmp_path / "core.key")
    app = FastAPI()
    problems.install(app)
    app.include_router(power_routes.router(calls))
    try:
        async with serving(app) as url, aiohttp.ClientSession(url) as session:
            status, problem = await ask(session, "GET", "/status")
    finally:
        await calls.close()

    assert status == 503
    assert "Caps stay in the devices" in problem["detail"]


async def test_a_web_process_with_another_key_is_told_so(desk, tmp_path):
    async with core_of(desk, key=b"x" * 32) as url:
        calls = PowerCalls(url, tmp_path / "core.key", caller=lambda: Caller(name="ada", role=Role.APPROVER))
        with pytest.raises(problems.Problem, match=r"the same core\.key"):
            await calls.ask("POST", "hold", body=HOLD)
        await calls.close()


async def test_a_callback_of_a_page_acts_only_for_who_may(calls, desk, tmp_path):
    """The way of the pages: a callback is called by a viewer's browser like any other, and stops at core's door."""
    app = FastAPI()
    problems.install(app)
    who = access.identity(SETTINGS, tmp_path)
    page = dash.Dash(__name__, server=app, backend="fastapi", enable_mcp=False)
    page.layout = dash.html.Div([dash.html.Button(id="hold"), dash.html.Div(id="told")])

    @page.callback(dash.Output("told", "children"), dash.Input("hold", "n_clicks"))
    async def hold(_clicks):
        try:
            made = await calls.ask("POST", "hold", body=HOLD)
        except problems.Problem as problem:
            return f"{access.caller().name}: {problem.detail}"
        return f"{access.caller().name}: hold {made['id']}"

    page._setup_server()
    access.guard(app, who)
    click = {
        "output": "told.children",
        "outputs": {"id": "told", "property": "children"},
        "inputs": [{"id": "hold", "property": "n_clicks", "value": 1}],
        "changedPropIds": ["hold.n_clicks"],
    }

    async with serving(app) as url, aiohttp.ClientSession(url) as session:

        async def clicked(**headers):
            async with session.post("/_dash-update-component", json=click, headers=headers) as answer:
                found = await answer.json(content_type=None)
                return answer.status, found.get("response", {}).get("told", {}).get("children", found.get("title"))

        assert await clicked(Authorization="Bearer wst_vera") == (200, "vera: this needs the role operator; vera has viewer")
        assert (await clicked())[1].startswith("local: this needs the role operator")
        assert (await clicked(Authorization="Bearer wst_olga", Origin="https://evil.example"))[0] == 403
        assert (desk.steering.cap("n1"), desk.trail.read()) == (700, ())
        assert await clicked(Authorization="Bearer wst_olga", Origin=url) == (200, "olga: hold 1")
        assert desk.steering.cap("n1") == 400


def test_the_whole_web_process_lists_no_act_that_the_table_does_not_know(tmp_path):
    class Nothing:
        """Never asked."""

    app = application(
        Nothing(), Nothing(), Config(data_dir=tmp_path), power=PowerCalls("http://127.0.0.1:9", tmp_path / "core.key")
    )
    acts = [(method, re.sub(r"\{\w+(:path)?\}", "1", path)) for method, path in acts_of(app)]
    named = [(verb, pattern) for verb, pattern, _ in roles.ACTS]
    unknown = [
        (method, path)
        for method, path in acts
        if path not in roles.PUBLIC
        and roles.READS_BY_POST.fullmatch(path) is None
        and not any(verb == method and re.fullmatch(pattern, path) for verb, pattern in named)
    ]

    assert ("POST", "/_dash-update-component") in acts
    assert len(acts) >= 16
    assert unknown == []


async def test_core_that_is_away_is_no_problem_of_the_caller(tmp_path):
    calls = PowerCalls("http://127.0.0.1:9", tmp_path / "core.key")
    with pytest.raises(CoreUnavailable, match="lower their GPUs to safe caps"):
        await calls.get("status")
    await calls.close()
