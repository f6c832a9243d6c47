"""`wattstat simulate`: power scenarios in virtual time, with the peers' algorithms beside ours."""

from __future__ import annotations

from typing import Annotated

import typer

from wattstat.cli.options import JsonOption
from wattstat.cli.output import FAILED, WRONG_USE, fail, print_json, print_table


def simulate(
    *,
    scenario: Annotated[
        str, typer.Argument(metavar="SCENARIO.yaml|NAME|all", help="A file, a scenario that comes along, or all of them.")
    ] = "",
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds.")] = 1,
    baselines: Annotated[bool, typer.Option("--baselines", help="Also run the peers' algorithms.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Small halls, short times: a first look.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Rehearse power control in virtual time and judge it: breaker trips, time over budget, throughput, invariants.

    Nothing is written to any device. Without a scenario the names of those that come along are printed. The exit code is 1
    when a criterion fails.
    """
    from power.scenarios import suite
    from power.scenarios.scenario import library, load
    from power.scenarios.table import COLUMNS

    known = library()
    if not scenario:
        print_table(("name", "title"), [[name, load(name).title] for name in known])
        return
    if scenario != "all" and scenario not in known and not scenario.endswith((".yaml", ".yml")):
        fail(f"no scenario named {scenario}; there are {', '.join(known)}, or give a YAML file", WRONG_USE)
    names = list(known) if scenario == "all" else [scenario]
    reports = []
    for name in names:
        wanted = load(name)
        reports.append(suite.judge(wanted.small() if quick else wanted, range(1, seeds + 1), with_baselines=baselines))
        typer.echo(f"{wanted.name}: {reports[-1].verdict}", err=True)
    if as_json:
        print_json({"items": [report.to_json() for report in reports]})
    else:
        rows = [line for report in reports for line in report.rows]
        print_table(
            COLUMNS,
            [[line[name] for name in COLUMNS] for line in rows],
            right={"over", "worst_s", "back_p99_s", "throughput", "slow_p99", "changes"},
        )
        for report in reports:
            for check in report.checks:
                typer.echo(f"{'pass' if check.passed else 'FAIL'}  {report.scenario.name}: {check}")
    if not all(report.passed for report in reports):
        raise typer.Exit(FAILED)
