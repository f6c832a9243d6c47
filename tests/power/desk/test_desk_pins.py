"""Holds and emergencies at the desk; emergencies with neither database nor disk."""

import pytest

from power.audit.trail import AuditError
from power.desk import scopes
from power.desk.refusal import Refusal
from power.policies.database import StoreError
from power.policies.records import NeedsSecond, Unknown
from power.policies.scope import Scope
from tests.support.power_desk import ADA, BERT, OLGA, night_cap
from wattstat.api.power_bodies import EmergencyBody, HoldBody, Why

WHY = Why(reason="a test")


def body(**changed):
    return HoldBody(**({"scope": "node/n1", "watts": 400, "reason": "a fan is loose", "minutes": 60} | changed))


def urgent(**changed):
    return EmergencyBody(**({"scope": "rack/r1", "reason": "smoke", "confirm": "r1"} | changed))


def test_a_hold_pins_devices_until_it_is_released(pins, desk):
    assert pins.hold(body(), OLGA, dry_run=True)["preview"]["lowered"] == 8
    assert (desk.steering.cap("n1"), desk.trail.read()) == (700, ())

    made = pins.hold(body(), OLGA, dry_run=False)
    assert (desk.steering.cap("n1"), made["counts"], made["owner"]) == (400, True, "olga")
    assert pins.holds()["items"][0]["scope"] == "node/n1"

    pins.release(made["id"], WHY, OLGA, dry_run=False)
    assert desk.steering.cap("n1") == 700
    assert pins.holds()["items"] == []
    with pytest.raises(Unknown):
        pins.release(made["id"], WHY, OLGA, dry_run=False)


def test_a_hold_above_what_limits_have_room_for_waits_for_a_second_person(pins, desk, policies, monkeypatch):
    policies.save("", night_cap(ask={"gpu_cap": {"watts": 400}}), ADA, expected=None, dry_run=False)
    policies.enable("night-cap", OLGA, dry_run=False)
    wanted = desk.steering._wanted

    def cramped(*wish):
        caps, names, _ = wanted(*wish)
        return caps, names, ({"before": ()}, _lack())[1:] if caps.max() > 0 and caps[0] > 400 else ()

    monkeypatch.setattr(desk.steering, "_wanted", cramped)
    made = pins.hold(body(watts=650), OLGA, dry_run=False)

    assert (made["counts"], desk.steering.cap("n1")) == (False, 400)
    assert "breaker b1 lacks 900 W" in made["needs_second"]
    with pytest.raises(NeedsSecond):
        pins.approve_hold(made["id"], OLGA.__class__(name="olga", role=BERT.role), dry_run=False)
    pins.approve_hold(made["id"], BERT, dry_run=False)
    assert desk.steering.cap("n1") == 650


def _lack():
    from power.desk.steering import Lack  # noqa: PLC0415

    return Lack(limit="breaker b1", deficit_watts=900.0)


def test_an_emergency_needs_the_word_typed_again(pins, desk):
    tried = pins.emergency(urgent(confirm=""), OLGA, dry_run=True)
    assert (tried["confirm"], tried["preview"]["lowered"]) == ("r1", 16)

    for word in ("", "R1", "rack/r1", "site"):
        with pytest.raises(Refusal, match="expected 'r1'"):
            pins.emergency(urgent(confirm=word), OLGA, dry_run=False)
    assert (desk.steering.cap("n1"), desk.trail.read()) == (700, ())

    made = pins.emergency(urgent(), OLGA, dry_run=False)
    assert (desk.steering.cap("n1"), desk.steering.cap("n3"), made["notes"]) == (200, 700, [])
    assert desk.trail.read()[0].body["what"] == "emergency"


def test_an_emergency_ends_when_somebody_says_so(pins, desk):
    made = pins.emergency(urgent(), OLGA, dry_run=False)

    assert pins.all_clear(made["id"], WHY, OLGA, dry_run=True)["preview"]["raised"] == 16
    assert desk.steering.cap("n1") == 200
    ended = pins.all_clear(made["id"], WHY, OLGA, dry_run=False)
    assert (desk.steering.cap("n1"), ended["ended_by"]) == (700, "olga")
    assert pins.emergencies()["items"] == []


