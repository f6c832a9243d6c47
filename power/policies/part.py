"""What the parts of a policy have in common: numbers are finite, times have zones, and refusals say what was expected."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, PlainSerializer

from wattstat.document import Strict


class Part(Strict):
    """A part of a policy."""

    model_config = ConfigDict(allow_inf_nan=False)


def _moment(value: Any) -> datetime:
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        found = None
    if not isinstance(found, datetime):
        raise ValueError(f"{_shown(value)} is no time; expected date, time and zone, such as 2026-12-31T23:00:00Z")  # noqa: TRY004
    if found.tzinfo is None:
        raise ValueError(
            f"{_shown(value)} has no time zone; expected such as 2026-12-31T23:00:00Z or 2026-12-31T23:00:00+01:00"
        )
    return found.astimezone(UTC)


def _day(value: Any) -> date:
    try:
        found = date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        found = None
    if not isinstance(found, date) or isinstance(found, datetime):
        raise ValueError(f"{_shown(value)} is no date; expected such as 2026-12-31")  # noqa: TRY004
    return found


def _shown(value: Any) -> str:
    return f"{str(value)[:40]!r}" if isinstance(value, str) else str(value)[:40]


def _zulu(value: datetime) -> str:
    return value.isoformat().replace("+00:00", "Z")


Moment = Annotated[datetime, BeforeValidator(_moment), PlainSerializer(_zulu, when_used="json")]
Day = Annotated[date, BeforeValidator(_day)]
