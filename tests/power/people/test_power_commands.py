"""wattstat power: what people see before something is done, and how commands end."""

import json

import pytest
import yaml

from tests.support.power_desk import night_cap

HOLD = ("hold", "node/n1", "400", "--minutes", "60", "--reason", "a fan is loose")
EMERGENCY = ("emergency", "rack/r1", "--reason", "smoke")


@pytest.fixture
def file(tmp_path):
    """Writes policies into a file."""

    def write(*policies):
        path = tmp_path / "policies.yaml"
        path.write_text(yaml.safe_dump({"policies": list(policies)}))
        return path

    return write


def in_force(run, file):
    assert run("apply", file(night_cap()), "--yes", who="ada").exit_code == 0
    assert run("enable", "night-cap", "--yes", who="olga").exit_code == 0


def test_what_is_applied_is_shown_first_and_done_after_a_yes(run, file, desk):
    path = file(night_cap())
    declined = run("apply", path, who="ada", types="n\n")
    assert (declined.exit_code, "nothing was done" in declined.stderr) == (1, True)
    assert desk.repository.policies() == ()

    done = run("apply", path, who="ada", types="y\n")
    assert done.exit_code == 0, done.output
    assert "new: night-cap, once it is in force" in done.stdout
    assert "16 caps lower, 0 higher" in done.stdout
    assert "the most that could be drawn: 27.5 kW -> 24.2 kW (-3,360 W)" in done.stdout
    assert "  n1    8 GPUs   700 W  500 W  night-cap" in done.stdout
    assert "jobs touched: 77" in done.stdout
    assert "Save 1 of 1 policies?" in done.stderr
    assert done.stdout.splitlines()[-1] == "night-cap version 1 is approved"
    assert desk.repository.policy("night-cap").shown.author == "ada"


def test_without_a_terminal_nothing_is_done_unless_a_script_means_it(run, file, desk):
    ended = run("apply", file(night_cap()), who="ada")

    assert (ended.exit_code, "say --yes" in ended.stderr) == (2, True)
    assert desk.repository.policies() == ()


def test_what_the_site_has_already_is_left_alone(run, file):
    in_force(run, file)

    assert "nothing to do" in run("apply", file(night_cap()), who="ada").stdout
    changed = run("apply", file(night_cap(ask={"gpu_cap": {"watts": 450}})), "--yes", who="ada")
    assert "change: night-cap" in changed.stdout
    assert "500 W  450 W" in changed.stdout


def test_policies_can_be_enabled_as_they_are_applied(run, file, desk):
    ended = run("apply", file(night_cap()), "--yes", "--enable", who="bert")

    assert ended.stdout.splitlines()[-1] == "night-cap version 1 is enabled"
    assert desk.steering.cap("n1") == 500


def test_a_file_that_is_wrong_is_told_with_its_lines(run, file, tmp_path):
    path = file(night_cap(ask={"gpu_cap": {"wats": 1}}))
    ended = run("apply", path, who="ada")

    assert ended.exit_code == 2
    assert f"{path}:" in ended.stderr
    assert "did you mean `watts`" in ended.stderr
    (tmp_path / "empty.yaml").write_text("policies: []")
    assert "holds no policies" in run("diff", tmp_path / "empty.yaml").stderr
    assert run("diff", tmp_path / "nosuch.yaml").exit_code == 2


def test_what_cannot_be_held_ends_with_the_deficit(run, file):
    ended = run("apply", file(night_cap(ask={"limit": {"watts": 5000}})), "--yes", who="ada")

    assert ended.exit_code == 1
    assert "rack r1 lacks 2,880 W" in ended.stderr
    shown = run("diff", file(night_cap(ask={"limit": {"watts": 5000}})))
    assert (shown.exit_code, "! rack r1 lacks 2,880 W (night-cap)" in shown.stdout) == (0, True)


def test_a_raise_goes_through_a_second_person(run, file, desk):
    in_force(run, file)
    ended = run("apply", file(night_cap(ask={"gpu_cap": {"watts": 600}})), "--yes", who="ada")
    assert "version 2 waits for a second person: it would be 600 W instead of 500 W" in ended.stdout
    assert "version 2 by ada" in run("policies").stdout

    refused = run("approve", "night-cap", "--yes", who="ada")
    assert (refused.exit_code, "needs the role approver" in refused.stderr) == (1, True)
    approved = run("approve", "night-cap", who="bert", types="y\n")
    assert "16 higher" in approved.stdout
    assert "night-cap version 2 is enabled" in approved.stdout
    assert desk.steering.cap("n1") == 600


