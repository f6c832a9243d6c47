"""When people will first hear of what nobody was told of yet. Pure."""

from __future__ import annotations

from alerts.delivery.board import Board, Group, Known
from alerts.delivery.routing import Routing


def tells(board: Board, routing: Routing) -> dict[str, float]:
    """When something is said first about each alert that fires and that its groups' receivers were not told of."""
    found: dict[str, float] = {}
    waiting = {(group, each) for groups in board.waiting.values() for group, entries in groups.items() for each in entries}
    for group in board.groups.values():
        for each in group.members:
            known = board.alerts[each]
            at = _said_at(group, known, routing, is_queued=(group.id, each) in waiting)
            if at is not None and known.fires:
                found[each] = min(at, found.get(each, at))
    return found


def _said_at(group: Group, known: Known, routing: Routing, *, is_queued: bool) -> float | None:
    """The group's turn; when it was queued where that has come; None where it was said, or its route is mute by then."""
    if known.fingerprint in group.told:
        return group.told_at if is_queued else None
    if known.keep_firing_since is not None:
        return None
    at = group.flush_at
    if not group.told and group.heard_since is None:  # what there is else is quiet: it is the first
        at = max(at, known.first_seen + group.route.group_wait_seconds)
    return None if routing.is_mute(group.route, at) else at
