"""Calls about holds and emergencies."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import Any

import structlog

from power.audit.trail import AuditError
from power.desk import scopes, shapes
from power.desk.desk import Desk
from power.desk.refusal import Refusal
from power.desk.steering import Busy
from power.policies.database import StoreError
from power.policies.records import StoredEmergency, StoredHold, Unknown
from power.policies.standing import Emergency, Hold
from wattstat.access import Caller
from wattstat.api.power_bodies import EmergencyBody, GiveBackBody, HoldBody, Why

log = structlog.get_logger(__name__)

_TRYING = 0
"""Number of what is only tried."""


@dataclass(frozen=True)
class PinCalls:
    """Holds and emergencies, for people. With `dry_run` nothing is done, and what would be different is told."""

    desk: Desk

    def holds(self) -> dict[str, Any]:
        """The holds that neither expired nor were released."""
        return shapes.listed(shapes.hold(each) for each in self.desk.pins.holds())

    def hold(self, body: HoldBody, caller: Caller, *, dry_run: bool) -> dict[str, Any]:
        """Pin devices. One that lets something draw more than its limits have room for waits for a second person."""
        scope, now = scopes.scope(body.scope), self.desk.clock()
        self.desk.known(scope)
        until = now + 60 * body.minutes
        tried = Hold(
            id=_TRYING, scope=scope, watts=body.watts, owner=caller.name, reason=body.reason, expires=until, of=body.of
        )
        with self.desk.lock:
            preview = self.desk.steering.preview(self.desk.wish(holds=(*self.desk.holds(), tried)))
            lacking = ", ".join(f"{each.limit} lacks {each.deficit_watts:,.0f} W" for each in preview.lacks)
            waits = f"it raises devices, and {lacking}" if preview.raises and lacking else ""
            if self.desk.steering.devices(scope) is None:
                waits = "core has just begun and cannot tell yet whether it raises devices beyond their limits"
            answer = {"dry_run": dry_run, "preview": shapes.preview(preview), "needs_second": waits}
            if dry_run:
                return answer
            made: StoredHold = self.desk.act(
                caller,
                "hold",
                scopes.written(scope),
                lambda: self.desk.pins.hold(
                    scope, body.watts, by=caller.name, reason=body.reason, expires=until, of=body.of, needs_second=waits
                ),
                watts=body.watts,
                of=body.of,
                minutes=body.minutes,
                reason=body.reason,
            )
        return answer | shapes.hold(made)

    def approve_hold(self, number: int, caller: Caller, *, dry_run: bool) -> dict[str, Any]:
        """Let a hold count that waits for a second person."""
        stored = self._hold(number)
        preview = self.desk.steering.preview(self.desk.wish(holds=(*self.desk.holds(), stored.hold)))
        answer = {"dry_run": dry_run, "preview": shapes.preview(preview)}
        if dry_run:
            return answer | shapes.hold(stored)
        with self.desk.lock:
            done: StoredHold = self.desk.act(
                caller, "approve hold", f"hold {number}", lambda: self.desk.pins.approve_hold(number, caller.name)
            )
        return answer | shapes.hold(done)

    def release(self, number: int, body: Why, caller: Caller, *, dry_run: bool) -> dict[str, Any]:
        """End a hold."""
        stored = self._hold(number)
        left = tuple(each for each in self.desk.holds() if each.id != number)
        preview = self.desk.steering.preview(self.desk.wish(holds=left))
        answer = {"dry_run": dry_run, "preview": shapes.preview(preview)}
        if dry_run:
            return answer | shapes.hold(stored)
        with self.desk.lock:
            self.desk.act(
                caller,
                "release",
                f"hold {number}",
                lambda: self.desk.pins.release(number, caller.name),
                reason=body.reason,
            )
        return answer | shapes.hold(stored)

    def give_back(self, body: GiveBackBody, caller: Caller, *, dry_run: bool) -> dict[str, Any]:
        """Give devices back to their operator, where nothing is enforced any more."""
        scope = scopes.scope(body.scope)
        self.desk.known(scope)
        why = f"given back by {caller.name}: {body.reason}"
        try:
            with self.desk.lock:
                preview = self.desk.steering.give_back(scope, why, dry_run=True)
                if not dry_run:
                    self.desk.record(caller, "give back", scopes.written(scope), reason=body.reason)
                    preview = self.desk.steering.give_back(scope, why, dry_run=False)
        except Busy as err:
            raise Refusal(409, "Not possible now", str(err)) from err
        return {"dry_run": dry_run, "preview": shapes.preview(preview), "scope": scopes.written(scope)}

    def emergencies(self) -> dict[str, Any]:
        """The emergencies that are on."""
        unsaved = [StoredEmergency(emergency=each) for each in self.desk.in_memory()]
        try:
            saved = self.desk.pins.emergencies()
        except StoreError:
            if not unsaved:
                raise
            saved = ()  # what is on must be seen, and can be ended
        return shapes.listed(shapes.emergency(each) for each in (*saved, *unsaved))

    def emergency(self, body: EmergencyBody, caller: Caller, *, dry_run: bool) -> dict[str, Any]:
        """Lowest limits at once. Needs neither database nor disk: what they could not take is told, and done all the same."""
        scope, now = scopes.scope(body.scope), self.desk.clock()
        self.desk.known(scope)
        word = scopes.word(scope)
        expires = None if body.minutes is None else now + 60 * body.minutes
        tried = Emergency(id=_TRYING, scope=scope, owner=caller.name, reason=body.reason, since=now, expires=expires or inf)
        if dry_run:
            preview = self.desk.steering.preview(self.desk.wish(emergencies=(*self.desk.emergencies(), tried)))
            return {"dry_run": True, "preview": shapes.preview(preview), "confirm": word}
        if body.confirm != word:
            raise Refusal(
                422,
                "Not confirmed",
                f"confirm: is {body.confirm[:100]!r}; expected {word!r}, the name of the scope, typed again",
                confirm=word,
            )
        # In force before anything is written: a disk or a database that hangs must not hold it up.
        unsaved = self._unsaved(tried)
        log.warning("emergency", scope=word, caller=caller.name, reason=body.reason)
        notes: list[str] = []
        try:
            self.desk.record(caller, "emergency", scopes.written(scope), reason=body.reason, minutes=body.minutes)
        except AuditError as err:
            notes.append(str(err))
        try:
            stored = self.desk.pins.start_emergency(scope, by=caller.name, reason=body.reason, expires=expires)
        except StoreError as err:
            notes.append(f"{err}; the emergency holds in core's memory, until core ends")
            stored = StoredEmergency(emergency=unsaved)
        else:
            self.desk.steering.changed()
            self._forget(unsaved.id)
        return {"dry_run": False, **shapes.emergency(stored), "notes": notes}

    def all_clear(self, number: int, body: Why, caller: Caller, *, dry_run: bool) -> dict[str, Any]:
        """End an emergency; caps rise slowly."""
        if (unsaved := self.desk.unsaved.get(number)) is not None and not dry_run:
            # Where the database cannot be asked, an emergency of the memory must end all the same.
            self.desk.record(caller, "all clear", f"emergency {number}", reason=body.reason)
            self._forget(number)
            self.desk.steering.changed()
            return {"dry_run": False} | shapes.emergency(_ended(unsaved, self.desk.clock(), caller, body))
        on = {each.id: each for each in self.desk.emergencies()}
        if number not in on:
            raise Unknown(f"there is no emergency {number}, or it has ended")
        left = tuple(each for each in on.values() if each.id != number)
        preview = self.desk.steering.preview(self.desk.wish(emergencies=left))
        answer = {"dry_run": dry_run, "preview": shapes.preview(preview)}
        if dry_run:
            return answer | shapes.emergency(StoredEmergency(emergency=on[number]))
        with self.desk.lock:
            done: StoredEmergency = self.desk.act(
                caller,
                "all clear",
                f"emergency {number}",
                lambda: self.desk.pins.end_emergency(number, by=caller.name, reason=body.reason),
                reason=body.reason,
            )
        return answer | shapes.emergency(done)

    def _unsaved(self, tried: Emergency) -> Emergency:
        """Kept in memory, and in force."""
        with self.desk.urgent:
            kept = replace(tried, id=min(self.desk.unsaved, default=0) - 1)
            self.desk.unsaved[kept.id] = kept
            self.desk.steering.brake(tuple(self.desk.unsaved.values()))
        self.desk.steering.changed()
        return kept

    def _forget(self, number: int) -> Emergency | None:
        """In memory no more; None where it was not."""
        with self.desk.urgent:
            found = self.desk.unsaved.pop(number, None)
            self.desk.steering.brake(tuple(self.desk.unsaved.values()))
        return found

    def _hold(self, number: int) -> StoredHold:
        found = next((each for each in self.desk.pins.holds() if each.hold.id == number), None)
        if found is None:
            raise Unknown(f"there is no hold {number}, or it has ended")
        return found


def _ended(emergency: Emergency, at: float, caller: Caller, body: Why) -> StoredEmergency:
    return StoredEmergency(emergency=emergency, ended_at=at, ended_by=caller.name, ended_reason=body.reason)
