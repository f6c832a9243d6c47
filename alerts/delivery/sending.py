"""One step of one address: see who has the duty, what is quiet by now, and send the next message."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import structlog

from alerts.alone import Alone
from alerts.delivery.apprise_sender import NotSent, Send
from alerts.delivery.board import Board, Known, Waiting
from alerts.delivery.message import How, Impact, Message, Said, message_of, plain
from alerts.delivery.mirror import Mirror
from alerts.delivery.outbox import Outbox, Parcel
from alerts.delivery.quiet import Quiet
from alerts.delivery.receivers import Receivers
from alerts.delivery.standin import StandIn
from alerts.delivery.store import DeliveryStore, SentMessage, Told
from alerts.model import Clock

log = structlog.get_logger(__name__)

Impacts = Callable[[Sequence[Mapping[str, str]]], Awaitable[Sequence[Impact]]]
"""For the labels of some alerts: what each hits, in the same order. Empty impacts where that is not known."""


@dataclass(slots=True, kw_only=True)
class Sending:
    """Sends what waits."""

    board: Board
    mirror: Mirror
    quiet: Quiet
    stand_in: StandIn
    alone: Alone
    receivers: Receivers
    store: DeliveryStore
    send: Send
    impacts: Impacts | None
    clock: Clock
    zone: ZoneInfo
    public_url: str

    async def step(self, outbox: Outbox) -> bool:
        """Send the next message of an address, if one may go; whether anything was done."""
        now = self.clock()
        if outbox.free_at(now) > now:
            return False
        parcel = outbox.next_parcel(self.board, now)
        if parcel is None:
            return False
        alerts = [each for entry in parcel.entries if (each := self.board.alerts.get(entry.fingerprint)) is not None]
        message = None
        told = await self._told_before([each.fingerprint for each in alerts if not each.fires])
        with self.alone.trying("wording", "; ".join(parcel.groups)):
            if self._tidy(outbox, parcel, told, now):
                await self.mirror.write()
                return True
            said = await self._said(parcel, outbox)
            if not said:
                self.board.said(parcel.entries)
                await self.mirror.write()
                return True
            alerts = [each.known for each in said]
            # The words of thousands take a while: beside the loop, so that pages go on.
            message = await asyncio.to_thread(
                message_of,
                said,
                still=self._still(parcel),
                zone=self.zone,
                public_url=self.public_url,
                note=self.stand_in.words(),
            )
        if message is None or parcel.is_plain:
            log.error("a message is said in plain words", receiver=outbox.destination.receiver, groups=parcel.groups)
            message = plain(alerts, len(parcel.entries), self.public_url)
        if refusal := await self._refusal(outbox, message):
            self._failed(outbox, parcel, refusal)
            return True
        await self._sent(outbox, parcel, alerts)
        return True

    async def _refusal(self, outbox: Outbox, message: Message) -> str:
        """Send; why it was not taken, empty where it was."""
        refusal = "the code that speaks to this service failed; web's log has the trace"
        with self.alone.trying("sending", outbox.destination.receiver):
            try:
                await self.send(self.receivers.url(outbox.destination), message)
                refusal = ""
            except (NotSent, ValueError) as err:
                refusal = str(err) or type(err).__name__
        return refusal

    def _tidy(self, outbox: Outbox, parcel: Parcel, told: set[tuple[str, float]], now: float) -> bool:
        """What has waited may have become another's duty, or quiet; whether anything of the parcel has."""
        duties = {via: self.receivers.now(via, now) for via in {entry.via for entry in parcel.entries}}
        passed = [each for each in parcel.entries if outbox.destination not in duties[each.via]]
        gone = set(passed)
        quiet = [each for each in parcel.entries if each not in gone and self._is_quiet(each, told, now)]
        self.board.move(passed, now)
        self.board.unsaid(quiet)
        outbox.dropped += len({each.group for each in quiet} - set(outbox.waiting(self.board)))
        return bool(passed or quiet)

    def _is_quiet(self, entry: Waiting, told: set[tuple[str, float]], now: float) -> bool:
        alert = self.board.alerts[entry.fingerprint]
        if not alert.fires and (alert.fingerprint, alert.starts_at) in told:
            return False  # who was told of it waits for its end: a pager keeps the incident open until then
        if alert.fires and not self.stand_in.tells(alert):
            return True
        return self.board.quieted(alert.labels, now, self.quiet.is_silenced)

    async def _said(self, parcel: Parcel, outbox: Outbox) -> list[Said]:
        """What the alerts of a parcel are by now; without ends where the receiver does not want them."""
        known = {entry.fingerprint: self.board.alerts[entry.fingerprint] for entry in parcel.entries}
        ended = [each for each, alert in known.items() if not alert.fires]
        told = await self._told_before(ended)
        settings = self.receivers.named(outbox.destination.receiver)
        wants_ends = settings is None or settings.send_resolved
        chosen: list[tuple[str, How]] = []
        for each, alert in known.items():
            how: How = "fires" if alert.fires else "ended" if (each, alert.starts_at) in told else "came and went"
            if how != "ended" or wants_ends:
                chosen.append((each, how))
        impacts = [Impact()] * len(chosen)
        if self.impacts is not None and chosen:
            impacts = list(await self.impacts([known[each].labels for each, _ in chosen]))
        return [Said(known=known[each], how=how, impact=impact) for (each, how), impact in zip(chosen, impacts, strict=True)]

    async def _told_before(self, ended: Sequence[str]) -> set[tuple[str, float]]:
        """Fingerprints and beginnings that somebody was told of. Where the disk does not say, an end is told as news."""
        try:
            rows = await asyncio.to_thread(self.store.told, ended) if ended else ()
        except sqlite3.Error as err:
            log.warning("what was told before cannot be read", reason=str(err))
            return set()
        return {(row.fingerprint, row.starts_at) for row in rows}

    def _still(self, parcel: Parcel) -> int:
        """How many others of these groups fire as told before."""
        said = {entry.fingerprint for entry in parcel.entries}
        told = {each for group in parcel.groups if group in self.board.groups for each in self.board.groups[group].told}
        return len(told - said)

    def _failed(self, outbox: Outbox, parcel: Parcel, reason: str) -> None:
        if not outbox.backoff.failures:
            log.error("a receiver does not take messages", receiver=outbox.destination.receiver, reason=reason)
        outbox.refused(self.clock(), reason, parcel)

    async def _sent(self, outbox: Outbox, parcel: Parcel, alerts: Sequence[Known]) -> None:
        now, receiver = self.clock(), outbox.destination.receiver
        if outbox.backoff.failures:
            log.info("a receiver takes messages again", receiver=receiver)
        outbox.succeeded(now, parcel)
        self.board.said(parcel.entries)
        told = [Told(fingerprint=each.fingerprint, receiver=receiver, starts_at=each.starts_at, at=now) for each in alerts]
        names = dict.fromkeys(each.labels.get("alertname", "") for each in alerts)
        await self.mirror.write(told, [SentMessage(at=now, receiver=receiver, alertname=name) for name in names])
