"""Policies at the desk: shown first, then recorded, then done."""

import pytest

from power.desk.refusal import Refusal
from power.policies.records import Conflict, NeedsSecond, Unknown
from tests.support.power_desk import ADA, BERT, OLGA, night_cap
from wattstat.api.power_bodies import Approval, PreviewBody, Why
from wattstat.document import InvalidDocument

WHY = Why(reason="a test")


def saved(policies, enabled=True, **changed):
    policies.save("", night_cap(**changed), ADA, expected=None, dry_run=False)
    return policies.enable("night-cap", OLGA, dry_run=False) if enabled else None


def orders(desk):
    return [(each.kind, each.body["what"], each.body["caller"]) for each in desk.trail.read()][::-1]


def test_a_dry_run_tells_the_difference_and_leaves_nothing_behind(policies, desk):
    found = policies.save("night-cap", night_cap(), ADA, expected=None, dry_run=True)

    preview = found["preview"]
    assert (preview["total_changes"], preview["lowered"], preview["raised"], preview["raises"]) == (16, 16, 0, False)
    assert preview["changes"][0] == {
        "device": "n1/GPU-n1-0", "node": "n1", "uuid": "GPU-n1-0",
        "before_watts": 700.0, "after_watts": 500.0, "why": "night-cap",
    }  # fmt: skip
    assert preview["watts_before"] - preview["watts_after"] == pytest.approx(16 * 200 * 1.05)
    assert preview["jobs"] == ["77"]
    assert policies.listed()["items"] == []
    assert desk.trail.read() == ()
    assert desk.steering.decisions == 0


def test_a_policy_holds_from_when_it_is_enabled(policies, desk):
    policies.save("", night_cap(), ADA, expected=None, dry_run=False)
    assert desk.steering.cap("n1") == 700

    policies.enable("night-cap", OLGA, dry_run=False)
    assert (desk.steering.cap("n1"), desk.steering.cap("n3")) == (500, 700)
    assert orders(desk) == [("order", "save policy", "ada"), ("order", "enable policy", "olga")]


def test_every_order_is_on_the_trail_before_it_is_done(policies, desk, monkeypatch):
    seen = []
    save = desk.repository.save
    monkeypatch.setattr(desk.repository, "save", lambda *a, **k: seen.append(len(desk.trail.read())) or save(*a, **k))

    policies.save("", night_cap(), ADA, expected=None, dry_run=False)
    record = desk.trail.read()[0].body

    assert seen == [1]
    assert record["policy"]["ask"] == {"gpu_cap": {"watts": 500}}
    assert (record["caller"], record["role"], record["via"]) == ("ada", "author", "token")


def test_what_was_refused_after_all_is_on_the_trail_too(policies, desk):
    with pytest.raises(Conflict):
        policies.save("", night_cap(), ADA, expected=7, dry_run=False)

    assert [each.kind for each in desk.trail.read()] == ["order refused", "order"]


def test_raising_takes_a_second_person(policies, desk):
    saved(policies)
    found = policies.save("", night_cap(ask={"gpu_cap": {"watts": 600}}), ADA, expected=1, dry_run=False)

    assert (found["state"], found["version"], found["draft"]) == ("enabled", 1, 2)
    assert found["waits_for"]["by"] == "ada"
    assert "600 W instead of 500 W" in found["waits_for"]["reason"]
    assert desk.steering.cap("n1") == 500

    author = ADA.__class__(name=" Ada ", role=BERT.role)
    with pytest.raises(NeedsSecond):
        policies.approve("night-cap", Approval(version=2), author, dry_run=False)
    assert desk.steering.cap("n1") == 500

    tried = policies.approve("night-cap", Approval(version=2), BERT, dry_run=True)
    assert (tried["preview"]["raised"], desk.steering.cap("n1")) == (16, 500)
    done = policies.approve("night-cap", Approval(version=2), BERT, dry_run=False)
    assert (done["version"], done["approved_by"], desk.steering.cap("n1")) == (2, "bert", 600)


