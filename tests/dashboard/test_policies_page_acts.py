"""The dialogues of policies: what is looked at, what is asked of core, and what is told of its answers."""

import re
from datetime import UTC

import pytest
from fixture_hall import NOW, FakeLive, FakeStore
from fixture_power import policy, preview, status, whole

from dashboard import policyacts, policytext
from dashboard.components.policylist import Viewed
from dashboard.pages.policies import bodies, documents
from dashboard.services import Services
from wattstat.access import Caller, Role
from wattstat.api.live import CoreUnavailable
from wattstat.api.problems import Problem

PREDEFINED = {
    "name": "night-cap", "title": "Night cap", "text": "Less power by night",
    "parameters": [
        {"name": "percent", "text": "share", "default": 70, "required": False},
        {"name": "start", "text": "from when", "default": "22:00", "required": False},
        {"name": "days", "text": "which days", "default": [], "required": False},
    ],
}  # fmt: skip
YAML = "name: night-cap\nowner: facility\nask:\n  gpu_cap: {percent: 160}\n"


class FakeCalls:
    """Core's desk: answers of a table, by method and path; an exception is raised."""

    def __init__(self, **answers) -> None:
        self.asked = []
        self.answers = {
            "GET status": status(), "GET predefined": {"items": [PREDEFINED]}, "GET policies/night-cap": whole(policy()),
            **{key.replace("__", " ").replace("_of_", "/"): value for key, value in answers.items()},
        }  # fmt: skip

    async def get(self, path, params=None):
        return await self.ask("GET", path, params=params)

    async def ask(self, method, path, *, params=None, body=None):
        self.asked.append((method, path, dict(params or {}), body))
        usual = {"preview": preview(), "needs_second": "", "unchanged": False, "confirm": "r1", "notes": [], **policy()}
        found = self.answers.get(f"{method} {path}", usual)
        if isinstance(found, Exception):
            raise found
        return found


async def said(calls, role=Role.APPROVER, rehearse=None, **asked):
    services = Services(FakeStore(), FakeLive(), lambda: NOW, power=calls, rehearse=rehearse)
    who = Caller(name="olga", role=role, via="token")
    answer = await policyacts.answer(services, asked, who, UTC)
    return answer.to_json()


def text(answer) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", " ".join(answer["fill"].values()))).replace("\u202f", " ")


def acts(calls):
    """Everything that was asked and not only tried."""
    return [one for one in calls.asked if one[0] != "GET" and one[2].get("dry_run") == "false"]


@pytest.mark.parametrize("act", [*policyacts.STEPS, "hold", "emergency", "new", "draft", "edit", "make", "rehearse"])
async def test_no_button_acts_before_its_dialogue_was_confirmed(act):
    calls = FakeCalls()

    for step in ({}, {"step": "look"}, {"step": "open"}):
        await said(calls, act=act, name="night-cap", scope="rack/r1", watts="400", minutes="5", reason="x", text=YAML, **step)

    assert acts(calls) == []


@pytest.mark.parametrize("act", list(policyacts.STEPS))
async def test_the_second_press_acts_once_with_the_reason_that_was_given(act):
    calls = FakeCalls()

    await said(calls, act=act, step="do", name="night-cap", reason="chillers are back")

    [(method, path, params, body)] = acts(calls)
    step = policyacts.STEPS[act]
    assert (method, path) == (step.method, step.path.format(name="night-cap"))
    given = {"body": body, "params": params}.get(step.sends)
    assert given is None or given["reason"] == "chillers are back"


async def test_the_difference_names_servers_watts_and_jobs():
    shown = text(await said(FakeCalls(), act="enable", name="night-cap"))

    assert "gpu-01 4 GPUs 700 W ↓ 420 W night-cap" in shown
    assert "9.00 kW → 7.88 kW" in shown
    assert "Jobs touched: 4204" in shown


async def test_what_lacks_watts_is_told_before_anything_is_done():
    lacks = preview(deficits=[{"limit": "rack r1", "deficit_watts": 1500.0, "before_watts": 0.0, "why": "night-cap"}])
    calls = FakeCalls(**{"POST__policies_of_night-cap_of_enable": {"preview": lacks, **policy()}})

    assert "rack r1 lacks 1.50 kW." in text(await said(calls, act="enable", name="night-cap"))


