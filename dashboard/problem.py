"""One thing that is wrong, and how bad it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Level(IntEnum):
    """How bad. The number sorts, the name is the word shown."""

    OK = 0
    WARNING = 1
    CRITICAL = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One line of the list. `kind` names the history query that knows since when; `since` is Unix seconds, None while unknown.

    `at_least` says that it began before the history that was asked.
    """

    level: Level
    kind: str
    what: str
    node: str = ""
    gpu: str = ""
    since: float | None = None
    at_least: bool = False
    budget: str = ""
    """The limit that it is about, as `kind:name`."""
    place: str = ""
    """Where it is, if that is neither a server nor a limit."""

    @property
    def where(self) -> str:
        if self.budget:
            return self.budget.replace(":", " ", 1)
        return f"{self.node} · GPU {self.gpu}" if self.gpu else self.node or self.place or "site"

    @property
    def part(self) -> str:
        """Which part of its server."""
        return f"GPU {self.gpu}" if self.gpu else "Server"
