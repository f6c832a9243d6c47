"""What stands now: policies, holds and emergencies, read from the database and from the policy file.

A database that does not answer changes nothing: what was read last holds on, and emergencies that it could not take hold
beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from power.policies import reader
from power.policies.database import StoreError
from power.policies.pins import Pins
from power.policies.records import State
from power.policies.repository import Repository
from power.policies.standing import Emergency, Hold, Standing
from wattstat.document import InvalidDocument

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standings:
    """Everything that stands beside the devices themselves."""

    policies: tuple[Standing, ...] = ()
    holds: tuple[Hold, ...] = ()
    emergencies: tuple[Emergency, ...] = ()
    states: dict[str, State] = field(default_factory=dict)


@dataclass(kw_only=True)
class Wants:
    """Keeps `now` current. `read` runs in a worker; `brake` may come from any thread."""

    repository: Repository
    pins: Pins
    file: Path | None
    clock: Callable[[], float]
    now: Standings = Standings()
    trouble: str = ""
    """Why what stands may not be the newest; empty while it is."""
    file_trouble: str = ""
    _braked: tuple[Emergency, ...] = ()
    _seen: tuple[int, int, int] | None = None

    def brake(self, emergencies: Sequence[Emergency]) -> None:
        """Emergencies that no database could take."""
        self._braked = tuple(emergencies)

    def read(self) -> Standings:
        """What stands. Where the database is away, what stood when it last answered."""
        self._read_file()
        try:
            stored = self.repository.policies()
            holds = tuple(each.hold for each in self.pins.holds() if each.counts)
            emergencies = tuple(each.emergency for each in self.pins.emergencies())
        except StoreError as error:
            if not self.trouble:
                log.warning("policies cannot be read; those read last hold on", why=str(error))
            self.trouble = str(error)
            return self.now_with_brakes()
        if self.trouble:
            log.info("policies are read again")
        self.trouble = ""
        standings = tuple(
            Standing(policy=each.shown.policy, version=each.shown.version, enabled=each.state is State.ENABLED)
            for each in stored
        )
        self.now = Standings(
            policies=standings, holds=holds, emergencies=emergencies, states={each.name: each.state for each in stored}
        )
        return self.now_with_brakes()

    def now_with_brakes(self) -> Standings:
        """What was read last, and the emergencies that no database could take."""
        now = self.now
        known = {each.id for each in now.emergencies}
        more = tuple(each for each in self._braked if each.id not in known and self.clock() < each.expires)
        return Standings(policies=now.policies, holds=now.holds, emergencies=(*now.emergencies, *more), states=now.states)

    def _read_file(self) -> None:
        """Take the policy file over when it changed. One that cannot be used changes nothing, and is told."""
        if self.file is None:
            return
        try:
            found = self.file.stat()
        except OSError as error:
            self._tell_file(f"{self.file}: cannot be read: {error.strerror}; its policies stay as they were")
            return
        signature = found.st_mtime_ns, found.st_size, found.st_ino
        if signature == self._seen:
            return
        try:
            taken = self.repository.take_over(reader.load(self.file), str(self.file))
        except InvalidDocument as error:
            self._tell_file(str(error))
        except StoreError as error:
            self._tell_file(str(error))
            return  # tried again: the file itself is good
        else:
            self._tell_file("")
            log.info("policies are taken over from the file", file=str(self.file), policies=len(taken))
        self._seen = signature

    def _tell_file(self, trouble: str) -> None:
        if trouble and trouble != self.file_trouble:
            log.error("the policy file cannot be used; its policies stay as they were", why=trouble)
        self.file_trouble = trouble
