"""Delivery's tables in `alerts.sqlite`: a mirror of the board, written in one transaction a change, and what was sent."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alerts.delivery.board import Board, Known, Waiting
from alerts.delivery.receivers import Destination, destination
from alerts.file import connected, readable, transaction

MOST_KNOWN = 50_000
"""Of so many alerts it is kept in memory who was told."""

NO_ROW = (ValueError, TypeError, OverflowError, sqlite3.InterfaceError, sqlite3.ProgrammingError)
"""What comes of values that are no text or number that SQLite takes, such as half a character of UTF-16."""

_TABLES = """
CREATE TABLE IF NOT EXISTS delivery_alerts (
    fingerprint TEXT PRIMARY KEY, labels TEXT NOT NULL, seen_labels TEXT NOT NULL, annotations TEXT NOT NULL,
    starts_at REAL NOT NULL, ends_at REAL,
    value REAL, generator_url TEXT NOT NULL, first_seen REAL NOT NULL, last_seen REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS delivery_groups (
    id TEXT PRIMARY KEY, told TEXT NOT NULL, told_at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS delivery_waiting (
    destination TEXT NOT NULL, grp TEXT NOT NULL, fingerprint TEXT NOT NULL, via TEXT NOT NULL, since REAL NOT NULL,
    PRIMARY KEY (destination, grp, fingerprint)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS delivery_told (
    fingerprint TEXT NOT NULL, receiver TEXT NOT NULL, starts_at REAL NOT NULL, at REAL NOT NULL,
    PRIMARY KEY (fingerprint, receiver)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS delivery_messages (
    at REAL NOT NULL, receiver TEXT NOT NULL, alertname TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS delivery_messages_at ON delivery_messages (at);
CREATE TABLE IF NOT EXISTS delivery_silences (
    id TEXT PRIMARY KEY, matchers TEXT NOT NULL, starts_at REAL NOT NULL, ends_at REAL NOT NULL,
    created_by TEXT NOT NULL, comment TEXT NOT NULL
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """That a receiver got a message that an alert stands in."""

    fingerprint: str
    receiver: str
    starts_at: float
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SentMessage:
    """That a message about an alert name went out."""

    at: float
    receiver: str
    alertname: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSilence:
    """A silence as it stands on disk; matchers as text."""

    id: str
    matchers: tuple[str, ...]
    starts_at: float
    ends_at: float
    created_by: str
    comment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Rows to write together. None is a row to take away."""

    alerts: Sequence[tuple[str, Known | None]] = ()
    groups: Sequence[tuple[str, tuple[str, ...] | None, float]] = ()
    waiting: Sequence[tuple[tuple[Destination, str, str], Waiting | None]] = ()
    told: Sequence[Told] = ()
    messages: Sequence[SentMessage] = ()


def batch_of(board: Board, told: Sequence[Told] = (), messages: Sequence[SentMessage] = ()) -> Batch:
    """What of a board differs from the disk. The caller empties `board.changes` once it is written."""
    changes = board.changes
    groups = ((each, board.groups.get(each)) for each in changes.groups)
    return Batch(
        alerts=[(each, board.alerts.get(each)) for each in changes.alerts],
        groups=[(each, None if group is None or not group.told else tuple(group.told), group.told_at if group else 0.0)
                for each, group in groups],
        waiting=[(key, board.entry(key)) for key in changes.waiting],
        told=told,
        messages=messages,
    )  # fmt: skip


class DeliveryStore:
    """The file. Every call is whole or not at all, and on disk when it returns; any thread may call. Raises `sqlite3.Error`."""

    def __init__(self, path: Path) -> None:
        """Open or make `path`."""
        self.path = path
        self._lock = threading.Lock()
        self._connection = connected(path, _TABLES)
        self._told: dict[str, list[Told]] = {}
        """What the disk has of alerts that were asked for."""

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def load(self, board: Board) -> None:
        """Fill a board."""
        with self._lock:
            alerts = self._rows("SELECT * FROM delivery_alerts ORDER BY first_seen")
            groups = self._rows("SELECT id, told, told_at FROM delivery_groups")
            waiting = self._rows("SELECT destination, via, grp, fingerprint, since FROM delivery_waiting ORDER BY since")
        for known in readable("alerts", alerts, _known):
            board.restore(known)
        for group, told, told_at in readable("groups", groups, lambda row: (row[0], json.loads(row[1]), row[2])):
            board.restore_told(group, told, told_at)
        for entry in readable("messages", waiting, _waiting):
            board.restore_waiting(entry)

    def write(self, batch: Batch) -> None:
        """One transaction."""
        with self._lock:
            with transaction(self._connection):
                self._write(batch)
            for each in batch.told:
                self._told.pop(each.fingerprint, None)

    def write_singly(self, batch: Batch) -> int:
        """Row by row, leaving out what makes no row; how many that were."""
        refused = 0
        for row in _rows_of(batch):
            try:
                self.write(row)
            except NO_ROW:
                refused += 1
        return refused

    def told(self, fingerprints: Iterable[str]) -> list[Told]:
        """Who was told of these, and when last. What was asked before and has not changed is known without the disk."""
        asked = list(fingerprints)
        sql = (
            "SELECT fingerprint, receiver, starts_at, at FROM delivery_told"
            " WHERE fingerprint IN (SELECT value FROM json_each(?)) ORDER BY at"
        )
        with self._lock:
            if unknown := [each for each in asked if each not in self._told]:
                if len(self._told) + len(unknown) > MOST_KNOWN:
                    self._told, unknown = {}, asked
                rows = self._rows(sql, (json.dumps(unknown),))
                found: dict[str, list[Told]] = {each: [] for each in unknown}
                for row in rows:
                    found[row[0]].append(Told(fingerprint=row[0], receiver=row[1], starts_at=row[2], at=row[3]))
                self._told |= found
            return [told for each in asked for told in self._told[each]]

    def messages(self, start: float, end: float) -> dict[str, int]:
        """How many messages there were about each alert name within a span of time."""
        sql = "SELECT alertname, count(*) FROM delivery_messages WHERE at >= ? AND at < ? GROUP BY alertname"
        with self._lock:
            return dict(self._rows(sql, (start, end)))

    def silences(self) -> list[StoredSilence]:
        """All that are kept."""
        sql = "SELECT id, matchers, starts_at, ends_at, created_by, comment FROM delivery_silences ORDER BY ends_at"
        with self._lock:
            rows = self._rows(sql)
        return [
            StoredSilence(
                id=row[0],
                matchers=tuple(json.loads(row[1])),
                starts_at=row[2],
                ends_at=row[3],
                created_by=row[4],
                comment=row[5],
            )
            for row in rows
        ]

    def keep_silence(self, silence: StoredSilence) -> None:
        """Write one, in the place of an older one of the same id."""
        matchers = json.dumps(silence.matchers)
        row = (silence.id, matchers, silence.starts_at, silence.ends_at, silence.created_by, silence.comment)
        with self._lock:
            self._connection.execute("REPLACE INTO delivery_silences VALUES (?, ?, ?, ?, ?, ?)", row)

    def forget(self, before: float) -> None:
        """Take away what was sent, and silences that ended, before a moment."""
        with self._lock:
            with transaction(self._connection):
                self._connection.execute("DELETE FROM delivery_messages WHERE at < ?", (before,))
                self._connection.execute("DELETE FROM delivery_told WHERE at < ?", (before,))
                self._connection.execute("DELETE FROM delivery_silences WHERE ends_at < ?", (before,))
            self._told = {}

    def _rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        with closing(self._connection.execute(sql, parameters)) as cursor:
            return cursor.fetchall()

    def _write(self, batch: Batch) -> None:
        execute_many = self._connection.executemany
        execute_many(
            "DELETE FROM delivery_alerts WHERE fingerprint = ?", [(each,) for each, known in batch.alerts if known is None]
        )
        execute_many(
            "REPLACE INTO delivery_alerts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [_row(known) for _, known in batch.alerts if known is not None],
        )
        execute_many("DELETE FROM delivery_groups WHERE id = ?", [(each,) for each, told, _ in batch.groups if told is None])
        execute_many(
            "REPLACE INTO delivery_groups VALUES (?, ?, ?)",
            [(each, json.dumps(told), at) for each, told, at in batch.groups if told is not None],
        )
        execute_many(
            "DELETE FROM delivery_waiting WHERE destination = ? AND grp = ? AND fingerprint = ?",
            [(str(address), group, fingerprint) for (address, group, fingerprint), entry in batch.waiting if entry is None],
        )
        execute_many(
            "REPLACE INTO delivery_waiting (destination, grp, fingerprint, via, since) VALUES (?, ?, ?, ?, ?)",
            [
                (str(entry.destination), entry.group, entry.fingerprint, entry.via, entry.since)
                for _, entry in batch.waiting
                if entry is not None
            ],
        )
        execute_many(
            "REPLACE INTO delivery_told VALUES (?, ?, ?, ?)",
            [(each.fingerprint, each.receiver, each.starts_at, each.at) for each in batch.told],
        )
        execute_many(
            "INSERT INTO delivery_messages VALUES (?, ?, ?)",
            [(each.at, each.receiver, each.alertname) for each in batch.messages],
        )


def _rows_of(batch: Batch) -> Iterator[Batch]:
    yield from (Batch(alerts=(each,)) for each in batch.alerts)
    yield from (Batch(groups=(each,)) for each in batch.groups)
    yield from (Batch(waiting=(each,)) for each in batch.waiting)
    yield from (Batch(told=(each,)) for each in batch.told)
    yield from (Batch(messages=(each,)) for each in batch.messages)


def _waiting(row: Sequence[Any]) -> Waiting:
    address, via, group, fingerprint, since = row
    return Waiting(destination=destination(address), via=via, group=group, fingerprint=fingerprint, since=since, turn=0)


def _row(known: Known) -> tuple[Any, ...]:
    return (
        known.fingerprint, json.dumps(dict(known.own_labels)), json.dumps(dict(known.labels)),
        json.dumps(dict(known.annotations)), known.starts_at, known.ends_at, known.value, known.generator_url,
        known.first_seen, known.last_seen,
    )  # fmt: skip


def _known(row: Sequence[Any]) -> Known:
    return Known(
        fingerprint=row[0], own_labels=json.loads(row[1]), labels=json.loads(row[2]), annotations=json.loads(row[3]),
        starts_at=row[4], ends_at=row[5], value=float("nan") if row[6] is None else row[6], generator_url=row[7],
        first_seen=row[8], last_seen=row[9],
    )  # fmt: skip
