"""What the desk's answers look like: the JSON of the public API."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from power.desk import scopes
from power.desk.steering import Change, Preview
from power.policies.records import Pending, Stored, StoredEmergency, StoredHold, Version
from wattstat.api.times import rfc3339

MOST_CHANGES = 500
"""Changes of single devices that are told; how many there are is told in any case."""


def listed(items: Iterable[dict[str, Any]], following: str | None = None, total: int | None = None) -> dict[str, Any]:
    """A list as scripts rely on it."""
    found = list(items)
    return {"items": found, "total": len(found) if total is None else total, "next": following}


def preview(found: Preview) -> dict[str, Any]:
    """What would be different."""
    return {
        "changes": [_change(each) for each in found.changes[:MOST_CHANGES]],
        "total_changes": len(found.changes),
        "lowered": sum(_is_lower(each) for each in found.changes),
        "raised": sum(not _is_lower(each) for each in found.changes),
        "watts_before": _finite(found.watts_before),
        "watts_after": _finite(found.watts_after),
        "deficits": [
            {"limit": each.limit, "deficit_watts": each.deficit_watts, "before_watts": each.before_watts, "why": each.why}
            for each in found.lacks
        ],
        "jobs": list(found.jobs),
        "raises": found.raises,
        "notes": list(found.notes),
    }


def policy(stored: Stored) -> dict[str, Any]:
    """A policy as lists show it."""
    shown = stored.shown
    said = shown.policy.to_json()
    return {
        "name": stored.name,
        "state": stored.state.value,
        "version": shown.version,
        "mode": shown.policy.mode.value,
        "kind": shown.policy.ask.kind,
        "scope": scopes.written(shown.policy.scope),
        "ask": said["ask"],
        "when": said.get("when", {}),
        "owner": shown.policy.owner,
        "reason": shown.policy.reason,
        "expires": rfc3339(shown.policy.expires_unix),
        "author": shown.author,
        "approved_by": shown.approved_by,
        "source": stored.source,
        "draft": None if stored.draft is None or stored.draft is shown else stored.draft.version,
        "waits_for": _waits(stored),
    }


def policy_whole(stored: Stored, versions: Iterable[Version], chosen: Version) -> dict[str, Any]:
    """A policy with its words and its versions."""
    return {
        **policy(stored),
        "policy": chosen.policy.to_json(),
        "policy_version": chosen.version,
        "versions": [version(each) for each in versions],
    }


def version(found: Version) -> dict[str, Any]:
    """One version."""
    return {
        "version": found.version,
        "author": found.author,
        "saved_at": rfc3339(found.saved_at),
        "needs_second": found.needs_second,
        "approved_by": found.approved_by,
        "approved_at": rfc3339(found.approved_at),
        "policy": found.policy.to_json(),
    }


def hold(found: StoredHold) -> dict[str, Any]:
    """A hold."""
    it = found.hold
    return {
        "id": it.id,
        "scope": scopes.written(it.scope),
        "watts": it.watts,
        "of": it.of,
        "owner": it.owner,
        "reason": it.reason,
        "made_at": rfc3339(found.made_at),
        "expires": rfc3339(it.expires),
        "counts": found.counts,
        "needs_second": found.needs_second,
        "approved_by": found.approved_by,
    }


def emergency(found: StoredEmergency) -> dict[str, Any]:
    """An emergency."""
    it = found.emergency
    return {
        "id": it.id,
        "scope": scopes.written(it.scope),
        "word": scopes.word(it.scope),
        "owner": it.owner,
        "reason": it.reason,
        "since": rfc3339(it.since),
        "expires": rfc3339(it.expires),
        "ended_at": rfc3339(found.ended_at),
        "ended_by": found.ended_by or None,
    }


def _waits(stored: Stored) -> dict[str, Any] | None:
    """What a second person must look at, if there is anything."""
    pending: Pending | None = stored.pending
    if pending is not None:
        return {"what": pending.what, "by": pending.by, "reason": pending.reason, "at": rfc3339(pending.at)}
    draft = stored.draft
    if draft is None or not draft.needs_second:
        return None
    return {"what": f"version {draft.version}", "by": draft.author, "reason": draft.needs_second, "at": rfc3339(draft.saved_at)}


def _change(change: Change) -> dict[str, Any]:
    return {
        "device": str(change.device),
        "node": change.device.node,
        "uuid": change.device.uuid,
        "before_watts": _finite(change.before_watts),
        "after_watts": _finite(change.after_watts),
        "why": change.why,
    }


def _is_lower(change: Change) -> bool:
    if change.after_watts is None:
        return False
    return change.before_watts is None or change.after_watts < change.before_watts


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
