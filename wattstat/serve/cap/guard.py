"""The guard of this node's limits: fencing, the operator's values, the dead-man. All of it runs in one thread of its own."""

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
from wattstat.serve.cap.order import Order
from wattstat.serve.cap.record import Held, Record, Store, Token
from wattstat.serve.cap.rules import Outcome, Refusal, Step, is_near, lowered, owed_after_start, planned, previous_of

TICK_SECONDS = 1.0
# What the agent itself has to set and could not: it tries again after so long.
AGAIN_SECONDS = 10.0
_ROOT = "setting limits takes root or CAP_SYS_ADMIN: see deploy/systemd/wattstat-agent-caps.conf"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the caller gets."""

    status: int
    document: dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Owed:
    """A limit that the agent has to set of its own accord, and when it tries."""

    watts: float
    why: str
    due: float
    until_heard: bool = False
    """Whether it is no longer the agent's matter once core speaks again."""


@dataclass(kw_only=True)
class Guard:
    """Accepts orders of the highest token only, and looks after the GPUs when nobody orders."""

    node: str
    boot: str
    store: Store
    boards: Boards
    clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    token: Token = field(init=False)
    record: Record = field(init=False)
    trouble: str = ""
    """What could not be read or stored, for whoever looks."""
    _heard: float | None = None
    _session: object | None = None
    _owed: dict[str, Owed] = field(default_factory=dict)
    _notes: dict[str, str] = field(default_factory=dict)
    _said: str = ""
    _worker: Worker = field(default_factory=lambda: Worker("caps"))

    def __post_init__(self) -> None:
        self.token, self.record, self.trouble = self.store.load()
        # Caps of ours are in force, and whoever set them may be dead as well: the time runs from now.
        if (self.record.held or self.record.safe_watts) and self.record.fired_at is None:
            self._heard = self.monotonic()

    async def view(self) -> dict[str, Any]:
        """What is set now, without a word about who asked."""
        return await self._worker.run(lambda: self._document(self._look()))

    async def accept(self, order: Order) -> Answer:
        """Do an order, or refuse it because another has the right to give any (409)."""
        return await self._worker.run(lambda: self._accept(order))

    async def tick(self) -> None:
        """Look after the GPUs: once a second."""
        if self.record.held or self.record.safe_watts:
            await self._worker.run(self._tick)

    async def watch(self) -> None:
        """Look after the GPUs for ever."""
        due = self.monotonic()
        while True:
            try:
                await self.tick()
            except CollectError as error:  # the driver holds the thread; said once, for it may last
                self._stuck(str(error))
            due = max(due + TICK_SECONDS, self.monotonic())
            await asyncio.sleep(due - self.monotonic())

    def stop(self) -> None:
        """Let the thread end."""
        self._worker.stop()

    @property
    def is_armed(self) -> bool:
        """Whether silence from now on makes the agent act."""
        return self._heard is not None and self.record.fired_at is None and bool(self.record.held or self.record.safe_watts)

    def _stuck(self, why: str) -> None:
        if why != self._said:
            self._said = why
            log.error("caps cannot be looked after", why=why)

    def _look(self) -> Sight:
        """See the GPUs, and notice what happened to them behind our back."""
        sight = self.boards.look()
        if sight.session is not None and sight.session is not self._session:
            self._meet(sight)
            self._session = sight.session
        for uuid, held in self.record.held.items():
            seen = sight.gpus.get(uuid)
            if seen is None or seen.problem or uuid in self._owed or seen.own_watts is None or held.commanded_watts is None:
                continue
            if is_near(seen.own_watts, held.commanded_watts):
                continue
            note = f"somebody else changed the limit from {held.commanded_watts:g} W to {seen.own_watts:g} W"
            if self._notes.get(uuid) != note:
                self._notes[uuid] = note
                log.warning("a cap was changed by somebody else", uuid=uuid, ours=held.commanded_watts, now=seen.own_watts)
        return sight

    def _meet(self, sight: Sight) -> None:
        """A new session with the driver: limits may be gone with the old one."""
        kept = dict(self.record.held)
        for uuid, held in self.record.held.items():
            seen = sight.gpus.get(uuid)
            if seen is None or seen.problem:
                continue
            still, watts = owed_after_start(seen, held, self.record.safe_watts.get(uuid))
            if still is None:
                del kept[uuid]
            else:
                kept[uuid] = still
            if watts is not None:
                why = f"the limit of {held.commanded_watts:g} W was lost with the driver: found {seen.own_watts:g} W"
                self._owed[uuid] = Owed(watts=watts, why=why, due=self.monotonic())
        if kept != self.record.held:
            self.record = self.record.model_copy(update={"held": kept})
        self._pay(sight)

    def _accept(self, order: Order) -> Answer:
        sight = self._look()
        if order.fence < self.token.fence:
            return self._stale(sight, f"token {order.fence} is older than {self.token.fence} of {self.token.holder}")
        if order.fence == self.token.fence and order.holder != self.token.holder:
            return self._stale(sight, f"token {order.fence} is held by {self.token.holder}, not by {order.holder}")
        self._heard = self.monotonic()
        self._owed = {uuid: owed for uuid, owed in self._owed.items() if not owed.until_heard}
        steps = [
            planned(order, uuid, sight.gpus.get(uuid), self.record.held.get(uuid), forgotten=self.record.forgotten)
            if not sight.why
            else Refusal(uuid=uuid, outcome=Outcome.UNREACHABLE, why=sight.why)
            for uuid in order.uuids
        ]
        before = self.record.held
        trouble = self._note(order, [step for step in steps if isinstance(step, Step)])
        done: list[tuple[Step | Refusal, str, Outcome | None]] = []
        for step in steps:
            if isinstance(step, Refusal):
                done.append((step, step.why, step.outcome))
                continue
            self._owed.pop(step.uuid, None)
            self._notes.pop(step.uuid, None)
            done.append((step, *(self._refused(step, sight, trouble, urgent=order.urgent) or self._write(step))))
        after = self.boards.look() if steps else sight
        results = [documents.result(step, after.gpus.get(step.uuid), why, outcome) for step, why, outcome in done]
        self._settle(before, results, [step for step in steps if isinstance(step, Step)])
        return Answer(status=200, document=self._document(after, results))

    def _stale(self, sight: Sight, why: str) -> Answer:
        return Answer(status=409, document={**self._document(sight), "detail": why})

    def _note(self, order: Order, steps: list[Step]) -> str:
        """Put on disk what must be known before the first write; what went wrong with that, in words."""
        held = dict(self.record.held) | {step.uuid: step.held for step in steps if step.held is not None}
        record = self.record.model_copy(
            update={
                "held": held,
                "dead_man_seconds": order.dead_man_seconds or self.record.dead_man_seconds,
                "safe_watts": self.record.safe_watts if order.safe_watts is None else order.safe_watts,
                "fired_at": None,
            }
        )
        self.token = Token(fence=order.fence, holder=order.holder)
        self.record = record
        return self._save()

    def _save(self) -> str:
        """Put what is known on disk; what went wrong with that, in words."""
        try:
            self.store.save(self.token, self.record)
        except OSError as error:
            trouble = f"{self.store.folder} cannot be written ({error.strerror})"
        else:
            trouble = ""
        if trouble != self.trouble:
            log.warning("what was noted of caps is on disk again" if not trouble else "caps cannot be noted", why=trouble)
        self.trouble = trouble
        return trouble

    def _refused(self, step: Step, sight: Sight, trouble: str, *, urgent: bool) -> tuple[str, Outcome | None] | None:
        """Why a step is not taken: nobody would know of it after the agent's death."""
        if not trouble or (step.watts is None and not step.clock):
            return None
        own = sight.gpus[step.uuid].own_watts
        if urgent and step.watts is not None and own is not None and step.watts < own:
            return None
        return f"not done, because it cannot be noted first: {trouble}", Outcome.REFUSED

    def _write(self, step: Step) -> tuple[str, Outcome | None]:
        """Take a step. No outcome yet where the driver said yes: what is in force has to be read."""
        try:
            if step.watts is not None:
                self.boards.set_watts(step.uuid, step.watts)
            if step.clock:
                self.boards.lock_clock(step.uuid, step.held.clock_mhz if step.held and not step.held.releasing else None)
        except AuthFailed as error:
            return f"{error}; {_ROOT}", Outcome.REFUSED
        except NotSupported as error:
            return str(error), Outcome.REFUSED
        except CollectError as error:
            is_bad = error.kind == "bad_payload"  # in range, and the driver does not want it all the same
            return str(error), Outcome.REFUSED if is_bad else Outcome.UNREACHABLE
        return step.note, None

    def _settle(self, before: Mapping[str, Held], results: Iterable[Mapping[str, Any]], steps: Iterable[Step]) -> None:
        """Note what became of it: what failed is as it was, what was released is nobody's."""
        outcomes = {result["uuid"]: result["outcome"] for result in results}
        held = dict(self.record.held)
        for step in steps:
            outcome, kept = outcomes[step.uuid], step.held
            if outcome in {Outcome.REFUSED, Outcome.UNREACHABLE}:
                kept = before.get(step.uuid)
            elif kept is not None and kept.releasing and outcome == Outcome.CONFIRMED:
                kept = None
            held.pop(step.uuid, None)
            if kept is not None:
                held[step.uuid] = kept
        if held != self.record.held:
            self.record = self.record.model_copy(update={"held": held})
            self._save()

    def _tick(self) -> None:
        sight = self._look()
        now = self.monotonic()
        if self.is_armed and self._heard is not None and now - self._heard > self.record.dead_man_seconds:
            self._fire(now - self._heard)
        self._pay(sight)

    def _fire(self, silent_seconds: float) -> None:
        """Core is silent: every limit becomes the lower of what it is and what is safe, once."""
        why = f"core was silent for {silent_seconds:.0f} s"
        for uuid, watts in self.record.safe_watts.items():
            self._owed[uuid] = Owed(watts=watts, why=why, due=self.monotonic(), until_heard=True)
        self.record = self.record.model_copy(update={"fired_at": self.clock()})
        self._save()
        log.warning("the dead-man acts", silent_seconds=round(silent_seconds, 1), gpus=len(self.record.safe_watts))

    def _pay(self, sight: Sight) -> None:
        """Set what the agent has to set by itself. It only ever lowers, so it does so even where nothing can be noted."""
        due = {uuid: owed for uuid, owed in self._owed.items() if owed.due <= self.monotonic()}
        if not due:
            return
        wanted = {uuid: lowered(seen, due[uuid].watts) for uuid, seen in sight.gpus.items() if uuid in due and not seen.problem}
        held = dict(self.record.held)
        for uuid, watts in wanted.items():
            if watts is not None:
                seen, old = sight.gpus[uuid], held.get(uuid, Held())
                previous = previous_of(seen, held.get(uuid), forgotten=self.record.forgotten)
                update = {"previous_watts": previous, "commanded_watts": watts, "earlier_watts": seen.own_watts}
                held[uuid] = old.model_copy(update=update)
        self.record = self.record.model_copy(update={"held": held})
        self._save()
        for uuid, owed in due.items():
            self._pay_one(uuid, owed, wanted.get(uuid), is_there=uuid in wanted)

    def _pay_one(self, uuid: str, owed: Owed, watts: float | None, *, is_there: bool) -> None:
        if is_there and watts is None:  # low enough already
            del self._owed[uuid]
            return
        problem = "the GPU does not answer" if watts is None else ""
        if watts is not None:
            problem, outcome = self._write(Step(uuid=uuid, watts=watts, held=self.record.held.get(uuid)))
            problem = problem if outcome is not None else ""
        if not problem:
            del self._owed[uuid]
            self._notes[uuid] = f"{owed.why}: set to {watts:g} W"
            log.warning("the agent has lowered a limit by itself", uuid=uuid, watts=watts, why=owed.why)
            return
        owed.due = self.monotonic() + AGAIN_SECONDS
        note = f"{owed.why}: to be set to {owed.watts:g} W, but {problem}"
        if self._notes.get(uuid) != note:
            log.error("the agent cannot lower a limit", uuid=uuid, watts=owed.watts, why=owed.why, problem=problem)
        self._notes[uuid] = note

    def _document(self, sight: Sight, results: Iterable[Mapping[str, Any]] = ()) -> dict[str, Any]:
        return {
            "node": self.node,
            "fence": self.token.fence,
            "holder": self.token.holder,
            "boot": self.boot,
            "taken_at": self.clock(),
            "dead_man": {
                "armed": self.is_armed,
                "seconds": self.record.dead_man_seconds,
                "fired_at": self.record.fired_at,
            },
            "detail": "; ".join(filter(None, (sight.why, self.trouble))),
            "gpus": [
                documents.gpu(seen, self.record.held.get(uuid), self._notes.get(uuid, "")) for uuid, seen in sight.gpus.items()
            ],
            "results": list(results),
        }