def test_the_draft_that_is_shown_is_the_draft_that_is_approved(run, file, desk, monkeypatch):
    in_force(run, file)
    run("apply", file(night_cap(ask={"gpu_cap": {"watts": 600}})), "--yes", who="ada")
    asked = []
    approve = desk.repository.approve
    monkeypatch.setattr(desk.repository, "approve", lambda *a, **k: asked.append(k) or approve(*a, **k))
    run("approve", "night-cap", "--yes", who="bert")

    assert asked == [{"version": 2}]


def test_a_policy_is_disabled_rejected_and_ended(run, file, desk):
    in_force(run, file)
    assert "disable waits for a second person" in run("disable", "night-cap", "--reason", "x", "--yes", who="olga").stdout
    assert run("reject", "night-cap", "--reason", "no", "--yes", who="bert").exit_code == 0
    assert desk.steering.cap("n1") == 500
    run("end", "night-cap", "--reason", "x", "--yes", who="ada")
    run("approve", "night-cap", "--yes", who="bert")
    assert desk.steering.cap("n1") == 700


def test_one_policy_is_shown_as_a_file_would_have_it(run, file):
    in_force(run, file)
    shown = run("show", "night-cap").stdout

    assert yaml.safe_load(shown.partition("\n\n")[0]) == {"policies": [night_cap(scope={"rack": ["r1"]})]}
    assert "version 1 is enabled" in shown
    assert run("show", "day-cap").exit_code == 2


def test_a_hold_comes_and_goes(run, desk):
    assert "8 caps lower" in run(*HOLD, "--dry-run", who="olga").stdout
    assert desk.steering.cap("n1") == 700
    assert run(*HOLD, "--yes", who="olga").stdout.endswith("hold 1 on node/n1 counts\n")
    assert desk.steering.cap("n1") == 400
    assert "node/n1 (GPUs)  400 W" in run("holds").stdout
    assert run("release", "1", "--reason", "mended", "--yes", who="olga").stdout.endswith("hold 1 is released\n")
    assert desk.steering.cap("n1") == 700


def test_an_emergency_is_typed_at_the_terminal(run, desk):
    wrong = run(*EMERGENCY, who="olga", types="yes\n")
    assert (wrong.exit_code, "expected 'r1'" in wrong.stderr, desk.steering.cap("n1")) == (2, True, 700)

    right = run(*EMERGENCY, who="olga", types="r1\n")
    assert "Type r1 to bring rack/r1 to its lowest limits" in right.stderr
    assert "emergency 1 is on for rack/r1" in right.stdout
    assert (desk.steering.cap("n1"), desk.steering.cap("n3")) == (200, 700)
    assert run("all-clear", "1", "--reason", "false alarm", "--yes", who="olga").exit_code == 0
    assert desk.steering.cap("n1") == 700


def test_an_emergency_by_a_script_needs_the_word_too(run, desk):
    ended = run(*EMERGENCY, who="olga")
    assert (ended.exit_code, "say --confirm r1" in ended.stderr) == (2, True)
    assert run(*EMERGENCY, "--confirm", "rack/r1", who="olga").exit_code == 2
    assert desk.steering.cap("n1") == 700
    assert run(*EMERGENCY, "--confirm", "r1", who="olga").exit_code == 0
    assert desk.steering.cap("n1") == 200


def test_a_viewer_looks_and_is_told_what_acting_takes(run, file, desk):
    ended = run(*HOLD, "--yes", who="vera")
    assert (ended.exit_code, "needs the role operator; vera is a viewer" in ended.stderr) == (1, True)
    local = run(*HOLD, "--yes")
    assert "local is a viewer; send a token of that role (`wattstat token NAME --role ROLE` makes one)" in local.stderr
    assert run("status", who="vera").exit_code == 0
    assert run("diff", file(night_cap()), who="vera").exit_code == 0
    assert desk.trail.read() == ()


def test_a_wrong_token_is_told(run):
    ended = run("status", "--token", "wst_wrong")

    assert (ended.exit_code, "Wrong token" in ended.stderr) == (1, True)
    assert "wst_wrong" not in ended.output


