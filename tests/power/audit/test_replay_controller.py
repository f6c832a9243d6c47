"""A controller's own decisions, made again by the same code, and by other code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from power.audit.inputs import Inputs
from power.audit.replay import Replayed, replay
from power.audit.trail import Trail
from power.controller import Given, decide
from wattstat.cli import app


def _again(given: Mapping[str, Any]) -> object:
    made_of: Given = given["given"]
    return decide(made_of)[0]


def _replayed(decisions: tuple[Trail, Inputs], **changed: float) -> Replayed:
    def now(given: Mapping[str, Any]) -> object:
        made_of: Given = given["given"]
        return _again({"given": replace(made_of, tuning=replace(made_of.tuning, **changed))})

    trail, inputs = decisions
    return replay(trail, Inputs(inputs.folder), now)


def test_every_decision_of_a_controller_comes_out_the_same(decisions: tuple[Trail, Inputs]) -> None:
    found = _replayed(decisions)

    assert (found.decisions, found.same, found.lost) == (40, 40, ())
    assert found.different == ()


def test_another_tuning_decides_otherwise_and_the_first_difference_is_told(decisions: tuple[Trail, Inputs]) -> None:
    found = _replayed(decisions, hold=0.6, cut=0.7, release=0.5)

    assert len(found.different) > 0
    assert "proposal." in found.different[0].what


def test_fleet_and_layout_are_kept_once_for_all_decisions(decisions: tuple[Trail, Inputs]) -> None:
    trail, inputs = decisions
    given, decided = 40, 40
    fleet, intent, layout = 1, 1, 1

    assert len(list(inputs.folder.iterdir())) <= given + decided + fleet + intent + layout
    assert len(trail.read(limit=100)) == 40


def test_the_command_says_that_all_come_out_the_same(decisions: tuple[Trail, Inputs]) -> None:
    trail, _ = decisions

    found = CliRunner().invoke(app, ["power", "replay", "--folder", str(trail.folder), "--limit", "15"])

    assert (found.exit_code, found.output) == (0, "15 decisions, 15 come out the same\n")


def test_the_command_takes_the_folder_of_the_configuration(decisions: tuple[Trail, Inputs], tmp_path: Path) -> None:
    trail, _ = decisions
    config = tmp_path / "wattstat.yaml"
    config.write_text(f"power: {{audit: {trail.folder}}}\n")

    found = CliRunner().invoke(app, ["power", "replay", "--config", str(config), "--after", "38", "--json"])

    assert found.exit_code == 0
    assert json.loads(found.output) == {"ok": True, "problems": [], "decisions": 2, "same": 2, "different": [], "lost": []}


def test_the_command_fails_when_the_trail_was_changed(decisions: tuple[Trail, Inputs]) -> None:
    trail, inputs = decisions
    path = next(trail.folder.glob("*.jsonl"))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:5], *lines[6:]]))
    (inputs.folder / f"{trail.read(after=0)[0].body['given']['given']}.npz").unlink()

    found = CliRunner().invoke(app, ["power", "replay", "--folder", str(trail.folder)])

    assert found.exit_code == 1
    assert "39 decisions, 38 come out the same" in found.output
    assert "is gone: it was pruned, or taken away" in found.output
    assert "record 7 follows 5; 1 are missing" in found.output
