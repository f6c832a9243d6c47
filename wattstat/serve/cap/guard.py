"""The guard of this node's limits: only the holder of the highest token sets any. All of it runs in one thread of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from collectors.frame.errors import AuthFailed, CollectError, NotSupported
from collectors.nvml.worker import Worker
from wattstat.serve.cap import documents
from wattstat.serve.cap.boards import Boards, Sight
from wattstat.serve.cap.duties import Duties
from wattstat.serve.cap.memory import Memory
from wattstat.serve.cap.order import Order
from wattstat.serve.cap.record import Token
from wattstat.serve.cap.rules import Outcome, Refusal, Step, changed, planned, settled

TICK_SECONDS = 1.0
_ROOT = "setting limits takes root or CAP_SYS_ADMIN: see deploy/systemd/wattstat-agent-caps.conf"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the caller gets."""

    status: int
    document: dict[str, Any]


@dataclass(kw_only=True)
class Guard:
    """Accepts orders of the highest token only, and looks after the GPUs when nobody orders; without `enabled`, it looks."""

    node: str
    boot: str
    memory: Memory
    boards: Boards
    enabled: bool = True
    clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    duties: Duties = field(init=False)
    _heard: float | None = None
    _changed: dict[str, str] = field(default_factory=dict)
    _stuck: str = ""
    _worker: Worker = field(default_factory=lambda: Worker("caps"))

    def __post_init__(self) -> None:
        self.duties = Duties(memory=self.memory, boards=self.boards, monotonic=self.monotonic)
        # Caps of ours are in force, and whoever set them may be dead as well: the time runs from now.
        if self._has_something and self.memory.record.fired_at is None:
            self._heard = self.monotonic()

    async def view(self) -> dict[str, Any]:
        """What is set now, whoever asks."""
        return await self._worker.run(lambda: self._document(self._look()))

    async def accept(self, order: Order) -> Answer:
        """Do an order, or refuse it because another has the right to give any (409). Raises `Unreachable`."""
        return await self._worker.run(lambda: self._accept(order))

    async def tick(self) -> None:
        """Look after the GPUs: once a second. Raises `Unreachable` where the driver does not let go of the thread."""
        if self.enabled and self._has_something:
            await self._worker.run(self._tick)

    async def watch(self) -> None:
        """Look after the GPUs for ever."""
        due = self.monotonic()
        while True:
            try:
                await self.tick()
                self._stuck = ""
            except CollectError as error:
                if not self._stuck:
                    log.error("caps cannot be looked after", why=str(error))  # noqa: TRY400 - it is the driver's doing
                self._stuck = str(error)
            due = max(due + TICK_SECONDS, self.monotonic())
            await asyncio.sleep(due - self.monotonic())

    def stop(self) -> None:
        """Let the thread end."""
        self._worker.stop()

    @property
    def is_armed(self) -> bool:
        """Whether silence from now on makes the agent act."""
        return self.enabled and self._heard is not None and self.memory.record.fired_at is None and self._has_something

    @property
    def _has_something(self) -> bool:
        return bool(self.memory.record.held or self.memory.record.safe_watts)

    def _look(self) -> Sight:
        """See the GPUs, and notice what happened to them behind our back."""
        sight = self.boards.look()
        if self.enabled and self.duties.meet(sight):
            sight = self.boards.look()
        found = {
            uuid: words
            for uuid, held in self.memory.record.held.items()
            if (seen := sight.gpus.get(uuid)) and not self.duties.is_open(uuid) and (words := changed(seen, held))
        }
        for uuid, words in found.items():
            if self._changed.get(uuid) != words:
                log.warning("a cap was changed behind our back", uuid=uuid, what=words)
        self._changed = found
        return sight

    def _accept(self, order: Order) -> Answer:
        sight = self._look()
        token = self.memory.token
        if order.fence < token.fence:
            return self._stale(sight, f"token {order.fence} is older than {token.fence} of {token.holder}")
        if order.fence == token.fence and order.holder != token.holder:
            return self._stale(sight, f"token {order.fence} is held by {token.holder}, not by {order.holder}")
        self._heard = self.monotonic()
        self.duties.heard()
        before = self.memory.record.held
        plans = [self._planned(order, uuid, sight) for uuid in order.uuids]
        steps = [plan for plan in plans if isinstance(plan, Step)]
        trouble = self._note(order, steps)
        done = {step.uuid: self._take(step, sight, trouble, urgent=order.urgent) for step in steps}
        after = self.boards.look() if steps else sight
        held = dict(self.memory.record.held)
        for step in steps:
            kept = settled(step, before.get(step.uuid), after.gpus.get(step.uuid), failed=done[step.uuid][1] is not None)
            held = {uuid: each for uuid, each in held.items() if uuid != step.uuid} | ({step.uuid: kept} if kept else {})
        if held != self.memory.record.held:
            self.memory.change(held=held)
        results = [documents.result(plan, after.gpus.get(plan.uuid), *done.get(plan.uuid, ("", None))) for plan in plans]
        return Answer(status=200, document=self._document(after, results))

    def _planned(self, order: Order, uuid: str, sight: Sight) -> Step | Refusal:
        if sight.why:
            return Refusal(uuid=uuid, watts=order.caps.get(uuid), outcome=Outcome.UNREACHABLE, why=sight.why)
        record = self.memory.record
        return planned(order, uuid, sight.gpus.get(uuid), record.held.get(uuid), forgotten=record.forgotten)

    def _stale(self, sight: Sight, why: str) -> Answer:
        return Answer(status=409, document={**self._document(sight), "detail": why})

    def _note(self, order: Order, steps: Iterable[Step]) -> str:
        """Put on disk what must be known before the first write; what went wrong with that, in words."""
        record = self.memory.record
        self.memory.token = Token(fence=order.fence, holder=order.holder)
        return self.memory.change(
            held=record.held | {step.uuid: step.held for step in steps if step.held is not None},
            dead_man_seconds=order.dead_man_seconds or record.dead_man_seconds,
            safe_watts=record.safe_watts if order.safe_watts is None else order.safe_watts,
            fired_at=None,
        )

    def _take(self, step: Step, sight: Sight, trouble: str, *, urgent: bool) -> tuple[str, Outcome | None]:
        """Take a step: what is to be said, and the outcome where the driver did not even say yes."""
        own = sight.gpus[step.uuid].own_watts
        is_brake = urgent and step.watts is not None and own is not None and step.watts < own
        is_idle = step.watts is None and not step.clock
        if trouble and not is_brake and not is_idle:
            return f"not done, because it cannot be noted first: {trouble}", Outcome.REFUSED
        why, outcome = self._write(step)
        if outcome is None:
            self.duties.ordered(step.uuid)
        return "; ".join(filter(None, (why, f"done although it cannot be noted: {trouble}" if trouble else ""))), outcome

    def _write(self, step: Step) -> tuple[str, Outcome | None]:
        try:
            if step.watts is not None:
                self.boards.set_watts(step.uuid, step.watts)
            if step.clock:
                self.boards.lock_clock(step.uuid, step.clock_mhz)
        except AuthFailed as error:
            return f"{error}; {_ROOT}", Outcome.REFUSED
        except NotSupported as error:
            return str(error), Outcome.REFUSED
        except CollectError as error:
            is_bad = error.kind == "bad_payload"  # within bounds, and the driver does not want it all the same
            return str(error), Outcome.REFUSED if is_bad else Outcome.UNREACHABLE
        return step.note, None

    def _tick(self) -> None:
        sight = self._look()
        record = self.memory.record
        silent = 0.0 if self._heard is None else self.monotonic() - self._heard
        if self.is_armed and silent > record.dead_man_seconds:
            log.warning("the dead-man acts", silent_seconds=round(silent, 1), gpus=len(record.safe_watts))
            for uuid, watts in record.safe_watts.items():
                self.duties.add(uuid, watts, f"core was silent for {silent:.0f} s", until_heard=True)
            self.memory.change(fired_at=self.clock())
        self.duties.do(sight)

    def _document(self, sight: Sight, results: Iterable[Mapping[str, Any]] = ()) -> dict[str, Any]:
        memory = self.memory
        notes = {uuid: "; ".join(filter(None, (self._changed.get(uuid), self.duties.notes.get(uuid)))) for uuid in sight.gpus}
        return {
            "node": self.node,
            "fence": memory.token.fence,
            "holder": memory.token.holder,
            "boot": self.boot,
            "taken_at": self.clock(),
            "dead_man": {
                "armed": self.is_armed,
                "seconds": memory.record.dead_man_seconds,
                "fired_at": memory.record.fired_at,
            },
            "detail": "; ".join(filter(None, (sight.why, memory.words))),
            "gpus": [documents.gpu(seen, memory.record.held.get(uuid), notes[uuid]) for uuid, seen in sight.gpus.items()],
            "results": list(results),
        }
