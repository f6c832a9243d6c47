"""Delivery: takes over what fires, keeps it on disk, and sees to it that people are told, once, in few messages."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar
from zoneinfo import ZoneInfo

from alerts.alone import Alone
from alerts.delivery import alive, reader
from alerts.delivery.alertmanager import AlertmanagerClient
from alerts.delivery.apprise_sender import NotSent, Send, send
from alerts.delivery.awaited import tells
from alerts.delivery.board import Board, Known
from alerts.delivery.heartbeat import Pulse
from alerts.delivery.loops import Loops
from alerts.delivery.message import UNCONFIRMED, Message, trial, unconfirmed
from alerts.delivery.mirror import Mirror
from alerts.delivery.outbox import Outbox
from alerts.delivery.poster import Poster
from alerts.delivery.quiet import Quiet, Why
from alerts.delivery.receivers import Destination, Receivers
from alerts.delivery.routing import Route, Routing
from alerts.delivery.sending import Impacts, Sending
from alerts.delivery.standin import StandIn
from alerts.delivery.store import DeliveryStore
from alerts.file import IN_MEMORY, refusal
from alerts.model import WATCHDOG, Clock, Notice
from alerts.subject import Subject, subject
from wattstat.api.alerts import AlertsUnavailable, NoSuchAlert, SilenceView
from wattstat.config.alerts import Alerts
from wattstat.config.settings import Credentials

Given = ParamSpec("Given")
Found = TypeVar("Found")

NOTICES_A_TURN = 200
"""How many notices are taken over before others have their turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryStatus:
    """Whether messages go out, by receiver; an Alertmanager stands under its address."""

    queue: Mapping[str, int]
    """Messages that wait."""
    oldest: Mapping[str, float]
    """Since when the oldest of them waits."""
    failing: Mapping[str, str]
    """Why the newest message was not taken."""
    sent: Mapping[str, int]
    failed: Mapping[str, int]
    dropped: Mapping[str, int]
    """Messages that a silence or a cause made needless while they waited."""
    silences: Mapping[str, int]
    """Kept here, by state: active or pending."""
    silences_problem: str
    """Why what an Alertmanager keeps is not known as of now; empty where it is, or where silences are kept here."""
    heartbeat_at: float | None
    has_receivers: bool
    problem: str
    """Why people could not be told of an alert now; empty where they could."""


