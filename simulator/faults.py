"""Faults that can be switched on, and what each does to the hall. The control API stands in `control.py`."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

KINDS: Mapping[str, str] = {
    "bmc_slow": "answers after `seconds` (5)",
    "bmc_hang": "accepts the connection and never answers",
    "bmc_refuse": "its address refuses connections",
    "bmc_lockdown": "System Lockdown mode: reads work, writes are refused",
    "bmc_sessions_exhausted": "all eight sessions are taken (503, RAC0218)",
    "bmc_unauthorized": "refuses every session and password (401)",
    "bmc_unavailable": "503 with Retry-After `seconds` (30)",
    "bmc_broken_json": "bodies that are cut in the middle of the JSON",
    "bmc_html": "403 with a page of HTML",
    "bmc_truncated": "closes the connection in the middle of the body",
    "bmc_sentinels": "sensors read -2147483648",
    "bmc_lying": "power sensors read `factor` (0.5) times the truth",
    "bmc_clock_off": "its clock is `seconds` (3600) ahead, or behind if negative",
    "telemetry_lost": "sensors read null",
    "telemetry_frozen": "sensors keep the value that they have now",
    "telemetry_spike": "power sensors read `factor` (50) times the truth in `percent` (20) of all readings",
    "psu_failed": "power supply `psu` (1) fails",
    "feed_lost": "the breaker of feed `feed` (A) of the target's rack opens; the target may be a rack",
    "gpu_off_bus": "GPU `gpu` (0) falls off the bus (XID 79)",
    "gpu_xid": "GPU `gpu` (0) raises XID `xid` (48)",
    "gpu_ecc": "GPU `gpu` (0) counts `count` (10) corrected and, with `uncorrected` (0), uncorrected ECC errors",
    "gpu_hot": "the heat sink of GPU `gpu` (0) conducts `factor` (3) times worse",
    "counter_reset": "the driver is loaded anew: the GPUs' energy counters begin at zero",
    "agent_gone": "the agent process is stopped",
}


class UnknownFault(ValueError):
    """A fault that does not exist, or one for something that does not stand in the hall."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault that is switched on. `until` is when it ends by itself, if it does."""

    id: int
    target: str
    kind: str
    options: Mapping[str, Any]
    since: float
    until: float | None = None

    def number(self, name: str, default: float) -> float:
        """An option as a number."""
        value = self.options.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise UnknownFault(f"{self.kind}: {name} must be a number, not {value!r}")
        return float(value)

    def text(self, name: str, default: str) -> str:
        """An option as a word."""
        return str(self.options.get(name, default))

    def document(self) -> dict[str, Any]:
        """The fault as the control API shows it."""
        return {
            "id": self.id,
            "target": self.target,
            "kind": self.kind,
            **self.options,
            "since": self.since,
            "until": self.until,
        }


class Faults:
    """All faults that are switched on."""

    def __init__(self) -> None:
        """None."""
        self._numbers = itertools.count(1)
        self._all: dict[int, Fault] = {}
        self._by_target: dict[str, dict[str, Fault]] = defaultdict(dict)

    def add(self, target: str, kind: str, options: Mapping[str, Any], now: float, seconds: float | None = None) -> Fault:
        """Switch a fault on; the same kind for the same target is replaced."""
        if kind not in KINDS:
            raise UnknownFault(f"no fault is called {kind!r}; there are: {', '.join(KINDS)}")
        if (before := self._by_target[target].get(kind)) is not None:
            self.remove(before.id)
        fault = Fault(
            id=next(self._numbers),
            target=target,
            kind=kind,
            options=dict(options),
            since=now,
            until=None if seconds is None else now + seconds,
        )
        self._all[fault.id] = fault
        self._by_target[target][kind] = fault
        return fault

    def remove(self, number: int) -> Fault | None:
        """Switch a fault off; None where there is none of that number."""
        fault = self._all.pop(number, None)
        if fault is not None:
            self._by_target[fault.target].pop(fault.kind, None)
            if not self._by_target[fault.target]:
                del self._by_target[fault.target]
        return fault

    def expired(self, now: float) -> list[Fault]:
        """Those whose time is over."""
        return [fault for fault in self._all.values() if fault.until is not None and fault.until <= now]

    def find(self, target: str, kind: str) -> Fault | None:
        """The fault of a kind for a target."""
        found = self._by_target.get(target)
        return found.get(kind) if found else None

    def any_for(self, target: str) -> bool:
        """Whether anything is switched on for a target."""
        return target in self._by_target

    def __iter__(self) -> Any:
        """All of them, oldest first."""
        return iter(tuple(self._all.values()))
