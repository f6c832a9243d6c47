"""Whether our own receivers stand in for Alertmanagers that take nothing: critical alerts are told, whatever breaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import structlog

from alerts.delivery.board import Known
from alerts.delivery.poster import Poster
from alerts.model import Clock

log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class StandIn:
    """Without Alertmanagers our receivers are told of everything; beside them of what is critical, while none takes it."""

    posters: Sequence[Poster]
    patience_seconds: float
    clock: Clock
    zone: ZoneInfo
    has_receivers: bool
    _was_on: bool = False

    def tells(self, known: Known) -> bool:
        """Whether our receivers are told that an alert fires."""
        return not self.posters or (self.is_on and known.labels.get("severity") == "critical")

    @property
    def is_on(self) -> bool:
        """Whether they stand in now."""
        since = self.silent_since
        return self.has_receivers and since is not None and self.clock() >= since + self.patience_seconds

    @property
    def silent_since(self) -> float | None:
        """Since when no Alertmanager takes what it is told; None while one does, or where there is none."""
        since = [each.backoff.failing_since for each in self.posters]
        known = [at for at in since if at is not None]
        return max(known) if known and len(known) == len(since) else None

    def next_at(self, now: float) -> float | None:
        """When they begin to stand in, if nothing changes until then; None where that is not to come."""
        since = self.silent_since
        begins = None if since is None or not self.has_receivers else since + self.patience_seconds
        return begins if begins is not None and begins > now else None

    def turned(self) -> bool:
        """Whether they have begun to stand in since this was asked last."""
        was_on, self._was_on = self._was_on, self.is_on
        if self._was_on and not was_on:
            log.error("critical alerts are told by alerts.receivers", reason=self.words())
        if was_on and not self._was_on:
            log.info("an Alertmanager takes alerts again; alerts.receivers are told of ends only")
        return self._was_on and not was_on

    def words(self) -> str:
        """What a message says of it; empty while they do not stand in."""
        since = self.silent_since
        if not self.is_on or since is None:
            return ""
        return (
            f"Alertmanager does not answer since {datetime.fromtimestamp(since, self.zone):%H:%M %Z}: "
            "until it does, critical alerts are told this way."
        )
