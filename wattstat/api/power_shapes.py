"""Shapes of the answers about power, for the API's documentation."""

from __future__ import annotations

from typing import Any


def _answer(**members: Any) -> dict[int | str, dict[str, Any]]:
    return {200: {"content": {"application/json": {"schema": _object(members)}}}}


def _object(members: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": members}


def _list(item: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    return _answer(items={"type": "array", "items": _object(item)}, total=_NUMBER, next=_TEXT)


_TEXT: dict[str, Any] = {"type": ["string", "null"]}
_NUMBER: dict[str, Any] = {"type": ["number", "null"]}
_SWITCH: dict[str, Any] = {"type": "boolean"}
_TEXTS: dict[str, Any] = {"type": "array", "items": {"type": "string"}}

_DEFICIT = {"limit": _TEXT, "deficit_watts": _NUMBER, "before_watts": _NUMBER, "why": _TEXT}
_CHANGE = {
    "device": _TEXT, "node": _TEXT, "uuid": _TEXT, "before_watts": _NUMBER, "after_watts": _NUMBER, "why": _TEXT,
}  # fmt: skip
_PREVIEW = _object(
    {
        "changes": {"type": "array", "items": _object(_CHANGE)},
        "total_changes": _NUMBER,
        "lowered": _NUMBER,
        "raised": _NUMBER,
        "watts_before": _NUMBER,
        "watts_after": _NUMBER,
        "deficits": {"type": "array", "items": _object(_DEFICIT)},
        "jobs": _TEXTS,
        "raises": _SWITCH,
        "notes": _TEXTS,
    }
)
_WAITS = _object({"what": _TEXT, "by": _TEXT, "reason": _TEXT, "at": _TEXT})
_POLICY = {
    "name": _TEXT, "state": _TEXT, "version": _NUMBER, "mode": _TEXT, "kind": _TEXT, "scope": _TEXT,
    "ask": {"type": "object"}, "when": {"type": "object"}, "owner": _TEXT, "reason": _TEXT, "expires": _TEXT,
    "author": _TEXT, "approved_by": _TEXT, "source": _TEXT, "draft": _NUMBER, "waits_for": _WAITS,
}  # fmt: skip
_VERSION = {
    "version": _NUMBER, "author": _TEXT, "saved_at": _TEXT, "needs_second": _TEXT, "approved_by": _TEXT, "approved_at": _TEXT,
    "policy": {"type": "object"},
}  # fmt: skip
_HOLD = {
    "id": _NUMBER, "scope": _TEXT, "watts": _NUMBER, "of": _TEXT, "owner": _TEXT, "reason": _TEXT, "made_at": _TEXT,
    "expires": _TEXT, "counts": _SWITCH, "needs_second": _TEXT, "approved_by": _TEXT,
}  # fmt: skip
_EMERGENCY = {
    "id": _NUMBER, "scope": _TEXT, "word": _TEXT, "owner": _TEXT, "reason": _TEXT, "since": _TEXT, "expires": _TEXT,
    "ended_at": _TEXT, "ended_by": _TEXT,
}  # fmt: skip
_RECORD = {
    "number": _NUMBER, "at": _TEXT, "kind": _TEXT, "what": _TEXT, "subject": _TEXT, "caller": _TEXT, "role": _TEXT,
    "device": _TEXT, "reason": _TEXT, "previous": _TEXT, "hash": _TEXT,
}  # fmt: skip
_BUDGET = {
    "name": _TEXT, "kind": _TEXT, "rating_watts": _NUMBER, "limit_watts": _NUMBER, "trip_safe_watts": _NUMBER,
    "power_watts": _NUMBER, "peak_watts": _NUMBER, "envelope_watts": _NUMBER, "headroom_watts": _NUMBER, "state": _TEXT,
    "binding": _TEXT, "devices_held": _NUMBER, "deficit_watts": _NUMBER, "coverage_ratio": _NUMBER, "fixed_watts": _NUMBER,
    "assumed_watts": _NUMBER, "measured_ratio": _NUMBER,
}  # fmt: skip
_DEVICE = {
    "device": _TEXT, "node": _TEXT, "gpu": _TEXT, "uuid": _TEXT, "rack": _TEXT, "target_watts": _NUMBER,
    "confirmed_watts": _NUMBER, "power_watts": _NUMBER, "min_watts": _NUMBER, "max_watts": _NUMBER, "binding_policy": _TEXT,
    "state": _TEXT,
}  # fmt: skip
_IN_FORCE = {
    "name": _TEXT, "version": _NUMBER, "kind": _TEXT, "mode": _TEXT, "enabled": _SWITCH, "state": _TEXT, "counts": _SWITCH,
    "why": _TEXT, "until": _TEXT, "gpus": _NUMBER, "nodes": _NUMBER, "limits": _NUMBER, "binding_devices": _NUMBER,
}  # fmt: skip
_FINDING = {"node": _TEXT, "uuid": _TEXT, "why": _TEXT, "since": _TEXT, "detail": _TEXT}
_PARAMETER = {"name": _TEXT, "text": _TEXT, "default": {}, "required": _SWITCH}


def _items(members: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": _object(members)}


STATUS = _answer(
    mode=_TEXT,
    leader=_object({"holder": _TEXT, "token": _NUMBER, "leads": _SWITCH}),
    ready=_SWITCH,
    safe=_SWITCH,
    unsafe=_TEXTS,
    budgets=_items(_BUDGET),
    devices=_items(_DEVICE),
    policies=_items(_IN_FORCE),
    emergencies=_items({name: _EMERGENCY[name] for name in ("id", "scope", "owner", "reason", "since", "expires")}),
    findings=_items(_FINDING),
    troubles=_TEXTS,
)
SIGNALS = _list({"name": _TEXT, "value": _NUMBER})
SIGNAL = _answer(name=_TEXT, value=_NUMBER, until=_TEXT)
CHECKPOINT = _answer(scheduler=_TEXT, job_id=_TEXT, until=_TEXT)
PREDEFINED = _list({"name": _TEXT, "title": _TEXT, "text": _TEXT, "parameters": _items(_PARAMETER)})
MADE = _answer(policy={"type": "object"})
POLICIES = _list(_POLICY)
POLICY = _answer(
    **_POLICY, policy={"type": "object"}, policy_version=_NUMBER, versions={"type": "array", "items": _object(_VERSION)}
)
PREVIEW = _answer(preview=_PREVIEW)
SAVED = _answer(dry_run=_SWITCH, preview=_PREVIEW, unchanged=_SWITCH, **_POLICY)
HOLDS = _list(_HOLD)
HOLD = _answer(dry_run=_SWITCH, preview=_PREVIEW, **_HOLD)
GIVEN = _answer(dry_run=_SWITCH, preview=_PREVIEW, scope=_TEXT)
EMERGENCIES = _list(_EMERGENCY)
EMERGENCY = _answer(dry_run=_SWITCH, preview=_PREVIEW, confirm=_TEXT, **_EMERGENCY, notes=_TEXTS)
AUDIT = _list(_RECORD)
VERIFIED = _answer(whole=_SWITCH, problems=_TEXTS, records=_NUMBER)

_COST = {"name": _TEXT, "gpu_hours": _NUMBER, "lost_ratio": _NUMBER, "low": _NUMBER, "high": _NUMBER}
_LINE = {
    "name": _TEXT, "kind": _TEXT, "seconds": _NUMBER, "over_before_seconds": _NUMBER, "over_after_seconds": _NUMBER,
    "peak_before_watts": _NUMBER, "peak_after_watts": _NUMBER,
}  # fmt: skip
REHEARSED = _answer(
    start=_TEXT,
    end=_TEXT,
    step_seconds=_NUMBER,
    nodes=_NUMBER,
    gpus=_NUMBER,
    joules_before=_NUMBER,
    joules_after=_NUMBER,
    peak_before_watts=_NUMBER,
    peak_after_watts=_NUMBER,
    points={"type": "array", "items": {"type": "array", "items": _NUMBER}},
    work=_items(_COST),
    jobs=_items(_COST),
    limits=_items(_LINE),
    cap_changes=_NUMBER,
    changes_per_device_hour=_NUMBER,
    hidden_ratio=_NUMBER,
    recorded_ratio=_NUMBER,
    notes=_TEXTS,
)