async def test_a_refusal_is_shown_in_full_and_keeps_what_was_typed():
    refused = Problem(403, "A second person is needed", "olga asked for it and cannot approve it")
    calls = FakeCalls(**{"POST__policies_of_night-cap_of_approve": refused})

    first = await said(calls, act="approve", name="night-cap")
    second = await said(calls, act="approve", step="do", name="night-cap")

    assert first["fresh"]
    assert not second["fresh"]
    for answer in (first, second):
        assert "A second person is needed. olga asked for it and cannot approve it" in text(answer)


async def test_what_waits_for_a_second_person_is_not_called_done():
    pending = {"what": "disable", "by": "olga", "reason": "x", "at": None}
    calls = FakeCalls(**{"POST__policies_of_night-cap_of_disable": {"preview": preview(), **policy(waits_for=pending)}})

    shown = text(await said(calls, act="disable", step="do", name="night-cap", reason="x"))

    assert "Nothing has changed yet." in shown
    assert "Done" not in shown


async def test_the_version_that_was_read_is_the_one_that_is_approved():
    calls = FakeCalls()

    first = await said(calls, act="approve", name="night-cap", version="4")
    await said(calls, act="approve", step="do", name="night-cap", version="4")

    assert 'name="version" value="4"' in first["fill"]["act-dialog-body"]
    assert acts(calls)[0][3] == {"version": 4}


async def test_silent_core_is_told_with_what_still_holds():
    calls = FakeCalls(POST__emergency=CoreUnavailable("core does not answer. Caps stay in the devices."))

    answer = await said(calls, act="emergency", step="do", scope="site", confirm="site", reason="smoke")

    assert "Caps stay in the devices." in text(answer)


async def test_the_emergency_lists_every_place_with_the_word_that_confirms_it():
    body = (await said(FakeCalls(), act="emergency"))["fill"]["act-dialog-body"]

    assert '<option value="site" data-word="site">The whole site</option>' in body
    assert '<option value="rack/rack-01" data-word="rack-01">' in body
    assert '<option value="node/gpu-01" data-word="gpu-01">' in body


async def test_an_address_may_name_a_scope_that_the_list_does_not_have():
    body = (await said(FakeCalls(), act="emergency", scope="partition/debug"))["fill"]["act-dialog-body"]

    assert '<option value="partition/debug" selected data-word="debug">' in body


async def test_names_lead_nowhere_else_in_core():
    calls = FakeCalls()

    for name in ("../emergency", "a/enable", "", "..", "a?dry_run=false"):
        assert "is no name of a policy" in text(await said(calls, act="enable", step="do", name=name))
    assert calls.asked == []


async def test_a_predefined_policy_takes_its_numbers_as_the_api_wants_them():
    calls = FakeCalls(**{"POST__predefined_of_night-cap": {"policy": {"name": "night-cap", "owner": "olga"}}})
    given = {"parameter.percent": "60", "parameter.start": "21:00", "parameter.days": "mon, tue"}

    answer = await said(calls, act="make", step="do", predefined="night-cap", owner="olga", name="n", scope="rack/r1,r2",
                        mode="enforce", **given)  # fmt: skip

    body = calls.asked[-1][3]
    assert body["parameters"] == {"percent": 60, "start": "21:00", "days": ["mon", "tue"]}
    assert body["scope"] == {"rack": ["r1", "r2"]}
    assert "name: night-cap" in answer["fill"]["act-dialog-body"]


async def test_what_core_says_of_a_text_stands_at_its_lines():
    problems = ["policy: ask.gpu_cap.percent: is 160; expected at most 100", "policy: reason: is missing"]
    refused = Problem(422, "Not understood", "; ".join(problems), more={"problems": problems})
    calls = FakeCalls(**{"PUT__policies_of_night-cap": refused})

    result = (await said(calls, act="edit", step="look", text=YAML))["fill"]["policy-editor-result"]

    assert 'data-line="4"' in result
    assert "ask.gpu_cap.percent: is 160; expected at most 100<code>gpu_cap: {percent: 160}</code>" in result
    assert "reason: is missing" in result


