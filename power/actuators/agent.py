"""Limits through the agent on the node: NVML behind a guard that knows the highest token.

One call tells that we live, sets what is to be set, and brings back power and limits.
"""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from power.model import ActuatorError, Device, DeviceCaps, Fence, NodeOrder, Outcome, Receipt, Way

PATH = "/cap"
# Agents read power once a second. What has not been read for three is not known.
FRESH_SECONDS = 3.0
# Greater numbers are none: an integer in JSON may have hundreds of digits, which no float holds.
_MOST = 1e15
_OUTCOMES = {each.value: each for each in Outcome}

Ask = Callable[[str, str, Mapping[str, Any] | None], Awaitable[tuple[int, Any]]]
"""Method, path and body to status and document. Raises `ActuatorError` where no answer comes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeCaps:
    """What one answer of an agent says. `fence` is the highest token that it has seen."""

    gpus: tuple[DeviceCaps, ...]
    fence: int
    holder: str
    boot: str
    fired_at: float | None = None
    """When the dead-man acted, if core was silent for that long."""
    detail: str = ""


class StaleToken(ActuatorError):
    """Another controller leads: the agent has seen a higher token. `answer` is what it said."""

    def __init__(self, message: str, answer: NodeCaps) -> None:
        super().__init__(message)
        self.answer = answer


@dataclass(kw_only=True)
class Keepalive:
    """The word of life to one agent, and its view in return. The body is made anew only when something in it changes."""

    node: str
    ask: Ask
    dead_man_seconds: float = 60.0
    on_stale: Callable[[str, int], None] | None = None
    """Told the node and the higher token that its agent has seen: whoever leads by a lower one leads no longer."""
    newest: NodeCaps | None = None
    _said: tuple[int, str, Mapping[str, float]] | None = None
    _body: Mapping[str, Any] = field(default_factory=dict)

    async def beat(self, fence: Fence | None, safe_watts: Mapping[str, float]) -> tuple[DeviceCaps, ...]:
        """Tell the agent that we live, and what is safe without us; without a fence only look. Raises `ActuatorError`.

        An agent that has seen a higher token shows its view all the same.
        """
        if fence is None:
            self.newest = node_caps(self.node, await answered(self.node, self.ask, "GET", None))
            return self.newest.gpus
        if self._said != (fence.token, fence.holder, safe_watts):
            self._said = fence.token, fence.holder, dict(safe_watts)
            safe = {uuid: float(watts) for uuid, watts in safe_watts.items() if math.isfinite(watts)}
            # None computed yet, after a start: those that the agent was told before stand until there are some.
            self._body = _body(fence) | {"dead_man_seconds": self.dead_man_seconds} | ({"safe_watts": safe} if safe else {})
        try:
            self.newest = node_caps(self.node, await answered(self.node, self.ask, "POST", self._body))
        except StaleToken as error:
            self.newest = error.answer
            if self.on_stale is not None:
                self.on_stale(self.node, error.answer.fence)
        return self.newest.gpus


@dataclass(frozen=True, kw_only=True)
class AgentActuator:
    """The GPUs of one node, in band."""

    node: str
    ask: Ask
    clock: Callable[[], float] = time.time
    way: Way = Way.NVML

    async def read(self) -> tuple[DeviceCaps, ...]:
        """Bounds and limits now. Raises `ActuatorError`."""
        return node_caps(self.node, await answered(self.node, self.ask, "GET", None)).gpus

    async def write(self, order: NodeOrder, fence: Fence) -> tuple[Receipt, ...]:
        """Set the GPUs' limits and clocks. Raises `ActuatorError`."""
        body = _body(fence) | {
            "caps": {uuid: float(watts) for uuid, watts in order.gpu_watts.items()},
            "clocks": {uuid: None if mhz is None else float(mhz) for uuid, mhz in order.clock_mhz.items()},
            "urgent": order.urgent,
            "why": _plain(order.why),
        }
        wanted = {uuid: order.gpu_watts.get(uuid) for uuid in (*order.gpu_watts, *order.clock_mhz)}
        return await self._send(body, wanted) if wanted else ()

    async def release(self, uuids: Sequence[str], fence: Fence, why: str = "") -> tuple[Receipt, ...]:
        """Give the operator's own limits back. Raises `ActuatorError`."""
        return await self._send(_body(fence) | {"release": list(uuids), "why": _plain(why)}, dict.fromkeys(uuids))

    async def close(self) -> None:
        """The connections are not ours."""

    async def _send(self, body: Mapping[str, Any], wanted: Mapping[str, float | None]) -> tuple[Receipt, ...]:
        try:
            document = await answered(self.node, self.ask, "POST", body)
        except StaleToken as error:
            limits = {each.device.uuid: each.limit_watts for each in error.answer.gpus}
            return tuple(
                self._receipt(uuid, watts, limits.get(uuid), Outcome.STALE, str(error)) for uuid, watts in wanted.items()
            )
        found = document.get("results")
        results = (
            {_text(each.get("uuid")): each for each in found if isinstance(each, Mapping)} if isinstance(found, list) else {}
        )
        return tuple(self._of(uuid, watts, results.get(uuid)) for uuid, watts in wanted.items())

    def _of(self, uuid: str, watts: float | None, result: Mapping[str, Any] | None) -> Receipt:
        if result is None:
            return self._receipt(uuid, watts, None, Outcome.UNREACHABLE, "the agent says nothing of this GPU")
        outcome = _OUTCOMES.get(_text(result.get("outcome")), Outcome.NOT_APPLIED)
        told = _number(result.get("wanted_watts"))
        return self._receipt(
            uuid, told if watts is None else watts, _number(result.get("read_back_watts")), outcome, _text(result.get("detail"))
        )

    def _receipt(self, uuid: str, watts: float | None, read: float | None, outcome: Outcome, detail: str) -> Receipt:
        return Receipt(
            device=Device(self.node, uuid),
            way=self.way,
            wanted_watts=watts,
            read_back_watts=read,
            outcome=outcome,
            detail=detail,
            at=self.clock(),
        )


