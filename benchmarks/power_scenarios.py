"""Power scenarios in virtual time, with the peers' algorithms beside ours, and the matrix of faults and loads.

`WATTSTAT_SCENARIO_SEEDS` (20 for the whole) and `WATTSTAT_SCENARIO_SIZE` (small or full) say how much; the
default takes about ten minutes. `python -m benchmarks.power_scenarios` writes docs/scenarios.md.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import structlog

from benchmarks.table import Row, machine
from power.scenarios.matrix import FAULTS, LOADS, matrix
from power.scenarios.scenario import library, load
from power.scenarios.suite import OURS, Report, judge
from power.scenarios.table import COLUMNS

SEEDS = int(os.environ.get("WATTSTAT_SCENARIO_SEEDS", "2"))
IS_FULL = os.environ.get("WATTSTAT_SCENARIO_SIZE", "small") == "full"
TARGET = Path("docs/scenarios.md")
MARK = "<!-- figures -->"


def run() -> list[Row]:
    """Every scenario, then the matrix."""
    reports = _reports()
    began = time.perf_counter()
    cells = matrix(range(1, max(SEEDS // 10, 1) + 1))
    trips = sum(cell.result.figures.trips for cell in cells)
    good = sum(cell.good for cell in cells)
    rows = [_row(report) for report in reports]
    rows.append(
        Row(
            what="power: matrix of faults and loads",
            measured=f"{trips} trips, {good} of {len(cells)} cells keep every invariant",
            peer="nobody publishes one",
            reach="0 trips in 40 cells",
            note=f"{len(FAULTS)} faults x {len(LOADS)} loads, {time.perf_counter() - began:.0f} s",
        )
    )
    return rows


def _reports() -> list[Report]:
    with ProcessPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        return list(pool.map(_judged, library()))


def _judged(name: str) -> Report:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    scenario = load(name)
    return judge(scenario if IS_FULL else scenario.small(), range(1, SEEDS + 1), with_baselines=True)


def _row(report: Report) -> Row:
    lines = {line["controller"]: line for line in report.rows}
    mine = lines[OURS]
    peers = ", ".join(f"{name} {line['throughput']}" for name, line in lines.items() if name != OURS and line["throughput"])
    passed = sum(check.passed for check in report.checks)
    return Row(
        what=f"power scenario {report.scenario.name}",
        measured=f"{passed} of {len(report.checks)} criteria; {mine['trips']} trips, over {mine['over'] or '-'}, "
        f"throughput {mine['throughput'] or '-'}",
        peer=peers or "-",
        reach="; ".join(f"{check.name} {check.wanted:g}" for check in report.checks if not check.name.startswith("I")),
        note=f"{SEEDS} seeds, {'full size' if IS_FULL else 'small halls'}; {report.verdict}",
    )


def document(reports: list[Report]) -> str:
    """The figures as Markdown."""
    parts = [f"Measured on {machine()}: {SEEDS} seeds, {'full size' if IS_FULL else 'small halls'}.\n"]
    for report in reports:
        scenario = report.scenario
        number = f"{scenario.number}. " if scenario.number else ""
        parts.append(f"### {number}{scenario.title} (`{scenario.name}`)\n\n{scenario.about.strip()}\n")
        head = [name.replace("_", " ") for name in COLUMNS if name not in {"scenario", "verdict"}]
        lines = [[str(line[name]) for name in COLUMNS if name not in {"scenario", "verdict"}] for line in report.rows]
        if len(lines) > 1 or lines[0][2]:
            table = [head, ["---"] * len(head), *lines]
            parts.append("".join("| " + " | ".join(cells) + " |\n" for cells in table))
        parts.append("".join(f"* {'passed' if check.passed else '**failed**'}: {check}\n" for check in report.checks))
    return "\n".join(parts)


def main() -> None:
    """Write the figures into docs/scenarios.md, below its mark."""
    text = TARGET.read_text()
    if MARK not in text:
        sys.exit(f"{TARGET} has no line {MARK}")
    TARGET.write_text(text.partition(MARK)[0] + MARK + "\n\n" + document(_reports()))


if __name__ == "__main__":
    main()
