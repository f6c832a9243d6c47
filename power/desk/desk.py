"""What people and scripts ask of power, whoever carries the question: previews first, then the trail, then the act."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from power.audit.trail import Trail
from power.desk import scopes, shapes
from power.desk.refusal import Refusal
from power.desk.steering import Preview, Steering, Wish
from power.policies.database import StoreError
from power.policies.efficiency import History
from power.policies.pins import Pins
from power.policies.posted import Posted
from power.policies.records import Refused
from power.policies.repository import Repository
from power.policies.scope import Scope
from power.policies.standing import Emergency, Hold, Standing
from wattstat.access import Caller

ORDER = "order"
"""Kind of the records of what people ask for, written before it is done."""
REFUSED = "order refused"
"""Kind of the record that follows where it was not done after all."""
MOST_RECORDS = 1000
NOTICED_WATTS = 0.5


@dataclass(frozen=True, kw_only=True)
class Desk:
    """What the calls share. Blocking: call it in a thread. One act is done at a time."""

    repository: Repository
    pins: Pins
    trail: Trail
    steering: Steering
    posted: Posted = field(default_factory=lambda: Posted(time.time))
    """What scripts and jobs post; whoever runs the loop reads it."""
    history: History | None = None
    """What the site has seen of caps and work."""
    clock: Callable[[], float] = time.time
    lock: threading.RLock = field(default_factory=threading.RLock)
    urgent: threading.Lock = field(default_factory=threading.Lock)
    """For what must not wait for an act that is under way: emergencies."""
    unsaved: dict[int, Emergency] = field(default_factory=dict)
    """Emergencies that the database could not take, by numbers below zero."""

    def status(self) -> Mapping[str, Any]:
        """The answer of /api/power/status."""
        return self.steering.status()

    def wish(
        self,
        *,
        standings: Sequence[Standing] | None = None,
        holds: Sequence[Hold] | None = None,
        emergencies: Sequence[Emergency] | None = None,
    ) -> Wish:
        """What stands, with one part of it as given."""
        return Wish(
            standings=tuple(self.repository.standing() if standings is None else standings),
            holds=tuple(self.holds() if holds is None else holds),
            emergencies=tuple(self.emergencies() if emergencies is None else emergencies),
        )

    def holds(self) -> tuple[Hold, ...]:
        """The holds that count."""
        return tuple(each.hold for each in self.pins.holds() if each.counts)

    def emergencies(self) -> tuple[Emergency, ...]:
        """The emergencies that are on."""
        return (*(each.emergency for each in self.pins.emergencies()), *self.in_memory())

    def in_memory(self) -> tuple[Emergency, ...]:
        """The emergencies that are on and that the database does not have."""
        return tuple(each for each in self.unsaved.values() if self.clock() < each.expires)

    def feasible(self, preview: Preview) -> None:
        """Refuse what asks for less than devices take at least. What lacked watts before is not its fault."""
        lacking = [each for each in preview.lacks if each.deficit_watts > each.before_watts + NOTICED_WATTS]
        if lacking:
            told = "; ".join(f"{each.limit} lacks {each.deficit_watts:,.0f} W{_because(each.why)}" for each in lacking[:5])
            raise Refusal(
                422,
                "Cannot be held",
                f"{told}: the devices there take more at their lowest caps; ask for at least that much more, "
                "exclude what must not be capped, or switch servers off",
                deficits=shapes.preview(preview)["deficits"],
            )

    def fits(self, preview: Preview) -> None:
        """Refuse what names things that are not there, or asks devices for what they do not take."""
        if preview.misfits:
            raise Refusal(422, "Does not fit", "; ".join(preview.misfits[:5]))

    def known(self, scope: Scope) -> None:
        """Refuse a scope that means nothing here: a misspelt emergency must not look like one that works."""
        if self.steering.devices(scope) == 0:
            raise Refusal(
                404, "No such scope", f"{scopes.written(scope)} means no server and no GPU here; /api/power/status lists them"
            )

    def record(self, caller: Caller, what: str, subject: str, **details: Any) -> None:
        """Put an order on the trail before it is carried out. Raises `AuditError`: then it must not be."""
        self.trail.append(
            ORDER,
            {
                "what": what,
                "subject": subject,
                "caller": caller.name,
                "role": caller.role.name.lower(),
                "via": caller.via,
                **{name: value for name, value in details.items() if value is not None},
            },
        )

    def act(self, caller: Caller, what: str, subject: str, do: Callable[[], Any], **details: Any) -> Any:
        """Record, do, and tell the loop. What could not be done after all is recorded too."""
        self.record(caller, what, subject, **details)
        try:
            done = do()
        except (Refused, StoreError) as err:
            # It is told and goes on its way: whoever replays the trail must not count this one.
            self.trail.append(REFUSED, {"what": what, "subject": subject, "caller": caller.name, "why": str(err)})
            raise
        self.steering.changed()
        return done

    def audit(
        self, *, kind: str = "", device: str = "", caller: str = "", limit: int = 100, cursor: str = ""
    ) -> dict[str, Any]:
        """A page of the trail, the newest first."""
        if cursor and not cursor.isdecimal():
            raise Refusal(422, "Not understood", f"cursor: {cursor[:40]!r} is none; expected the `next` of the page before")
        if not 1 <= limit <= MOST_RECORDS:
            raise Refusal(422, "Not understood", f"limit: {limit}; expected 1 to {MOST_RECORDS}")
        before = int(cursor) if cursor else None
        found = self.trail.read(before=before, kind=kind or None, device=device or None, limit=limit + 1)
        page, more = found[:limit], len(found) > limit
        following = str(page[-1].number) if more else None
        items = [each.document() for each in page if not caller or each.body.get("caller") == caller]
        return {"items": items, "total": None, "next": following}

    def verify(self) -> dict[str, Any]:
        """Whether the trail is as it was written."""
        problems = self.trail.verify()
        newest = self.trail.read(limit=1)
        return {"whole": not problems, "problems": problems, "records": newest[0].number if newest else 0}


def _because(why: str) -> str:
    return f" ({why})" if why else ""
