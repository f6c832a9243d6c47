"""What core's desk tells of power, made up: the shapes of /api/power, with a policy in each state."""

from __future__ import annotations

from typing import Any

STAMP = "2026-09-21T14:13:20Z"


def policy(name: str = "night-cap", **changes: Any) -> dict[str, Any]:
    """A policy as the list has it."""
    return {
        "name": name, "state": "enabled", "version": 2, "mode": "enforce", "kind": "gpu_cap", "scope": "site",
        "ask": {"gpu_cap": {"percent": 70}}, "when": {}, "owner": "facility", "reason": "Chillers are serviced",
        "expires": None, "author": "ada", "approved_by": None, "source": "api", "draft": None, "waits_for": None,
        **changes,
    }  # fmt: skip


def whole(found: dict[str, Any]) -> dict[str, Any]:
    """The same policy as its own address has it."""
    words = {"name": found["name"], "owner": found["owner"], "reason": found["reason"], "ask": found["ask"]}
    version = {"version": 2, "author": "ada", "saved_at": STAMP, "needs_second": "", "approved_by": None, "approved_at": None,
               "policy": words}  # fmt: skip
    return {**found, "policy": words, "policy_version": 2, "versions": [version]}


def alive(name: str = "night-cap", **changes: Any) -> dict[str, Any]:
    """What the status says of a policy."""
    return {"name": name, "version": 2, "kind": "gpu_cap", "mode": "enforce", "enabled": True, "state": "holds", "counts": True,
            "why": "", "until": None, "gpus": 8, "nodes": 0, "limits": 0, "binding_devices": 6, **changes}  # fmt: skip


def device(node: str, gpu: str, **changes: Any) -> dict[str, Any]:
    """A GPU as the status has it; an empty `gpu` is the server."""
    return {"device": f"{node}/GPU-{gpu}" if gpu else node, "node": node, "gpu": gpu, "uuid": f"GPU-{gpu}" if gpu else "",
            "rack": "rack-01", "target_watts": 420.0, "confirmed_watts": 420.0, "power_watts": 400.0, "min_watts": 200.0,
            "max_watts": 700.0, "binding_policy": "night-cap", "state": "controlled", **changes}  # fmt: skip


def status(**changes: Any) -> dict[str, Any]:
    """The answer of /api/power/status."""
    names = [("site", "hall"), ("feed", "A"), ("breaker", "rack-01-a"), ("row", "row-1"), ("rack", "rack-01")]
    return {
        "mode": "enforce", "leader": {"holder": "core", "token": 1, "leads": True}, "ready": True, "safe": True, "unsafe": [],
        "budgets": [{"name": name, "kind": kind} for kind, name in names],
        "devices": [device("gpu-01", str(each)) for each in range(4)],
        "policies": [alive()], "emergencies": [], "findings": [], "troubles": [], **changes,
    }  # fmt: skip


def emergency(number: int = 3) -> dict[str, Any]:
    """An emergency that is on."""
    return {"id": number, "scope": "rack/rack-01", "word": "rack-01", "owner": "olga", "reason": "smoke", "since": STAMP,
            "expires": None, "ended_at": None, "ended_by": None}  # fmt: skip


def hold(**changes: Any) -> dict[str, Any]:
    """A hold."""
    return {"id": 7, "scope": "node/gpu-01", "watts": 400.0, "of": "gpu", "owner": "olga", "reason": "benchmark",
            "made_at": STAMP, "expires": "2026-09-21T15:13:20Z", "counts": True, "needs_second": "", "approved_by": None,
            **changes}  # fmt: skip


def record(**changes: Any) -> dict[str, Any]:
    """A line of the trail."""
    return {"number": 12, "at": STAMP, "kind": "order", "what": "enable policy", "subject": "policy night-cap",
            "caller": "olga", "role": "operator", "via": "token", "previous": "0", "hash": "1", **changes}  # fmt: skip


def preview(**changes: Any) -> dict[str, Any]:
    """What would be different."""
    rows = [{"device": f"gpu-01/GPU-{each}", "node": "gpu-01", "uuid": f"GPU-{each}", "before_watts": 700.0,
             "after_watts": 420.0, "why": "night-cap"} for each in range(4)]  # fmt: skip
    return {"changes": rows, "total_changes": 4, "lowered": 4, "raised": 0, "watts_before": 9000.0, "watts_after": 7880.0,
            "deficits": [], "jobs": ["4204"], "raises": False, "notes": [], **changes}  # fmt: skip
