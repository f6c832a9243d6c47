"""Core's door to the desk: whoever comes without the key may only look."""

import asyncio
import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import aiohttp
import pytest

from power.desk import http as desk_http
from tests.support.power_desk import ADA, BERT, KEY, OLGA, core_of, night_cap
from wattstat import corecall
from wattstat.access import Caller, Role

VIEWER = Caller(name="vera", role=Role.VIEWER, via="token")
HOLD = {"scope": "node/n1", "watts": 400, "reason": "a fan is loose", "minutes": 60}
EMERGENCY = {"scope": "rack/r1", "reason": "smoke", "confirm": "r1"}
ACTS = [
    ("PUT", "/power/policies/night-cap", night_cap(), Role.AUTHOR),
    ("DELETE", "/power/policies/night-cap?reason=x", None, Role.AUTHOR),
    ("POST", "/power/policies/night-cap/approve", {}, Role.APPROVER),
    ("POST", "/power/policies/night-cap/reject", {"reason": "x"}, Role.APPROVER),
    ("POST", "/power/policies/night-cap/enable", None, Role.OPERATOR),
    ("POST", "/power/policies/night-cap/disable", {"reason": "x"}, Role.OPERATOR),
    ("POST", "/power/hold", HOLD, Role.OPERATOR),
    ("DELETE", "/power/hold/1?reason=x", None, Role.OPERATOR),
    ("POST", "/power/hold/1/approve", None, Role.APPROVER),
    ("POST", "/power/give-back", {"reason": "the trial is over"}, Role.APPROVER),
    ("POST", "/power/emergency", EMERGENCY, Role.OPERATOR),
    ("DELETE", "/power/emergency/1?reason=x", None, Role.OPERATOR),
    ("PUT", "/power/signals/spot", {"value": 0.4}, Role.OPERATOR),
    ("POST", "/power/checkpoint", {"job_id": "77"}, Role.OPERATOR),
]


@pytest.fixture
async def core(desk):
    async with core_of(desk) as url, aiohttp.ClientSession(url) as session:
        yield session


async def ask(core, method, path, body=None, caller=None, **headers):
    given = {} if caller is None else corecall.headers(caller, KEY)
    async with core.request(method, path, json=body, headers={**given, **headers}) as answer:
        return answer.status, await answer.json(content_type=None)


def test_the_table_of_acts_is_whole(desk):
    table = {
        (route.method, re.sub(r":[^}]*", "", route.path)) for route in desk_http.routes(desk, KEY) if route.method != "GET"
    }
    tried = {
        (method, re.sub(r"night-cap|spot", "{name}", re.sub(r"/1\b", "/{number}", path)).partition("?")[0])
        for method, path, *_ in ACTS
    }

    assert table - tried == {("POST", "/power/preview"), ("POST", "/power/predefined/{name}")}


async def test_anybody_at_the_machine_may_look(core):
    for path in ("/power/status", "/power/policies", "/power/hold", "/power/emergency", "/power/audit", "/power/audit/verify"):
        assert (await ask(core, "GET", path))[0] == 200


@pytest.mark.parametrize("act", ACTS, ids=lambda act: f"{act[0]} {act[1]}")
async def test_nobody_acts_without_the_key(core, desk, act):
    method, path, body, _ = act
    claimed = {corecall.CALLER_HEADER: "eve;approver;token"}
    status, problem = await ask(core, method, path, body, **claimed)
    assert (status, problem["title"]) == (401, "Who are you?")

    for wrong in ("", "00" * 32, KEY.hex()[:-2]):
        status, problem = await ask(core, method, path, body, **claimed, **{corecall.KEY_HEADER: wrong})
        assert (status, problem["title"]) == (403, "Not believed")
    assert (desk.trail.read(), desk.steering.cap("n1")) == ((), 700)


@pytest.mark.parametrize("act", ACTS, ids=lambda act: f"{act[0]} {act[1]}")
async def test_each_act_needs_its_role(core, desk, act):
    method, path, body, needs = act
    for role in (each for each in Role if each < needs):
        status, problem = await ask(core, method, path, body, Caller(name="eve", role=role))
        assert status == 403
        assert f"needs the role {needs.name.lower()}" in problem["detail"]
    assert (desk.trail.read(), desk.steering.cap("n1")) == ((), 700)

    status, _ = await ask(core, method, path, body, Caller(name="eve", role=needs))
    assert status in {200, 404}


async def test_what_is_given_back_is_recorded_before_and_a_trial_is_not(core, desk):
    bert = Caller(name="bert", role=Role.APPROVER)
    body = {"scope": "rack/r1", "reason": "the trial is over"}
    status, found = await ask(core, "POST", "/power/give-back?dry_run=true", body, bert)
    assert (status, found["dry_run"], found["scope"]) == (200, True, "rack/r1")
    assert (desk.trail.read(), desk.steering.given_back) == ((), [True])

    assert (await ask(core, "POST", "/power/give-back", body, bert))[0] == 200
    (record,) = desk.trail.read()
    assert (record.body["what"], record.body["caller"], record.body["reason"]) == ("give back", "bert", "the trial is over")
    assert desk.steering.given_back == [True, True, False]


