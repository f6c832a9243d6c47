"""Health and presence, in Redfish's words and Dell's."""

from __future__ import annotations

from enum import IntEnum

from wattstat.members import Json, member, text


class Health(IntEnum):
    """Health in numbers, as samples show it."""

    OK = 0
    WARNING = 1
    CRITICAL = 2


# Redfish has the first three; Dell's roll-ups add the others (DellSystem.*RollupStatus, DellVideo.GPUHealth).
_HEALTH = {
    "ok": Health.OK,
    "warning": Health.WARNING,
    "critical": Health.CRITICAL,
    "degraded": Health.WARNING,
    "error": Health.CRITICAL,
}


def health(value: Json) -> Health | None:
    """The health that a word or a `Status` object names; None for "Unknown" and for what is not there."""
    if isinstance(value, dict):
        return health(value.get("Health"))
    return _HEALTH.get(text(value).lower())


def worst(*values: Health | None) -> Health | None:
    return max((each for each in values if each is not None), default=None)


def present(body: Json) -> bool:
    """Whether the part is there: `Status.State` Absent says that a bay is empty."""
    return text(member(body, "Status", "State")) != "Absent"


def readable(body: Json) -> bool:
    """Whether a sensor measures: Absent, Disabled and UnavailableOffline ones may still show an old number."""
    return text(member(body, "Status", "State")) not in {"Absent", "Disabled", "UnavailableOffline"}