def test_an_emergency_for_what_is_not_here_is_refused(pins, desk):
    with pytest.raises(Refusal, match="means no server"):
        pins.emergency(urgent(scope="rack/r9", confirm="r9"), OLGA, dry_run=False)
    assert desk.steering.braked == ()


def without_database(desk, monkeypatch):
    def away(*_given, **_named):
        raise StoreError("power.db: database is locked")

    for name in ("start_emergency", "end_emergency", "emergencies", "holds"):
        monkeypatch.setattr(desk.pins, name, away)


def without_disk(desk, monkeypatch):
    def full(*_given, **_named):
        raise AuditError("audit: the audit trail cannot be written (No space left on device)")

    monkeypatch.setattr(desk.trail, "append", full)


def test_an_emergency_needs_neither_database_nor_disk(pins, desk, monkeypatch):
    with monkeypatch.context() as broken:
        without_database(desk, broken)
        without_disk(desk, broken)
        made = pins.emergency(urgent(), OLGA, dry_run=False)

        assert desk.steering.cap("n1") == 200
        assert made["id"] == -1
        assert "No space left" in made["notes"][0]
        assert "holds in core's memory" in made["notes"][1]
        assert [each["id"] for each in pins.emergencies()["items"]] == [-1]
        with pytest.raises(AuditError):  # an end raises caps: that waits for the trail
            pins.all_clear(-1, WHY, OLGA, dry_run=False)
        assert desk.steering.cap("n1") == 200

    pins.all_clear(-1, WHY, OLGA, dry_run=False)
    assert (desk.steering.cap("n1"), desk.steering.braked) == (700, ())


def test_an_emergency_holds_before_anything_is_written(pins, desk, monkeypatch):
    caps = []
    append = desk.trail.append
    monkeypatch.setattr(desk.trail, "append", lambda *given: caps.append(desk.steering.cap("n1")) or append(*given))

    pins.emergency(urgent(), OLGA, dry_run=False)
    assert caps == [200]


def test_an_emergency_waits_for_no_act_that_is_under_way(pins, desk):
    import threading  # noqa: PLC0415

    with desk.lock:
        other = threading.Thread(target=lambda: pins.emergency(urgent(), OLGA, dry_run=False))
        other.start()
        other.join(20)
        assert not other.is_alive()
    assert desk.steering.cap("n1") == 200


def test_nothing_else_is_done_that_the_trail_cannot_tell(pins, desk, policies, monkeypatch):
    without_disk(desk, monkeypatch)

    with pytest.raises(AuditError):
        pins.hold(body(), OLGA, dry_run=False)
    with pytest.raises(AuditError):
        policies.save("", night_cap(), ADA, expected=None, dry_run=False)
    assert (pins.holds()["items"], policies.listed()["items"]) == ([], [])


@pytest.mark.parametrize(
    ("given", "scope", "word"),
    [
        ("site", Scope(), "site"),
        ("rack/r1", Scope(rack=("r1",)), "r1"),
        ("node/n[1-3]", Scope(node=("n1", "n2", "n3")), "n1,n2,n3"),
        ("feed/A, B", Scope(feed=("A", "B")), "A,B"),
        ("job/team-a/bert-0", Scope(job=("team-a/bert-0",)), "team-a/bert-0"),
        ({"rack": ["r1"], "gpu_model": "H100"}, Scope(rack=("r1",), gpu_model=("H100",)), "r1,H100"),
    ],
)
def test_scopes_are_read_as_people_write_them(given, scope, word):
    assert scopes.scope(given) == scope
    assert scopes.word(scope) == word
    if len(scope.given) < 2:
        assert scopes.scope(scopes.written(scope)) == scope


@pytest.mark.parametrize(
    "given", ["", "r1", "rack/", "/r1", "shelf/r1", {}, [], None, {"rack": []}, {"shelf": "r1"}, 7, "node/n[3-1]"]
)
def test_a_scope_that_says_nothing_is_not_the_whole_site(given):
    with pytest.raises(Refusal) as refused:
        scopes.scope(given)
    assert refused.value.status == 422


def test_a_hold_from_before_the_first_decision_waits_for_a_second_person(pins, desk, monkeypatch):
    monkeypatch.setattr(desk.steering, "devices", lambda _: None)

    made = pins.hold(body(watts=650), OLGA, dry_run=False)

    assert not made["counts"]
    assert "cannot tell yet" in made["needs_second"]
