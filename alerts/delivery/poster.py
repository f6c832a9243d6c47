"""Keeps one Alertmanager told: at once of what changes, and of everything every minute, as it forgets when it is restarted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import structlog

from alerts.delivery.alertmanager import AlertmanagerClient, Posted
from alerts.delivery.apprise_sender import NotSent
from alerts.delivery.backoff import Backoff
from alerts.delivery.board import Board, Known

log = structlog.get_logger(__name__)

AGAIN_SECONDS = 60.0
ROUTED_SECONDS = 60.0
"""How long its routes may take to tell that something fires (group_wait): an end is not told before."""
FIRES_FOR_SECONDS = 300.0
"""An Alertmanager takes an alert for ended when it hears nothing of it for so long."""
OVER_FOR_SECONDS = 900.0
"""How long an end is told again and again, as Prometheus does."""

_NAME = re.compile("[a-zA-Z_][a-zA-Z0-9_]*")
_MOST_CHARACTERS = 200


@dataclass(slots=True)
class _Heard:
    """What the Alertmanager was told of an alert."""

    starts_at: float
    fires_since: float
    """When it was first told that this fires."""
    ended: bool = False


@dataclass(slots=True)
class Poster:
    """The state of one Alertmanager; `due` and `post` are called by the loop."""

    client: AlertmanagerClient
    board: Board
    backoff: Backoff = field(default_factory=Backoff)
    sent: int = 0
    """Calls that it took."""
    failed: int = 0
    dropped: int = 0
    plain: dict[str, str] = field(default_factory=dict)
    """By fingerprint, why an alert was not taken as it is: it is told with what surely is."""
    _heard: dict[str, _Heard] = field(default_factory=dict)
    _all_at: float = 0.0

    async def post(self, now: float) -> list[Known]:
        """Tell what has to be told; returns the alerts that it heard of for the first time. Raises `NotSent`."""
        is_all = now >= self._all_at + AGAIN_SECONDS
        chosen = [known for known in self.board.alerts.values() if is_all or self._is_news(known, now)]
        failure = "telling it failed for a reason that nobody foresaw; web's log has the trace"
        try:
            refused = await self.client.post([self._posted(known, now) for known in chosen])
            if refused:
                chosen = await self._in_plain(chosen, refused, now)
            failure = ""
        except NotSent as err:
            failure = str(err)
            raise
        finally:
            if failure:
                self.failed += 1
                self.backoff.failed(now, failure)
        self.sent += bool(chosen)
        self.backoff.succeeded()
        if is_all:
            self._all_at = now
        return self._heard_of(chosen, now)

    async def _in_plain(self, chosen: Sequence[Known], refused: Mapping[int, str], now: float) -> list[Known]:
        """What was refused, told once more without what it may be refused for; returns what was taken, one way or the other."""
        for place, reason in refused.items():
            if chosen[place].fingerprint not in self.plain:
                log.error("an alert is not taken as it is", alert=chosen[place].labels.get("alertname"), reason=reason)
            self.plain[chosen[place].fingerprint] = reason
        places = list(refused)
        again = await self.client.post([self._posted(chosen[place], now) for place in places])
        lost = {places[each] for each in again}
        self.dropped += len(lost)
        return [known for place, known in enumerate(chosen) if place not in lost]

    def next_at(self, now: float) -> float:
        """When to look again without being woken."""
        return max(self.backoff.next_at, min(self._all_at + AGAIN_SECONDS, now + AGAIN_SECONDS))

    def waiting(self, now: float) -> list[Known]:
        """What it has not heard of yet."""
        return [known for known in self.board.alerts.values() if self._is_news(known, now)]

    def _is_news(self, known: Known, now: float) -> bool:
        heard = self._heard.get(known.fingerprint)
        if heard is None or heard.starts_at != known.starts_at:
            return True
        return not known.fires and not heard.ended and now >= self._end_may_be_told(heard)

    def _posted(self, known: Known, now: float) -> Posted:
        heard = self._heard.get(known.fingerprint)
        is_over = not known.fires and heard is not None and heard.starts_at == known.starts_at
        if known.ends_at is not None and is_over and heard is not None and now >= self._end_may_be_told(heard):
            ends_at = min(known.ends_at, now)
        else:
            # Also for one that came and went while nobody could be told: of an end alone, an Alertmanager tells nobody.
            ends_at = now + FIRES_FOR_SECONDS
        told = Posted(
            labels=known.labels, annotations=known.annotations, starts_at=known.starts_at, ends_at=ends_at,
            generator_url=known.generator_url,
        )  # fmt: skip
        return told if known.fingerprint not in self.plain else _plain(told, self.plain[known.fingerprint])

    def _end_may_be_told(self, heard: _Heard) -> float:
        return heard.fires_since + ROUTED_SECONDS

    def _heard_of(self, chosen: Iterable[Known], now: float) -> list[Known]:
        new = []
        for known in chosen:
            heard = self._heard.get(known.fingerprint)
            if heard is None or heard.starts_at != known.starts_at:
                self._heard[known.fingerprint] = _Heard(known.starts_at, now)
                new.append(known)
            elif not known.fires and now >= self._end_may_be_told(heard):
                heard.ended = True
        self._release(now)
        return new

    def _release(self, now: float) -> None:
        for fingerprint in [each for each, heard in self._heard.items() if heard.ended]:
            known = self.board.alerts.get(fingerprint)
            if known is None or known.fires:
                continue
            if now - (known.ends_at or now) >= OVER_FOR_SECONDS:
                del self._heard[fingerprint]
                self.plain.pop(fingerprint, None)
                self.board.release(fingerprint)


def _plain(told: Posted, reason: str) -> Posted:
    """With labels and words that every Alertmanager takes."""
    labels = {name: text for name, text in told.labels.items() if _NAME.fullmatch(name) and isinstance(text, str)}
    labels = {name: text.encode("ascii", "replace").decode()[:_MOST_CHARACTERS] for name, text in labels.items()}
    words = f"Alertmanager did not take this alert as it is ({reason}); `wattstat alerts` has its words."
    description = words.encode("ascii", "replace").decode()
    return replace(told, labels=labels, annotations={"description": description}, generator_url="")