def test_status_ends_with_failure_while_a_breaker_is_not_safe(run, desk, monkeypatch):
    status = {
        "mode": "enforce", "leader": {"holder": "core-1", "token": 4, "leads": True}, "safe": False, "unsafe": ["breaker b1"],
        "budgets": [{"name": "r1", "kind": "rack", "limit_watts": 9000.0, "power_watts": 12_345.0, "headroom_watts": -3345.0,
                     "trip_safe_watts": None, "envelope_watts": 15_000.0, "state": "over", "binding": "night-cap"}],
        "devices": [{"device": "n1", "target_watts": 1.0, "confirmed_watts": None, "power_watts": None, "state": "pending",
                     "binding_policy": None}],
        "policies": [], "emergencies": [{"id": 1, "scope": "rack r1", "owner": "olga", "reason": "smoke"}],
        "findings": [{"node": "n1", "uuid": "", "why": "drift", "detail": "700 W instead of 500 W"}],
        "troubles": ["the database is away"],
    }  # fmt: skip
    monkeypatch.setattr(desk.steering, "status", lambda: status)
    ended = run("status", "--devices")

    assert ended.exit_code == 1
    told = " ".join(ended.stdout.split())
    for line in (
        "mode enforce; led by core-1",
        "! NOT SAFE without control: breaker b1",
        "! emergency 1 for rack r1: smoke (olga)",
        "700 W instead of 500 W",
        "! the database is away",
        "r1 rack 9,000 W 12.3 kW -3,345 W 15.0 kW over night-cap",
        "n1 1 W pending",
    ):
        assert line in told
    assert json.loads(run("status", "--json").stdout) == status


def test_the_trail_is_printed_and_checked(run, desk, tmp_path):
    run(*HOLD, "--yes", who="olga")
    printed = run("audit").stdout
    assert "what hold, subject node/n1, role operator, via token, watts 400.0" in printed
    assert [each["caller"] for each in json.loads(run("audit", "--json").stdout)["items"]] == ["olga"]
    assert run("audit", "--caller", "ada").stdout.count("\n") == 1
    assert run("verify").stdout == "1 record, whole\n"

    path = next((tmp_path / "core/audit").glob("*.jsonl"))
    path.write_text(path.read_text().replace("olga", "oscar"))
    ended = run("verify")
    assert (ended.exit_code, "was changed" in ended.stdout) == (1, True)


@pytest.mark.parametrize(
    "words", [("apply",), ("enable", "night-cap", "--yes"), ("status",), ("emergency", "site", "--reason", "x")]
)
def test_json_is_all_that_stands_on_standard_output(run, file, words):
    run("apply", file(night_cap()), "--yes", who="ada")
    if words[0] == "apply":
        words = ("apply", file(night_cap(name="other")), "--yes")
    if words[0] == "emergency":
        words = (*words, "--confirm", "site")
    ended = run(*words, "--json", who="bert")

    assert ended.exit_code == 0, ended.output
    json.loads(ended.stdout)


def test_a_saved_policy_and_a_file_are_rehearsed(run, file):
    run("apply", file(night_cap()), "--yes", who="ada")

    saved = run("simulate", "night-cap", "--days", "2", "--json", who="olga")
    assert json.loads(saved.stdout) == {"policies": ["night-cap"], "days": 2.0}
    unsaved = run("simulate", file(night_cap(name="day-cap")), "--json", who="olga")
    assert json.loads(unsaved.stdout) == {"policies": ["day-cap"], "days": 7.0}
    assert run("simulate", "night-cap", who="vera").exit_code == 1


def test_a_predefined_policy_is_a_beginning(run, tmp_path):
    assert "night-cap" in run("predefined").stdout
    made = run("predefined", "night-cap", "--set", "percent=60", "--set", "start=21:00", "--owner", "hpc")
    (tmp_path / "made.yaml").write_text(made.stdout)
    assert run("apply", tmp_path / "made.yaml", "--yes", who="ada").stdout.endswith("night-cap version 1 is approved\n")
    assert "mode: observe" in made.stdout
    assert "owner: hpc" in run("show", "night-cap").stdout
    assert "is enabled, in mode observe: nothing is done" in run("enable", "night-cap", "--yes", who="olga").stdout
    assert run("predefined", "static-cap").exit_code == 2
    assert "expected such as percent=70" in run("predefined", "night-cap", "--set", "percent").stderr


def test_a_price_is_posted(run, desk):
    assert run("signal", "spot-price", "0.41", who="olga").stdout == "spot-price is 0.41 until 2026-09-21 14:28\n"
    assert desk.posted.numbers(desk.clock()) == {"spot-price": 0.41}
    assert run("signal", "spot-price", "0.41", who="vera").exit_code == 1
