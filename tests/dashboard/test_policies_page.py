"""The page of policies: documents in, markup out."""

import re
from datetime import UTC

from fixture_power import alive, device, emergency, hold, policy, record, status, whole

from dashboard.components.policylist import Viewed
from dashboard.markup import filled
from dashboard.pages import policies
from dashboard.policywords import unix
from wattstat.access import Caller, Role

NOW = unix("2026-09-21T14:20:00Z")


def seen(role: Role = Role.APPROVER, search: str = "", via: str = "token") -> Viewed:
    return Viewed(who=Caller(name="olga", role=role, via=via), now=NOW, zone=UTC, search=search)


def page(view: Viewed | None = None, **changes) -> dict[str, str]:
    found = {
        "status": status(), "policies": [policy()], "holds": [], "emergencies": [], "trail": [],
        "check": {"whole": True, "problems": [], "records": 12}, "one": None, "missing": [], **changes,
    }  # fmt: skip
    return filled(policies.bodies(found, view or seen()))


def text(markup: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", markup)).replace("\u202f", " ").strip()


def test_a_policy_says_what_it_asks_of_whom_and_how_many_caps_it_decides():
    shown = text(page()["policies-list-body"])

    assert "night-cap Chillers are serviced" in shown
    assert "each GPU at most 70 % of its default limit the whole site" in shown
    assert "enabled, holds now" in shown
    assert "6 caps of 8 GPUs" in shown


def test_a_waiting_policy_says_when_it_holds_next():
    waiting = alive(state="waits", counts=False, until="2026-09-21T22:00:00Z")

    assert "holds next 22:00" in text(page(status=status(policies=[waiting]))["policies-list-body"])


def test_what_waits_for_a_second_person_comes_first_and_says_who_asked():
    pending = {"what": "disable", "by": "ada", "reason": "chillers are back", "at": None}
    shown = page(policies=[policy("a-cap"), policy("z-cap", waits_for=pending)])["policies-list-body"]

    assert shown.index("z-cap") < shown.index("a-cap")
    assert "waits for a second person: ada asks that it be disabled (chillers are back)" in text(shown)


def test_a_viewers_buttons_are_shut_and_say_which_role_is_needed():
    shown = "".join(page(seen(Role.VIEWER), emergencies=[emergency()], holds=[hold()], one=whole(policy())).values())

    buttons = re.findall(r"<button[^>]*>", shown)
    assert buttons
    assert "data-act" not in shown
    assert shown.count("needs operator") >= 5
    assert "needs the role author; you are olga, viewer" in shown


def test_an_operator_may_enable_and_not_write():
    shown = page(seen(Role.OPERATOR), policies=[policy(state="approved")])

    assert 'data-act="enable" data-name="night-cap"' in shown["policies-list-body"]
    assert "data-act" not in shown["policies-tools"]
    assert "needs author" in shown["policies-tools"]


def test_an_emergency_counts_the_devices_that_have_confirmed_their_lowest():
    name = "emergency 3 by olga"
    low = [device("gpu-01", str(each), binding_policy=name, target_watts=200.0, confirmed_watts=200.0) for each in range(3)]
    high = device("gpu-02", "9", binding_policy=name, target_watts=200.0, confirmed_watts=700.0)
    another = device("gpu-03", "8", binding_policy="emergency 33 by olga")
    shown = page(emergencies=[emergency()], status=status(devices=[*low, high, another]))["policies-emergencies"]

    assert "Emergency: rack rack-01" in text(shown)
    assert "olga, since 14:13 for 6 min: smoke" in text(shown)
    assert "3 of 4 devices at their lowest" in text(shown)
    assert 'data-act="all-clear" data-name="3"' in shown


def test_what_is_not_confirmed_yet_stands_first_among_those_who_decide():
    behind = device("gpu-09", "0", target_watts=350.0, confirmed_watts=700.0, binding_policy="rack rack-01")
    shown = page(status=status(devices=[device("gpu-01", "0"), behind]))["policies-winners-body"]

    assert shown.index("gpu-09") < shown.index("gpu-01")
    assert "gpu-09 1 GPU rack rack-01 350 W 700 W 1 on the way" in text(shown)


def test_a_filter_leaves_only_the_caps_that_one_policy_decides():
    devices = [device("gpu-01", "0"), device("gpu-02", "0", binding_policy="rack rack-01")]
    shown = page(seen(search="?decides=rack+rack-01"), status=status(devices=devices))

    assert "gpu-02" in shown["policies-winners-body"]
    assert "gpu-01" not in shown["policies-winners-body"]
    assert 'href="/policies?decides=night-cap"' in shown["policies-filters"]


def test_the_trail_names_who_what_and_why_and_a_broken_chain_is_told():
    broken = {"whole": False, "problems": ["record 5 was changed"], "records": 12}
    shown = page(trail=[record(what="disable policy", reason="done")], check=broken)

    assert "olga operator, token disable policy night-cap done" in text(shown["policies-trail-body"])
    assert "record 5 was changed" in shown["policies-trail-body"]
    assert "chain broken" in shown["policies-trail-tools"]


def test_one_policy_is_shown_as_yaml_with_its_versions():
    shown = page(one=whole(policy()))["policies-one"]

    assert "gpu_cap:\n    percent: 70" in shown
    assert "version 2 ada, 14:13 by itself: it only lowers power" in text(shown)


def test_a_mode_that_writes_nothing_is_told():
    assert "power.mode is observe" in page(status=status(mode="observe"))["policies-notice"]
    assert not page()["policies-notice"]


def test_a_session_can_be_left_and_others_can_log_in():
    assert 'action="/logout"' in page(seen(via="session"))["policies-head"]
    assert 'href="/login?next=/policies"' in page(seen(via="local"))["policies-head"]


def test_names_of_policies_are_no_markup():
    assert "<script>" not in "".join(page(policies=[policy("<script>", reason="<script>", owner="<script>")]).values())