async def test_only_the_text_whose_difference_was_shown_is_saved():
    calls = FakeCalls(**{"PUT__policies_of_night-cap": {"preview": preview(), "unchanged": False, **policy(state="approved")}})

    looked = await said(calls, act="edit", step="look", text=YAML, expected="2")
    await said(calls, act="edit", step="save", text=YAML + "mode: enforce\n", seen=YAML, expected="2")
    assert acts(calls) == []
    await said(calls, act="edit", step="save", text=YAML, seen=YAML, expected="2")

    assert 'value="save"' in looked["fill"]["policy-editor-save"]
    [(_, path, params, body)] = acts(calls)
    assert (path, params["expected"]) == ("policies/night-cap", "2")
    assert body["ask"] == {"gpu_cap": {"percent": 160}}


async def test_who_may_not_write_may_look_and_is_not_offered_to_save():
    calls = FakeCalls(POST__preview={"preview": preview()})

    answer = await said(calls, Role.OPERATOR, act="edit", step="look", text=YAML)

    assert "Saving it needs the role author." in text(answer)
    assert answer["fill"]["policy-editor-save"] == ""


async def test_rehearsing_needs_an_operator_and_asks_for_days_that_there_are():
    ran = []

    async def rehearse(policies, days):
        ran.append((policies, days))
        raise Problem(409, "No history", "nothing was recorded")

    for role, days in ((Role.VIEWER, "7"), (Role.OPERATOR, "3000"), (Role.OPERATOR, "7")):
        await said(FakeCalls(), role, rehearse, act="rehearse", name="night-cap", days=days)

    assert [days for _, days in ran] == [7.0]


def test_yaml_that_is_none_is_told_with_its_line():
    assert policytext.read("name: a\n  owner: b: c\n").troubles[0].line == 2
    assert "has 2 policies" in policytext.read("policies: [{name: a}, {name: b}]").troubles[0].what
    assert policytext.read("- a\n").policy is None
    assert policytext.read("").policy is None


def test_a_file_of_one_policy_is_that_policy_with_the_files_lines():
    found = policytext.read("policies:\n  - name: a\n    expires: 2026-12-31\n    ask:\n      limit: {watts: 5}\n")

    assert found.policy == {"name": "a", "expires": "2026-12-31", "ask": {"limit": {"watts": 5}}}
    assert found.located(["policy: ask.limit.watts: is 5"])[0].line == 5


def test_a_policy_survives_being_written_and_read():
    words = {"name": "a", "scope": {"rack": ["r1"]}, "ask": {"gpu_cap": {"percent": 70.0}}, "reason": "größer: 5"}

    assert policytext.read(policytext.written(words)).policy == words


async def test_without_a_status_the_whole_site_can_still_be_stopped():
    calls = FakeCalls(GET__status=Problem(503, "Not now", "the status is not available"))

    answer = await said(calls, act="emergency")

    body = answer["fill"]["act-dialog-body"]
    assert '<option value="site" data-word="site">' in body
    assert "Lowest limits now" in body
    assert "the status is not available" in answer["fill"]["act-dialog-error"]


async def test_a_draft_from_the_page_of_power_has_its_numbers():
    asked = {"draft": "limit", "scope": "rack:rack-01", "watts": "16500", "basis": "guaranteed"}

    body = (await said(FakeCalls(), act="draft", **asked))["fill"]["act-dialog-body"]

    written = policytext.read(re.search(r"<textarea[^>]*>(.*?)</textarea>", body, re.DOTALL)[1].replace("&#x27;", "'")).policy
    assert written["name"] == "limit-rack-01"
    assert written["scope"] == {"rack": "rack-01"}
    assert written["ask"] == {"limit": {"watts": 16500.0, "basis": "guaranteed"}}


async def test_a_database_that_is_away_hides_neither_caps_nor_the_red_button():
    away = Problem(503, "The database of policies is not available", "disk full")
    calls = FakeCalls(GET__policies=away, GET__hold=away, GET__emergency=away)
    calls.answers["GET audit/verify"] = {"whole": True, "problems": [], "records": 1}
    services = Services(FakeStore(), FakeLive(), lambda: NOW, power=calls)

    found = await documents(services, "")
    shown = bodies(found, Viewed(who=Caller(name="olga", role=Role.OPERATOR), now=NOW, zone=UTC))

    assert found["missing"] == ["disk full"]
    assert 'data-act="emergency"' in "".join(filter(None, shown["policies-head"]))
    assert "gpu-01" in shown["policies-winners-body"][0]
    assert "could not be read" in shown["policies-list-body"]
    assert "could not be read" in shown["policies-holds-body"]