class Delivery:
    """Implements `alerts.model.Tell`. With an Alertmanager, routes and silences are its matter."""

    def __init__(
        self,
        settings: Alerts,
        *,
        credentials: Mapping[str, Credentials],
        path: Path,
        clock: Clock,
        zone: ZoneInfo,
        rack_of: Callable[[Subject], str] | None = None,
        impacts: Impacts | None = None,
        sender: Send = send,
        alone: Alone | None = None,
        no_disk: str = "",
    ) -> None:
        """Open `path` (`alerts.sqlite`) and take up what it holds.

        `rack_of`: where a device stands, empty where that is not known. Alerts without a label `rack` get it: what a rack
        has in common is one message, and its loss of power silences what stands in it. `impacts`: whose jobs an alert hits.

        `no_disk`: why `path` cannot be used; what it would hold is then kept in memory, and the heartbeat is silent.

        Raises `ValueError` for settings or a routing file that cannot work, saying what to do, and `sqlite3.Error`.
        """
        self._settings, self._clock, self._zone, self._send = settings, clock, zone, sender
        self._public_url = settings.public_url or "http://localhost:8050"
        clients = [AlertmanagerClient(each, credentials) for each in settings.alertmanagers]
        routing = self._routing = _routing(settings, zone)
        # Who stands in for an Alertmanager shall not fail for the name of a receiver.
        may_stand_in = settings.routing is None or bool(clients)
        self._receivers = Receivers(settings.receivers, zone, routed=routing.receivers, stand_in=may_stand_in)
        self._board = Board(routing, self._receivers, holders=len(clients))
        self._store = DeliveryStore(IN_MEMORY if no_disk else path)
        self._alone = Alone(clock=clock) if alone is None else alone
        self._rack_of = rack_of
        self._store.load(self._board)
        self._mirror = Mirror(self._board, self._store, no_disk=no_disk)
        self._quiet = Quiet(self._board, self._store, clients, clock)
        self._posters = [Poster(each, self._board) for each in clients]
        self._stand_in = StandIn(
            posters=self._posters, patience_seconds=settings.stand_in_seconds, clock=clock, zone=zone,
            has_receivers=bool(settings.receivers),
        )  # fmt: skip
        self._sending = Sending(
            board=self._board, mirror=self._mirror, quiet=self._quiet, alone=self._alone, receivers=self._receivers,
            store=self._store, stand_in=self._stand_in,
            send=sender, impacts=impacts, clock=clock, zone=zone, public_url=self._public_url,
        )  # fmt: skip
        self._outboxes = [Outbox(each, self._receivers.per_minute(each)) for each in self._receivers.destinations()]
        self._pulse = Pulse()
        self._loops = Loops(
            board=self._board, alone=self._alone, mirror=self._mirror, quiet=self._quiet, sending=self._sending,
            outboxes=self._outboxes, stand_in=self._stand_in,
            posters=self._posters, heartbeat=settings.heartbeat, problem=self.problem, store=self._store, clock=clock,
            keep_days=settings.history_days, alive_path=alive.path_beside(path),
        )  # fmt: skip

    async def tell(self, notices: Sequence[Notice], at: float) -> None:
        """Take over what fires and what ended. On disk when it returns; where the disk refuses, in memory, and told."""
        now = self._clock()
        if not notices:
            self._pulse.heard(at, watchdog=False)
            return
        # What was due before these came is decided without them: an end that comes after a stop must not hide its beginning.
        await self._loops.decide()
        for first in range(0, len(notices), NOTICES_A_TURN):
            for notice in notices[first : first + NOTICES_A_TURN]:
                with self._alone.trying("taking over", str(notice.labels.get("alertname"))):
                    self._board.take(_known(notice, now, self._labels(notice.labels), self._zone))
            await asyncio.sleep(0)
        await self._mirror.write()
        watchdog = any(each.labels.get("alertname") == WATCHDOG and each.ends_at is None for each in notices)
        self._pulse.heard(at, watchdog=watchdog)
        self._loops.wake()

    @property
    def disk_problem(self) -> str:
        """Why what is told is in memory alone; empty where it is on disk."""
        return self._mirror.problem

    def heard(self, at: float, *, watchdog: bool) -> None:
        """Somebody else evaluates, and tells people itself."""
        self._pulse.heard(at, watchdog=watchdog)
        self._loops.wake()

    async def run(self, stop: asyncio.Event) -> None:
        """Decide and send until `stop`. What is on its way then has a few seconds to arrive."""
        await self._loops.run(stop)

    async def close(self) -> None:
        """Close the file."""
        await self._quiet.close()
        await asyncio.to_thread(self._store.close)

    async def silences(self) -> list[SilenceView]:
        """All that are active or to come, and those that ended within a day. Raises `AlertsRefused`."""
        return await self._quiet.silences()

    async def silence(
        self, matchers: Sequence[str], *, starts_at: float, ends_at: float, created_by: str, comment: str
    ) -> SilenceView:
        """Keep what matches quiet. Raises `AlertsRefused`."""
        made = await self._quiet.silence(matchers, starts_at=starts_at, ends_at=ends_at, created_by=created_by, comment=comment)
        self._loops.wake()
        return made

    async def expire(self, silence_id: str, *, by: str) -> SilenceView:
        """End a silence now. Raises `NoSuchAlert`, `AlertsRefused`."""
        return await self._quiet.expire(silence_id, by=by)

    async def quieted(self, labels_by_fingerprint: Mapping[str, Mapping[str, str]]) -> dict[str, Why]:
        """By fingerprint, of those that are kept quiet: ids of silences, and fingerprints of alerts that are its cause.

        Labels are those that receivers see: `labels` gives them.
        """
        known = self._board.alerts
        return await self._quiet.quieted(
            {each: known[each].labels if each in known else seen for each, seen in labels_by_fingerprint.items()}
        )

    def labels(self, own: Mapping[str, str], *, theirs: bool = False) -> dict[str, str]:
        """An alert's labels as its receivers and silences see them.

        `theirs`: a Prometheus tells of it, which adds the rack only where it was given `wattstat alerts relabel`.
        """
        labels = self._labels(own)
        return labels if not theirs or self._quiet.is_seen(labels) else {**self._settings.labels, **own}

    async def told(self, fingerprints: Iterable[str]) -> dict[str, tuple[float, tuple[str, ...]]]:
        """By fingerprint, of those that somebody was told of: when last, and which receivers."""
        found: dict[str, tuple[float, tuple[str, ...]]] = {}
        for row in await self._asked(self._store.told, list(fingerprints)):
            _, receivers = found.get(row.fingerprint, (0.0, ()))
            found[row.fingerprint] = row.at, tuple(dict.fromkeys((*receivers, row.receiver)))
        return found

    def tells(self) -> dict[str, float]:
        """By fingerprint, of those of which a receiver has heard nothing yet: when the message about them leaves."""
        found = tells(self._board, self._routing)
        known = self._board.alerts
        return {each: at for each, at in found.items() if each in known and self._stand_in.tells(known[each])}

    async def messages(self, start: float, end: float) -> dict[str, int]:
        """How many messages somebody got about each alert name within a span of time."""
        return await self._asked(self._store.messages, start, end)

    async def _asked(self, read: Callable[Given, Found], *args: Given.args, **kwargs: Given.kwargs) -> Found:
        """What the disk has. Raises `AlertsUnavailable`."""
        try:
            return await asyncio.to_thread(read, *args, **kwargs)
        except sqlite3.Error as err:
            raise AlertsUnavailable(refusal(self._store.path, "read", err)) from err

    async def try_receiver(self, name: str, *, by: str) -> str:
        """Send a test message past queue and limits; what came of it, as a sentence. Raises `NoSuchAlert`."""
        if self._receivers.named(name) is None:
            known = ", ".join(self._settings.receivers) or "none"
            raise NoSuchAlert(f"there is no receiver {name!r}; alerts.receivers has {known}")
        duty = self._receivers.on_duty(name, self._clock())
        if duty is None:
            return f"{name}: nobody has the duty now."
        message = trial(name, by, self._public_url)
        outcomes = await asyncio.gather(*(self._tried(each, message) for each in self._receivers.addresses(duty)))
        whom = name if duty == name else f"{name} (now {duty})"
        return f"{whom}: {' '.join(outcomes)}"

    def status(self) -> DeliveryStatus:
        """Whether messages go out."""
        now = self._clock()
        queue: dict[str, int] = {}
        oldest: dict[str, float] = {}
        for outbox in self._outboxes:
            name = outbox.destination.receiver
            queue[name] = max(queue.get(name, 0), len(outbox.waiting(self._board)))
            if (since := outbox.oldest(self._board)) is not None:
                oldest[name] = min(since, oldest.get(name, since))
        for poster in self._posters:
            waiting = poster.waiting(now)
            queue[poster.client.url] = len(waiting)
            if waiting:
                oldest[poster.client.url] = min(each.first_seen for each in waiting)
        return DeliveryStatus(
            queue=queue,
            oldest=oldest,
            failing=self._failing(),
            sent=self._counts(lambda each: each.sent),
            failed=self._counts(lambda each: each.failed),
            dropped=self._counts(lambda each: each.dropped),
            silences=self._quiet.states(),
            silences_problem=self._quiet.problem(),
            heartbeat_at=self._loops.heartbeat_at,
            has_receivers=bool(self._settings.receivers or self._posters),
            problem=self.problem(),
        )

    def problem(self) -> str:
        """Why people could not be told of an alert now; empty where they could."""
        backoffs = [each.backoff for each in self._outboxes] + [each.backoff for each in self._posters]
        failing = [(each.failing_since, each.reason) for each in backoffs]
        since, reason = min(((at, why) for at, why in failing if at is not None), default=(None, ""))
        return self._pulse.problem(
            self._clock(), oldest_failing=since, reason=reason, disk_problem=self._mirror.problem, bug=self._alone.since()
        )

    def _labels(self, own: Mapping[str, str]) -> dict[str, str]:
        """An alert's labels as its receivers see them: with the site's, and with the rack."""
        labels = {**self._settings.labels, **own}
        if self._rack_of is not None and "rack" not in labels and (rack := self._rack_of(subject(own))):
            labels["rack"] = rack
        return labels

    def _failing(self) -> dict[str, str]:
        found = {each.destination.receiver: each.backoff.reason for each in self._outboxes if each.backoff.failures}
        instead = "; critical alerts are told by alerts.receivers" if self._stand_in.is_on else ""
        return found | {each.client.url: each.backoff.reason + instead for each in self._posters if each.backoff.failures}

    def _counts(self, count: Callable[[Outbox | Poster], int]) -> dict[str, int]:
        found: dict[str, int] = {}
        for each in self._outboxes:
            found[each.destination.receiver] = found.get(each.destination.receiver, 0) + count(each)
        return found | {each.client.url: count(each) for each in self._posters}

    async def _tried(self, address: Destination, message: Message) -> str:
        where = f"address {address.index + 1}"
        try:
            await self._send(self._receivers.url(address), message)
        except (NotSent, ValueError) as err:
            return f"{where} did not take the message: {str(err).rstrip('.')}."
        return f"{where} took the message."


def _routing(settings: Alerts, zone: ZoneInfo) -> Routing:
    """The file's, the built-in one, or nobody's where nobody is to be told. Beside an Alertmanager: for while it is away."""
    if not settings.receivers:
        return Routing(root=Route(key="", receiver="nobody"))
    return reader.read_routing(settings.routing or reader.BUILT_IN, zone)


def _known(notice: Notice, now: float, labels: Mapping[str, str], zone: ZoneInfo) -> Known:
    # As an annotation an Alertmanager passes it on, too.
    added = {} if notice.unconfirmed_since is None else {UNCONFIRMED: unconfirmed(notice.unconfirmed_since, zone)}
    return Known(
        fingerprint=notice.fingerprint,
        own_labels=notice.labels,
        labels=labels,
        annotations={**notice.annotations, **added},
        starts_at=notice.starts_at,
        ends_at=notice.ends_at,
        value=notice.value,
        generator_url=notice.generator_url,
        first_seen=now,
        last_seen=now,
        active_at=notice.active_at,
        keep_firing_since=notice.keep_firing_since,
    )
