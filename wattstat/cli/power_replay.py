"""`wattstat power replay`: the controller's decisions made again from the trail, on any machine that has its folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from wattstat import units
from wattstat.cli.options import ConfigOption, JsonOption, config_path
from wattstat.cli.output import FAILED, fail, print_json

FolderOption = Annotated[
    Path | None, typer.Option("--folder", metavar="DIR", help="The trail's folder; the configuration's unless given.")
]
AfterOption = Annotated[int, typer.Option(min=0, help="Only decisions behind the record of this number.")]
LimitOption = Annotated[int, typer.Option(min=1, help="How many at most.")]


def replay(
    *,
    folder: FolderOption = None,
    after: AfterOption = 0,
    limit: LimitOption = 1000,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make recorded decisions again and compare them. Needs no running process, and writes to no device.

    Exit code 1: the trail was changed, or a decision comes out otherwise. Inputs that were pruned are told, and no failure.
    """
    from datetime import datetime

    from power.audit import replay as again
    from power.audit.inputs import Inputs
    from power.audit.trail import AuditError, Trail
    from power.controller import decide
    from wattstat.config.reader import load

    def made(given: Mapping[str, Any]) -> object:
        return decide(given["given"])[0]

    if folder is None:
        settings = load(config_path(config))
        folder = settings.power.audit or settings.data_dir / "audit"
    trail = Trail(folder, lambda: 0.0)
    try:
        problems = trail.verify()
        found = again.replay(trail, Inputs(folder / "inputs"), made, after=after, limit=limit)
    except AuditError as err:
        fail(str(err))
    whole = not problems and not found.different
    if as_json:
        print_json({"ok": whole, "problems": problems, **asdict(found)})
    else:
        typer.echo(f"{units.count(found.decisions, 'decision')}, {found.same} come out the same")
        for each in (*found.different, *found.lost):
            typer.echo(f"! {each.number} ({datetime.fromtimestamp(each.at).astimezone():%Y-%m-%d %H:%M:%S}): {each.what}")
        for problem in problems:
            typer.echo(f"! {problem}")
    if not whole:
        raise typer.Exit(FAILED)
