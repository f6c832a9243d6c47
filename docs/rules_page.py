"""The page of all alert rules, made of the rule files: what each tells of, how bad it is, when, and why then."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

ALERTS = Path(__file__).parents[1] / "alerts"
Table = Callable[[Sequence[str], Iterable[Sequence[str]]], str]

HEAD = """\
# Alert rules

Ordinary Prometheus rule files in `alerts/rules/`: Wattstat evaluates them itself on its embedded history, a Prometheus the same
files ([how](prometheus.md)). Who is told is another matter (`docs/alerting.md`). What no threshold tells is a
[finding](findings.md); both take points off a device's [health](health.md).

**critical**: somebody is woken. **warning**: working hours. **info**: shown only. **none**: the watchdog. `for` is how long
something must hold before it fires, `and on` how long it fires on when it is over. Each name leads to its runbook."""

RECORDING = """\
## Names for other exporters' data

Opt in: give these to Prometheus beside the rules, and alerts, Grafana and pages work on what these exporters read.
For servers without Wattstat's own agent or collector only: the same device twice doubles every sum."""


def parts(table: Table) -> Iterator[str]:
    """The page, piece by piece."""
    yield HEAD
    for path in sorted((ALERTS / "rules").glob("*.yml")):
        reasons = _reasons(path.read_text(encoding="utf-8"))
        (group,) = yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
        rows = [_row(rule, reasons[rule["alert"]]) for rule in group["rules"]]
        yield f"## {path.stem.capitalize()}\n\n`alerts/rules/{path.name}`, every {group['interval']}."
        yield table(["alert", "severity", "tells that", "for", "why then"], rows)
    yield RECORDING
    found = (_recorded(path) for path in sorted((ALERTS / "recording").glob("*.yml")))
    yield table(["file", "for", "records"], found)


def _row(rule: dict[str, Any], reason: str) -> list[str]:
    times = [str(rule.get("for", "at once"))]
    if "keep_firing_for" in rule:
        times.append(f"and on {rule['keep_firing_for']}")
    name = f"[{rule['alert']}](../alerts/runbooks/{rule['alert']}.md)"
    return [name, rule["labels"]["severity"], rule["annotations"]["summary"], ", ".join(times), reason]


def _reasons(text: str) -> dict[str, str]:
    """The comment above each rule."""
    found: dict[str, str] = {}
    comment: list[str] = []
    for line in text.splitlines():
        if line.startswith("      # "):
            comment.append(line.strip().removeprefix("# "))
        elif name := re.match(r"      - alert: (\w+)", line):
            found[name[1]] = " ".join(comment)
            comment = []
        else:
            comment = []
    return found


def _recorded(path: Path) -> list[str]:
    (group,) = yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
    names = sorted({rule["record"] for rule in group["rules"]})
    first = path.read_text(encoding="utf-8").splitlines()[0]
    exporter = re.search(r"that (\w[\w-]+) reads", first)
    return [
        f"`alerts/recording/{path.name}`",
        exporter[1] if exporter else "",
        ", ".join(f"`{name.removeprefix('wattstat_')}`" for name in names),
    ]
