"""What is kept quiet and why: by silences kept here or by an Alertmanager, and by alerts that are the cause of others."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

from alerts.delivery.alertmanager import AlertmanagerClient, AlertsNotTaken, Seen, first_answer, labels_key
from alerts.delivery.apprise_sender import NotSent
from alerts.delivery.asked import Asked
from alerts.delivery.board import Board
from alerts.delivery.matchers import Labels, Matcher
from alerts.delivery.silences import SHOWN_SECONDS, Silences, checked, is_readable, view_of
from alerts.delivery.store import DeliveryStore, StoredSilence
from alerts.file import refusal
from alerts.model import Clock
from wattstat.api.alerts import AlertsRefused, AlertsUnavailable, NoSuchAlert, SilenceView

SEEN_FOR_SECONDS = 10.0
"""How long an Alertmanager's view of the alerts is believed."""
KEPT_FOR_SECONDS = 2.0
"""How long its list of silences is: so soon one sees what somebody made there."""

LOOKED_UP_A_TURN = 500
"""How many alerts are looked up before others have their turn."""

Why = tuple[tuple[str, ...], tuple[str, ...]]
"""Ids of silences, and fingerprints of alerts that are the cause."""


class Quiet:
    """Silences and inhibition. Where there is an Alertmanager, both are its matter."""

    def __init__(self, board: Board, store: DeliveryStore, clients: Sequence[AlertmanagerClient], clock: Clock) -> None:
        self._board, self._store, self._clients, self._clock = board, store, clients, clock
        self._kept = Silences(store.silences())
        self._read = Silences(())
        self._read_from: list[tuple[StoredSilence, str]] | None = None
        self._seen = Asked(self._see, clock, kept_seconds=SEEN_FOR_SECONDS)
        self._there = Asked(self._ask_all, clock, kept_seconds=KEPT_FOR_SECONDS)

    def is_silenced(self, labels: Labels, at: float) -> bool:
        """Whether a silence that is kept here holds an alert back."""
        return self._kept.is_silenced(labels, at) or (bool(self._clients) and self._theirs().is_silenced(labels, at))

    def _theirs(self) -> Silences:
        """Those that Alertmanagers keep, as they were last known. One that cannot be read here keeps nothing quiet here."""
        if self._read_from is not self._there.answer:
            self._read_from = self._there.answer
            self._read = Silences([kept for kept, _ in self._read_from or () if is_readable(kept)])
        return self._read

    async def close(self) -> None:
        """Wait for no answer any more."""
        await asyncio.gather(self._seen.close(), self._there.close())

    def problem(self) -> str:
        """Why silences that an Alertmanager keeps are not known as of now, and of when those shown are; else empty."""
        why, at = self._there.problem, self._there.answered_at
        if not why:
            return ""
        kept = "" if at is None else f"; what is shown is of {datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"
        return f"silences are kept by Alertmanager, and it does not answer: {why}{kept}"

    async def silences(self) -> list[SilenceView]:
        """All that are active or to come, and those that ended within a day. Raises `AlertsRefused`.

        What an Alertmanager keeps, as it was last known: where that is not of now, `problem` says so.
        """
        now = self._clock()
        if not self._clients:
            return self._kept.views(now)
        kept = await self._there.newest()
        if kept is None:
            raise AlertsUnavailable(self.problem() or "silences are kept by Alertmanager, and it does not answer")
        found = (view_of(each, now, url) for each, url in kept if each.ends_at > now - SHOWN_SECONDS)
        return sorted(found, key=lambda each: each.ends_at)

    async def _ask_all(self) -> list[tuple[StoredSilence, str]]:
        """All silences, and where each is kept. Raises `NotSent` where no Alertmanager answers."""
        answers = await asyncio.gather(*(client.silences() for client in self._clients), return_exceptions=True)
        refused = [each for each in answers if isinstance(each, BaseException)]
        if other := next((each for each in refused if not isinstance(each, NotSent)), None):
            raise other
        if len(refused) == len(self._clients):
            raise NotSent("; ".join(map(str, refused)))
        found: dict[str, tuple[StoredSilence, str]] = {}
        for client, kept in zip(self._clients, answers, strict=True):
            for each in () if isinstance(kept, BaseException) else kept:  # those of one cluster have the same ids
                found.setdefault(each.id, (each, client.url))
        return list(found.values())

    async def silence(
        self, matchers: Sequence[str], *, starts_at: float, ends_at: float, created_by: str, comment: str
    ) -> SilenceView:
        """Keep what matches quiet. Raises `AlertsRefused`."""
        now = self._clock()
        read = checked(matchers, starts_at=starts_at, ends_at=ends_at, comment=comment, now=now)
        starts_at = max(starts_at, now)
        kept = StoredSilence(
            id=str(uuid4()), matchers=tuple(map(str, read)), starts_at=starts_at, ends_at=ends_at, created_by=created_by,
            comment=comment.strip(),
        )  # fmt: skip
        if self._clients:
            return await self._silence_there(kept, read)
        await self._keep_silence(kept)
        return view_of(kept, now)

    async def expire(self, silence_id: str, *, by: str) -> SilenceView:
        """End a silence now. Raises `NoSuchAlert`, `AlertsRefused`."""
        now = self._clock()
        if not self._clients:
            ended = self._kept.ended(silence_id, now, by)
            await self._keep_silence(ended)
            return view_of(ended, now)
        self._there.forget()
        found = next((each for each in await self.silences() if each.id == silence_id), None)
        if found is None:
            raise NoSuchAlert(f"no Alertmanager has a silence {silence_id!r}; `wattstat alerts silences` lists them")
        try:
            await first_answer(self._clients, lambda client: client.expire(silence_id))
        except NotSent as err:
            raise AlertsUnavailable(f"the silence was not ended: {err}") from err
        self._there.forget()
        self._seen.forget()
        return next((each for each in await self.silences() if each.id == silence_id), found)

    async def quieted(self, labels_by_fingerprint: Mapping[str, Labels]) -> dict[str, Why]:
        """By fingerprint, of those that are kept quiet: ids of silences, and fingerprints of alerts that are its cause."""
        now = self._clock()
        if self._clients:
            await self._seen.newest()
        found = {}
        for number, (fingerprint, labels) in enumerate(labels_by_fingerprint.items(), 1):
            if number % LOOKED_UP_A_TURN == 0:
                await asyncio.sleep(0)
            quiet = self._quiet_there(labels) if self._clients else self._quiet_here(labels, now)
            if any(quiet):
                found[fingerprint] = quiet
        return found

    def states(self) -> dict[str, int]:
        """How many silences are kept here, by state: active or pending."""
        views = self._kept.views(self._clock())
        return {state: sum(each.state == state for each in views) for state in ("active", "pending")}

    def is_seen(self, labels: Labels) -> bool:
        """Whether an Alertmanager had an alert with exactly these labels when it was last asked."""
        return labels_key(labels) in (self._seen.answer or {})

    def _quiet_here(self, labels: Labels, at: float) -> Why:
        return self._kept.holding(labels, at), self._board.inhibitions.causes(labels)

    def _quiet_there(self, labels: Labels) -> Why:
        seen = (self._seen.answer or {}).get(labels_key(labels))
        return ((), ()) if seen is None else (seen.silenced_by, seen.inhibited_by)

    async def _see(self) -> Mapping[frozenset[tuple[str, str]], Seen]:
        """What the first Alertmanager that answers makes of the alerts. Raises `NotSent`."""
        seen, _ = await first_answer(self._clients, lambda client: client.alerts())
        ours = {labels_key(known.labels): known.fingerprint for known in self._board.alerts.values()}
        theirs = {each.own_fingerprint: ours[key] for key, each in seen.items() if key in ours}
        return {key: each.translated(theirs) for key, each in seen.items()}

    async def _keep_silence(self, kept: StoredSilence) -> None:
        try:
            await asyncio.to_thread(self._store.keep_silence, kept)
        except sqlite3.Error as err:
            raise AlertsUnavailable(f"silences cannot be kept: {refusal(self._store.path, 'written', err)}") from err
        self._kept.put(kept)

    async def _silence_there(self, kept: StoredSilence, matchers: Sequence[Matcher]) -> SilenceView:
        try:
            made, where = await first_answer(
                self._clients,
                lambda client: client.silence(
                    matchers, starts_at=kept.starts_at, ends_at=kept.ends_at, created_by=kept.created_by, comment=kept.comment
                ),
            )
        except NotSent as err:
            raise _not_made(err) from err
        self._there.forget()
        self._seen.forget()
        return view_of(replace(kept, id=made), self._clock(), where)


def _not_made(err: NotSent) -> AlertsRefused:
    """An Alertmanager that refuses these matchers is another matter than one that does not answer."""
    words = f"the silence was not made: {err}"
    return AlertsRefused(words) if isinstance(err, AlertsNotTaken) else AlertsUnavailable(words)
