"""What is strange about one node, run or scheduler costs only itself, and is told once.

This is the second place of the house that catches everything, beside `collectors/frame/runner.py: execute`, for the same
reason: what devices and schedulers say is not known beforehand. The ledger's worker serves every node, and core ends when it
fails; after its start the agents tell their two hours again, so that one reading that nobody had thought of would end it for
ever. Nothing is lost by catching here: what is tried is in memory alone, and a node that cannot be settled keeps its readings
and its checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import structlog

Done = TypeVar("Done")

log = structlog.get_logger(__name__)


@dataclass(kw_only=True)
class Alone:
    """Tries work that concerns one of many, and remembers whose failed, by what and whose it was."""

    troubles: dict[tuple[str, str], str] = field(default_factory=dict)

    def tried(self, what: str, whose: str, work: Callable[[], Done]) -> Done | None:
        """What the work gave; None where it failed."""
        try:
            done = work()
        except Exception as error:
            if (what, whose) not in self.troubles:
                log.exception("the ledger has a bug", what=what, whose=whose)
            self.troubles[what, whose] = f"{type(error).__name__}: {error}"
            return None
        self.troubles.pop((what, whose), None)
        return done

    def findings(self) -> tuple[str, ...]:
        """In words, what fails now."""
        return tuple(
            f"{whose}: {what} failed ({why}); nothing else is touched by it, core's log has the trace: please report it"
            for (what, whose), why in self.troubles.items()
        )
