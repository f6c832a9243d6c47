"""Made-up answers of /api/power/status and /api/power/preview for the dashboard's tests, with the words of the real ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fixture_hall import NOW

from wattstat.api.live import CoreUnavailable
from wattstat.api.times import rfc3339
from wattstat.catalogue import Samples, power

GPU = "GPU-0000000{}-0000"


def budget(kind: str, name: str, **changes: Any) -> dict[str, Any]:
    """A limit that is well: 12 of 26 kW drawn, 18 kW at worst."""
    return {
        "kind": kind, "name": name, "rating_watts": None, "limit_watts": 26_000.0, "trip_safe_watts": None,
        "power_watts": 12_000.0, "peak_watts": 13_000.0, "envelope_watts": 18_000.0, "headroom_watts": 14_000.0,
        "state": "good", "binding": "inventory", "devices_held": 0, "deficit_watts": 0.0, "coverage_ratio": 0.4,
        "fixed_watts": 800.0, "assumed_watts": 0.0, "measured_ratio": 1.0,
    } | changes  # fmt: skip


def breaker(name: str, **changes: Any) -> dict[str, Any]:
    """A breaker of 20 kW that is its own limit."""
    own = {"rating_watts": 20_000.0, "trip_safe_watts": 20_000.0, "limit_watts": 20_000.0, "headroom_watts": 8_000.0,
           "binding": "rating"}  # fmt: skip
    return budget("breaker", name, **own | changes)


def device(node: str, gpu: str = "", **changes: Any) -> dict[str, Any]:
    """A GPU at 500 of 700 W, or without a number the server's own cap."""
    uuid = f"{GPU.format(gpu)}-{node}" if gpu else ""
    watts = {"target_watts": 500.0, "confirmed_watts": 500.0, "power_watts": 430.0, "min_watts": 200.0, "max_watts": 700.0}
    if not gpu:
        watts = {"target_watts": 8_000.0, "confirmed_watts": 8_000.0, "power_watts": 5_000.0, "min_watts": 5_950.0,
                 "max_watts": 10_200.0}  # fmt: skip
    return {
        "device": f"{node}/{uuid}" if gpu else node, "node": node, "gpu": gpu, "uuid": uuid, "rack": "R01", **watts,
        "binding_policy": "rack R01", "state": "controlled",
    } | changes  # fmt: skip


def finding(
    why: str, node: str = "gpu-01", *, gpu: str = "", ago: float = 1200, detail: str = "told by the device"
) -> dict[str, Any]:
    uuid = f"{GPU.format(gpu)}-{node}" if gpu else ""
    return {"node": node, "uuid": uuid, "why": why, "since": rfc3339(NOW - ago), "detail": detail}


def status(**changes: Any) -> dict[str, Any]:
    """Everything is well, and somebody steers."""
    return {
        "mode": "enforce", "leader": {"holder": "core-1", "token": 7, "leads": True}, "ready": True,
        "taken_at": rfc3339(NOW - 2), "readiness": {"read": 6, "of": 6, "ratio": 1.0, "missing": []},
        "safe": True, "unsafe": [], "cycle_seconds": 0.01,
        "held_back": "", "frozen": "", "states": {"controlled": 6},
        "budgets": [
            budget("site", "hall", limit_watts=60_000.0, power_watts=24_000.0, headroom_watts=36_000.0, fixed_watts=1_600.0),
            breaker("R01-A"), budget("rack", "R01"), budget("rack", "R02"),
        ],
        "devices": [
            *(device(node, gpu, rack=rack) for node, rack in (("gpu-01", "R01"), ("gpu-02", "R02")) for gpu in ("0", "1", "")),
        ],
        "policies": [], "emergencies": [], "findings": [], "troubles": [],
    } | changes  # fmt: skip


NOTHING_YET = {
    "mode": "enforce", "leader": {"holder": "", "token": None, "leads": False}, "ready": False, "budgets": [], "devices": [],
    "policies": [], "emergencies": [], "findings": [], "troubles": [],
}  # fmt: skip
"""What core says before its first decision."""

EMERGENCY = {
    "id": 3, "scope": "rack/R01", "owner": "anna", "reason": "smoke", "since": rfc3339(NOW - 90), "expires": None,
}  # fmt: skip


def change(node: str, gpu: str, before: float | None, after: float | None, why: str = "what-if") -> dict[str, Any]:
    uuid = f"{GPU.format(gpu)}-{node}" if gpu else ""
    name = f"{node}/{uuid}" if gpu else node
    return {"device": name, "node": node, "uuid": uuid, "before_watts": before, "after_watts": after, "why": why}


def preview(**changes: Any) -> dict[str, Any]:
    """Two GPUs go down from 700 to 490 W."""
    return {
        "changes": [change("gpu-01", "0", 700.0, 490.0), change("gpu-01", "1", 700.0, 490.0)], "total_changes": 2, "lowered": 2,
        "raised": 0, "watts_before": 40_000.0, "watts_after": 39_500.0, "deficits": [], "jobs": ["4201"], "raises": False,
        "notes": [],
    } | changes  # fmt: skip


@dataclass
class FakePower:
    """Answers like `wattstat.api.power_calls.PowerCalls`, and keeps what it was asked."""

    document: dict[str, Any] = field(default_factory=status)
    found: dict[str, Any] = field(default_factory=preview)
    down: bool = False
    refusal: Exception | None = None
    asked: list[tuple[str, str, Any]] = field(default_factory=list)

    async def get(self, path: str, _params: Any = None) -> dict[str, Any]:
        self._answer("GET", path, None)
        return self.document

    async def ask(self, method: str, path: str, *, params: Any = None, body: Any = None) -> dict[str, Any]:
        self._answer(method, path, body or params)
        return {"preview": self.found}

    def _answer(self, method: str, path: str, body: Any) -> None:
        self.asked.append((method, path, body))
        if self.down:
            raise CoreUnavailable("core at http://127.0.0.1:9838 does not answer (refused); is `wattstat serve` running?")
        if self.refusal is not None and method != "GET":
            raise self.refusal


def budget_samples() -> Samples:
    """A rack over its limit and a breaker that is not safe, as core exposes them."""
    found = Samples()
    for labels, watts, limit in ((("R01", "rack"), 27_000.0, 26_000.0), (("R01-A", "breaker"), 27_000.0, 30_000.0)):
        found.add(power.BUDGET_POWER_WATTS, watts, *labels)
        found.add(power.BUDGET_PEAK_WATTS, watts + 500, *labels)
        found.add(power.BUDGET_LIMIT_WATTS, limit, *labels)
        found.add(power.BUDGET_ENVELOPE_WATTS, 31_000.0, *labels)
    found.add(power.BUDGET_TRIP_SAFE_WATTS, 30_000.0, "R01-A", "breaker")
    found.add(power.BUDGET_SAFE, 0, "R01-A", "breaker")
    return found