async def answered(node: str, ask: Ask, method: str, body: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The document of a call. Raises `StaleToken`, `ActuatorError`."""
    status, document = await ask(method, PATH, body)
    if status == 409 and isinstance(document, Mapping):
        raise StaleToken(f"agent of {node}: {_text(document.get('detail'))}", node_caps(node, document))
    if status != 200 or not isinstance(document, Mapping):
        raise ActuatorError(f"agent of {node}: {method} {PATH} gave HTTP {status}: {_advice(status, document)}")
    return document


def node_caps(node: str, document: Mapping[str, Any]) -> NodeCaps:
    """The view in an answer. Entries that are no GPUs are left out, numbers that are none are not known."""
    entries = document.get("gpus")
    gpus = (
        [each for each in entries if isinstance(each, Mapping) and _text(each.get("uuid"))] if isinstance(entries, list) else []
    )
    dead_man = document.get("dead_man")
    fence = document.get("fence")
    return NodeCaps(
        gpus=tuple(_caps(node, each) for each in gpus),
        fence=fence if isinstance(fence, int) else -1,
        holder=_text(document.get("holder")),
        boot=_text(document.get("boot")),
        fired_at=_number(dead_man.get("fired_at")) if isinstance(dead_man, Mapping) else None,
        detail=_text(document.get("detail")),
    )


def _caps(node: str, gpu: Mapping[str, Any]) -> DeviceCaps:
    age = _number(gpu.get("power_age_seconds"))
    is_fresh = age is not None and age <= FRESH_SECONDS
    return DeviceCaps(
        device=Device(node, _text(gpu["uuid"])),
        way=Way.NVML,
        limit_watts=_number(gpu.get("limit_watts")),
        own_watts=_number(gpu.get("own_watts")),
        min_watts=_number(gpu.get("min_watts")),
        max_watts=_number(gpu.get("max_watts")),
        default_watts=_number(gpu.get("default_watts")),
        power_watts=_number(gpu.get("power_watts")) if is_fresh else None,
        clock_mhz=_number(gpu.get("clock_mhz")),
        index=str(gpu.get("index", "")),
        model=_text(gpu.get("model")),
        detail=_text(gpu.get("detail")),
    )


def _body(fence: Fence) -> dict[str, Any]:
    return {"fence": fence.token, "holder": fence.holder}


def _advice(status: int, document: Any) -> str:
    known = {
        401: "compare agent.token_file with credentials",
        403: "give the agent agent.token_file, and core the same token in credentials; is agent.caps true there?",
        404: "is its version older than caps?",
        503: "its driver does not answer",
    }
    words = document.strip() if isinstance(document, str) else ""
    return "; ".join(filter(None, (words[:200], known.get(status, "")))) or "expected a view of caps"


def _plain(why: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in why)[:500]


def _number(value: Any) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < _MOST:
        return None
    return float(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