def test_an_approver_approves_the_version_that_they_read(policies):
    saved(policies)
    policies.save("", night_cap(ask={"gpu_cap": {"watts": 600}}), ADA, expected=1, dry_run=False)
    policies.save("", night_cap(ask={"gpu_cap": {"watts": 700}}), ADA, expected=2, dry_run=False)

    with pytest.raises(Conflict, match="version 2"):
        policies.approve("night-cap", Approval(version=2), BERT, dry_run=False)


def test_taking_an_enforced_policy_out_waits_for_a_second_person(policies, desk):
    saved(policies)
    found = policies.disable("night-cap", WHY, OLGA, dry_run=False)

    assert (found["state"], found["waits_for"]["what"], desk.steering.cap("n1")) == ("enabled", "disable", 500)
    policies.approve("night-cap", Approval(), BERT, dry_run=False)
    assert desk.steering.cap("n1") == 700


def test_a_draft_can_be_turned_down(policies, desk):
    saved(policies)
    policies.save("", night_cap(ask={"gpu_cap": {"watts": 600}}), ADA, expected=1, dry_run=False)
    policies.reject("night-cap", WHY, BERT, dry_run=False)

    assert policies.shown("night-cap")["waits_for"] is None
    assert desk.steering.cap("n1") == 500


def test_what_cannot_be_held_is_refused_with_the_deficit(policies, desk):
    ask = {"limit": {"watts": 5000}}
    with pytest.raises(Refusal) as refused:
        policies.save("", night_cap(ask=ask), ADA, expected=None, dry_run=False)

    assert refused.value.status == 422
    deficit = 2 * 1000 + 16 * 350 * 1.05 - 5000
    assert refused.value.more["deficits"] == [
        {"limit": "rack r1", "deficit_watts": pytest.approx(deficit), "before_watts": 0.0, "why": "night-cap"}
    ]
    assert f"rack r1 lacks {deficit:,.0f} W (night-cap)" in refused.value.detail
    assert policies.listed()["items"] == []
    assert desk.trail.read() == ()


def test_a_preview_tells_deficits_and_refuses_nothing(policies):
    found = policies.preview(PreviewBody(policies=(night_cap(ask={"limit": {"watts": 5000}}),)))

    assert found["preview"]["deficits"][0]["limit"] == "rack r1"


def test_a_preview_can_leave_policies_out(policies):
    saved(policies)

    assert policies.preview(PreviewBody(without=("night-cap",)))["preview"]["raised"] == 16
    with pytest.raises(Unknown):
        policies.preview(PreviewBody(without=("day-cap",)))


def test_a_policy_is_ended_and_its_versions_stay(policies, desk):
    saved(policies, mode="observe")
    policies.end("night-cap", WHY, ADA, dry_run=False)

    assert policies.listed()["items"] == []
    assert len(desk.repository.versions("night-cap")) == 1
    with pytest.raises(Unknown):
        policies.shown("night-cap")


def test_versions_can_be_read_one_by_one(policies):
    saved(policies)
    policies.save("", night_cap(ask={"gpu_cap": {"watts": 450}}), ADA, expected=1, dry_run=False)
    found = policies.shown("night-cap", 1)

    assert (found["version"], found["policy_version"]) == (2, 1)
    assert found["policy"]["ask"] == {"gpu_cap": {"watts": 500}}
    assert [each["version"] for each in found["versions"]] == [2, 1]
    with pytest.raises(Refusal, match="no version 9"):
        policies.shown("night-cap", 9)


def test_policies_are_listed_by_state(policies):
    saved(policies)

    assert [each["name"] for each in policies.listed("enabled")["items"]] == ["night-cap"]
    assert policies.listed("draft") == {"items": [], "total": 0, "next": None}
    with pytest.raises(Refusal, match="expected draft, approved"):
        policies.listed("armed")


def test_a_policy_that_makes_no_sense_is_told_with_all_its_problems(policies):
    with pytest.raises(InvalidDocument) as refused:
        policies.save("", night_cap(name="Night Cap", ask={"gpu_cap": {"watt": 5}}), ADA, expected=None, dry_run=True)

    assert "did you mean `watts`" in str(refused.value)
    with pytest.raises(Refusal, match="day-cap"):
        policies.save("day-cap", night_cap(), ADA, expected=None, dry_run=True)
