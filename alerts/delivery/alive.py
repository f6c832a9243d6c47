"""The file by which others see whether people could be told of an alert: written by who evaluates, read by the supervisor."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

EVERY_SECONDS = 10.0
STALE_SECONDS = 120.0
"""A process that has not written for so long is dead or stuck."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alive:
    """What was written: when (Unix time), and why people could not be told then; empty where they could."""

    at: float
    problem: str


def path_beside(database: Path) -> Path:
    """The file of the process that keeps `alerts.sqlite`."""
    return database.with_name("alerts.alive")


def write(path: Path, alive: Alive) -> None:
    """Whole or not at all. Raises `OSError`."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(json.dumps({"at": alive.at, "problem": alive.problem}), encoding="utf-8")
    new.replace(path)


def problem(path: Path, now: float) -> str:
    """Why people cannot be told of alerts, as far as the file shows; empty where they can."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        alive = Alive(at=float(document["at"]), problem=str(document["problem"]))
    except FileNotFoundError:
        return "the process that evaluates alert rules has never run"
    except (OSError, ValueError, KeyError, TypeError) as err:
        return f"{path} cannot be read: {err}"
    if now - alive.at > STALE_SECONDS:
        return f"the process that evaluates alert rules has been dead or stuck for {now - alive.at:.0f} s"
    return alive.problem
