"""What the agent sets of its own accord: limits that the driver lost, and safe ones when core is silent.

It only ever lowers.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from collectors.frame.errors import CollectError
from wattstat.serve.cap.boards import Boards, Seen, Sight
from wattstat.serve.cap.memory import Memory
from wattstat.serve.cap.record import Held
from wattstat.serve.cap.rules import lowered, owed_after_start, previous_of

# A limit that could not be set is tried again after so long.
AGAIN_SECONDS = 10.0

log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class Duty:
    """A limit to be set, and when that is tried next."""

    watts: float
    why: str
    due: float
    until_heard: bool
    """Whether it is no longer the agent's matter once core speaks again."""


@dataclass(kw_only=True)
class Duties:
    """By GPU. `notes` tells what was done or failed, until core orders something there."""

    memory: Memory
    boards: Boards
    monotonic: Callable[[], float] = time.monotonic
    notes: dict[str, str] = field(default_factory=dict)
    _open: dict[str, Duty] = field(default_factory=dict)
    _session: object | None = None
    _strange: set[str] = field(default_factory=set)

    def meet(self, sight: Sight) -> bool:
        """See to GPUs that are new: after a start of the agent or the driver, or back from where they did not answer.

        Whether anything was set.
        """
        if sight.session is not None and sight.session is not self._session:
            self._session = sight.session
            self._strange = set(self.memory.record.held)
        for uuid, seen in sight.gpus.items():
            if seen.problem:
                self._strange.add(uuid)
            elif uuid in self._strange:
                self._strange.discard(uuid)
                self._met(seen)
        return self.do(sight)

    def add(self, uuid: str, watts: float, why: str, *, until_heard: bool = False) -> None:
        """Take something on."""
        self._open[uuid] = Duty(watts=watts, why=why, due=self.monotonic(), until_heard=until_heard)

    def heard(self) -> None:
        """Core is there: what silence made a duty is none any more."""
        self._open = {uuid: duty for uuid, duty in self._open.items() if not duty.until_heard}

    def ordered(self, uuid: str) -> None:
        """Core has decided about a GPU."""
        self._open.pop(uuid, None)
        self.notes.pop(uuid, None)

    def is_open(self, uuid: str) -> bool:
        """Whether a GPU's limit is about to be set."""
        return uuid in self._open

    def do(self, sight: Sight) -> bool:
        """Do what is due; whether anything was set."""
        now = self.monotonic()
        due = {uuid: duty for uuid, duty in self._open.items() if duty.due <= now}
        there = {uuid: sight.gpus[uuid] for uuid in due if uuid in sight.gpus and not sight.gpus[uuid].problem}
        targets = {uuid: lowered(seen, due[uuid].watts) for uuid, seen in there.items()}
        self._remember(there, {uuid: watts for uuid, watts in targets.items() if watts is not None})
        done = False
        for uuid, duty in due.items():
            if uuid not in there:
                self._failed(uuid, duty, sight.why or "the GPU does not answer")
            elif (watts := targets[uuid]) is None:  # low enough already
                del self._open[uuid]
            else:
                done |= self._lower(uuid, duty, watts)
        return done

    def _met(self, seen: Seen) -> None:
        held = self.memory.record.held.get(seen.uuid)
        if held is None:
            return
        kept, watts = owed_after_start(seen, held, self.memory.record.safe_watts.get(seen.uuid))
        if kept != held:
            rest = {uuid: each for uuid, each in self.memory.record.held.items() if uuid != seen.uuid}
            self.memory.change(held=rest if kept is None else rest | {seen.uuid: kept})
        if watts is not None:
            self.add(seen.uuid, watts, f"the limit of {held.commanded_watts:g} W was lost, {seen.own_watts:g} W was found")

    def _remember(self, there: dict[str, Seen], targets: dict[str, float]) -> None:
        """Note what is about to be set. It is set even where that fails: nobody else would lower it."""
        record = self.memory.record
        held = dict(record.held)
        for uuid, watts in targets.items():
            previous = previous_of(there[uuid], held.get(uuid), forgotten=record.forgotten)
            update = {"previous_watts": previous, "commanded_watts": watts, "earlier_watts": there[uuid].own_watts}
            held[uuid] = held.get(uuid, Held()).model_copy(update=update | {"releasing": False})
        if held != record.held:
            self.memory.change(held=held)

    def _lower(self, uuid: str, duty: Duty, watts: float) -> bool:
        try:
            self.boards.set_watts(uuid, watts)
        except CollectError as error:
            self._failed(uuid, duty, str(error))
            return False
        del self._open[uuid]
        self.notes[uuid] = f"{duty.why}: the agent set {watts:g} W"
        log.warning("the agent has lowered a limit by itself", uuid=uuid, watts=watts, why=duty.why)
        return True

    def _failed(self, uuid: str, duty: Duty, problem: str) -> None:
        duty.due = self.monotonic() + AGAIN_SECONDS
        note = f"{duty.why}: {duty.watts:g} W is to be set, but {problem}"
        if self.notes.get(uuid) != note:
            log.error("the agent cannot lower a limit", uuid=uuid, watts=duty.watts, why=duty.why, problem=problem)
        self.notes[uuid] = note
