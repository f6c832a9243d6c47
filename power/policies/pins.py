"""Holds and emergencies in the database."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from math import inf, isfinite
from typing import Any, Literal

import sqlalchemy as sa

from power.policies import database as tables
from power.policies.database import transaction
from power.policies.records import Conflict, NeedsSecond, StoredEmergency, StoredHold, Unknown
from power.policies.scope import Scope
from power.policies.standing import Emergency, Hold


class Pins:
    """Holds of devices, and emergencies. Every method is one transaction; what it returned is on the disk."""

    def __init__(self, engine: sa.Engine, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._clock = clock

    def holds(self) -> tuple[StoredHold, ...]:
        """The holds that have neither expired nor been released, those that wait for a second person too."""
        table = tables.power_holds
        asked = sa.select(table).where(table.c.ended_at.is_(None), table.c.expires > self._clock()).order_by(table.c.id)
        with transaction(self._engine) as connection:
            return tuple(_hold(row) for row in connection.execute(asked).mappings())

    def hold(
        self,
        scope: Scope,
        watts: float,
        *,
        by: str,
        reason: str,
        expires: float,
        of: Literal["gpu", "node"] = "gpu",
        needs_second: str = "",
    ) -> StoredHold:
        """Pin devices to watts until `expires` (Unix time).

        `needs_second` says why a second person must approve it: it raises something and the envelope would not hold.
        """
        if not (isfinite(watts) and watts > 0):
            raise Conflict(f"{watts:g} W is no hold; expected more than nothing")
        if not self._clock() < expires < inf:
            raise Conflict("a hold must end, in the time to come; expected such as 2 hours from now")
        with transaction(self._engine) as connection:
            made = connection.execute(
                sa.insert(tables.power_holds).values(
                    scope=_to_text(scope),
                    of=of,
                    watts=watts,
                    owner=by,
                    reason=reason,
                    made_at=self._clock(),
                    expires=expires,
                    needs_second=needs_second,
                )
            )
            number = int((made.inserted_primary_key or (0,))[0])
            _act(connection, self._clock(), by, "hold", f"hold {number}", f"{scope} at {watts:g} W: {reason}")
            return self._one_hold(connection, number)

    def approve_hold(self, number: int, by: str) -> StoredHold:
        """Approve a hold that waits for a second person."""
        with transaction(self._engine) as connection:
            stored = self._one_hold(connection, number)
            if stored.counts:
                raise Conflict(f"hold {number} does not wait for approval")
            if stored.hold.owner.strip().casefold() == by.strip().casefold():
                raise NeedsSecond(f"{by} asked for hold {number} and cannot approve it; let a second person do that")
            table = tables.power_holds
            connection.execute(sa.update(table).where(table.c.id == number).values(approved_by=by))
            _act(connection, self._clock(), by, "approve", f"hold {number}", "")
            return self._one_hold(connection, number)

    def release(self, number: int, by: str) -> StoredHold:
        """End a hold. Its devices go back to what policies say."""
        with transaction(self._engine) as connection:
            stored = self._one_hold(connection, number)
            table = tables.power_holds
            connection.execute(sa.update(table).where(table.c.id == number).values(ended_at=self._clock(), ended_by=by))
            _act(connection, self._clock(), by, "release", f"hold {number}", "")
            return stored

    def emergencies(self) -> tuple[StoredEmergency, ...]:
        """The emergencies that are on."""
        table = tables.power_emergencies
        asked = sa.select(table).where(table.c.ended_at.is_(None)).order_by(table.c.id)
        with transaction(self._engine) as connection:
            found = tuple(_emergency(row) for row in connection.execute(asked).mappings())
        return tuple(each for each in found if self._clock() < each.emergency.expires)

    def start_emergency(self, scope: Scope, *, by: str, reason: str, expires: float | None = None) -> StoredEmergency:
        """Lowest limits at once, until it is ended or `expires`. One person is enough."""
        if expires is not None and expires <= self._clock():
            raise Conflict("an emergency cannot have ended before it begins; expected a time to come, or none")
        table = tables.power_emergencies
        with transaction(self._engine) as connection:
            made = connection.execute(
                sa.insert(table).values(scope=_to_text(scope), owner=by, reason=reason, since=self._clock(), expires=expires)
            )
            number = int((made.inserted_primary_key or (0,))[0])
            _act(connection, self._clock(), by, "start emergency", f"emergency {number}", f"{scope}: {reason}")
            return self._one_emergency(connection, number)

    def end_emergency(self, number: int, *, by: str, reason: str) -> StoredEmergency:
        """End it; caps rise again, slowly."""
        table = tables.power_emergencies
        with transaction(self._engine) as connection:
            if self._one_emergency(connection, number).ended_at < inf:
                raise Conflict(f"emergency {number} has ended already")
            connection.execute(
                sa.update(table).where(table.c.id == number).values(ended_at=self._clock(), ended_by=by, ended_reason=reason)
            )
            _act(connection, self._clock(), by, "end emergency", f"emergency {number}", reason)
            return self._one_emergency(connection, number)

    def _one_hold(self, connection: sa.Connection, number: int) -> StoredHold:
        table = tables.power_holds
        row = connection.execute(sa.select(table).where(table.c.id == number, table.c.ended_at.is_(None))).mappings().first()
        if row is None or row["expires"] <= self._clock():
            raise Unknown(f"there is no hold {number}, or it has ended")
        return _hold(row)

    def _one_emergency(self, connection: sa.Connection, number: int) -> StoredEmergency:
        table = tables.power_emergencies
        row = connection.execute(sa.select(table).where(table.c.id == number)).mappings().first()
        if row is None:
            raise Unknown(f"there is no emergency {number}")
        return _emergency(row)


def _hold(row: Mapping[Any, Any]) -> StoredHold:
    hold = Hold(
        id=row["id"],
        scope=Scope.model_validate(json.loads(row["scope"])),
        watts=row["watts"],
        owner=row["owner"],
        reason=row["reason"],
        expires=row["expires"],
        of=row["of"],
    )
    return StoredHold(hold=hold, made_at=row["made_at"], needs_second=row["needs_second"], approved_by=row["approved_by"])


def _emergency(row: Mapping[Any, Any]) -> StoredEmergency:
    emergency = Emergency(
        id=row["id"],
        scope=Scope.model_validate(json.loads(row["scope"])),
        owner=row["owner"],
        reason=row["reason"],
        since=row["since"],
        expires=inf if row["expires"] is None else row["expires"],
    )
    return StoredEmergency(
        emergency=emergency,
        ended_at=inf if row["ended_at"] is None else row["ended_at"],
        ended_by=row["ended_by"] or "",
        ended_reason=row["ended_reason"] or "",
    )


def _to_text(scope: Scope) -> str:
    return json.dumps(scope.model_dump(mode="json", exclude_defaults=True))


def _act(connection: sa.Connection, at: float, who: str, what: str, subject: str, detail: str) -> None:  # noqa: PLR0917
    connection.execute(
        sa.insert(tables.policy_acts).values(at=at, who=who, what=what, subject=subject, version=None, detail=detail)
    )