async def test_nothing_is_given_back_while_caps_are_enforced(core, desk):
    desk.steering.busy = "power.mode is enforce"
    status, problem = await ask(core, "POST", "/power/give-back", {"reason": "x"}, Caller(name="bert", role=Role.APPROVER))
    assert (status, problem["detail"], desk.trail.read()) == (409, "power.mode is enforce", ())


async def test_a_viewer_may_try_what_a_policy_would_do(core):
    status, found = await ask(core, "POST", "/power/preview", {"policies": [night_cap()]}, VIEWER)

    assert (status, found["preview"]["lowered"]) == (200, 16)


async def test_who_wrote_it_does_not_approve_it(core, desk):
    both = Caller(name="ada", role=Role.APPROVER)
    await ask(core, "PUT", "/power/policies/night-cap", night_cap(), ADA)
    await ask(core, "POST", "/power/policies/night-cap/enable", None, OLGA)
    await ask(core, "PUT", "/power/policies/night-cap", night_cap(ask={"gpu_cap": {"watts": 650}}), ADA)

    status, problem = await ask(core, "POST", "/power/policies/night-cap/approve", {"version": 2}, both)
    assert (status, problem["title"], desk.steering.cap("n1")) == (403, "A second person is needed", 500)
    assert (await ask(core, "POST", "/power/policies/night-cap/approve", {"version": 2}, BERT))[0] == 200
    assert desk.steering.cap("n1") == 650


@pytest.mark.parametrize(
    ("call", "status", "says"),
    [
        (("PUT", "/power/policies/night-cap", {"name": "night-cap"}), 422, "ask: is missing"),
        (("PUT", "/power/policies/night-cap", [1]), 422, "is no policy"),
        (("POST", "/power/hold", HOLD | {"watts": -1}), 422, "expected more than 0"),
        (("POST", "/power/hold", HOLD | {"reason": " "}), 422, "who comes after you will ask why"),
        (("POST", "/power/hold", HOLD | {"minute": 5}), 422, "did you mean `minutes`"),
        (("POST", "/power/hold", {name: HOLD[name] for name in HOLD if name != "minutes"}), 422, "minutes: is missing"),
        (("POST", "/power/hold?dry_run=yes", HOLD), 422, "expected true or false"),
        (("DELETE", "/power/policies/night-cap", None), 422, "reason: is empty"),
        (("POST", "/power/policies/day-cap/enable", None), 404, "there is no policy 'day-cap'"),
        (("DELETE", "/power/hold/7?reason=x", None), 404, "there is no hold 7"),
        (("GET", "/power/audit?limit=0x5", None), 422, "limit"),
        (("GET", "/power/audit?cursor=-1", None), 422, "expected the `next`"),
        (("GET", "/power/policies?state=on", None), 422, "expected draft"),
    ],
)
async def test_what_makes_no_sense_is_told(core, call, status, says):
    found, problem = await ask(core, *call, Caller(name="ada", role=Role.APPROVER))

    assert found == status
    assert says in problem["detail"]


async def test_a_body_that_is_no_json_is_told(core):
    headers = corecall.headers(ADA, KEY)
    async with core.put("/power/policies/night-cap", data="{", headers=headers) as answer:
        assert answer.status == 400
        assert answer.content_type == "application/problem+json"


async def test_the_trail_is_paged_from_the_newest_to_the_first(core, desk):
    for number in range(5):
        desk.record(OLGA if number % 2 else ADA, "hold", f"node/n{number}")
    seen, cursor = [], ""
    while cursor is not None:
        _, page = await ask(core, "GET", f"/power/audit?limit=2&cursor={cursor}")
        seen += [item["subject"] for item in page["items"]]
        cursor = page["next"]

    assert seen == [f"node/n{number}" for number in (4, 3, 2, 1, 0)]
    _, of_olga = await ask(core, "GET", "/power/audit?caller=olga")
    assert {item["caller"] for item in of_olga["items"]} == {"olga"}


async def test_a_changed_trail_is_found(core, desk, tmp_path):
    desk.record(ADA, "hold", "node/n1")
    assert (await ask(core, "GET", "/power/audit/verify"))[1] == {"whole": True, "problems": [], "records": 1}

    path = next((tmp_path / "audit").glob("*.jsonl"))
    path.write_text(path.read_text().replace("ada", "eve"))
    _, found = await ask(core, "GET", "/power/audit/verify")
    assert (found["whole"], "was changed" in found["problems"][0]) == (False, True)


async def test_answers_are_json_that_any_reader_takes(core, desk):
    await ask(core, "POST", "/power/emergency", EMERGENCY, OLGA)
    async with core.get("/power/emergency") as answer:
        found = json.loads(await answer.text(), parse_constant=pytest.fail)

    assert found["items"][0]["expires"] is None


async def test_an_emergency_waits_for_no_thread_that_waits_itself(core, desk):
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    goes_on = threading.Event()
    stuck = asyncio.ensure_future(asyncio.to_thread(goes_on.wait, 90))
    try:
        async with asyncio.timeout(60):
            status, _ = await ask(core, "POST", "/power/emergency", EMERGENCY, OLGA)
        assert (status, stuck.done()) == (200, False)
    finally:
        goes_on.set()
        await stuck
