"""What alerts remember across restarts, in SQLite: what is active, what has been, what nobody was told yet.

Everything that one evaluation changes is one transaction, on disk before anybody is told. The file is shared with delivery,
which has tables of its own.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from alerts.file import connected, readable, refusal, set_aside_if_damaged, transaction
from alerts.model import Alert, Notice
from wattstat.api.alerts import AlertsUnavailable, EvidenceLine

_SCHEMA = """
CREATE TABLE IF NOT EXISTS engine_active (
    rule TEXT NOT NULL, fingerprint TEXT NOT NULL, alert TEXT NOT NULL, PRIMARY KEY (rule, fingerprint)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS engine_episodes (
    rule TEXT NOT NULL, fingerprint TEXT NOT NULL, fired_at REAL NOT NULL, ended_at REAL, alert TEXT NOT NULL,
    PRIMARY KEY (rule, fingerprint, fired_at)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS engine_episodes_ended ON engine_episodes (ended_at);
CREATE INDEX IF NOT EXISTS engine_episodes_fingerprint ON engine_episodes (fingerprint, fired_at);
CREATE TABLE IF NOT EXISTS engine_untold (
    fingerprint TEXT NOT NULL, starts_at REAL NOT NULL, notice TEXT NOT NULL, PRIMARY KEY (fingerprint, starts_at)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS engine_groups (name TEXT PRIMARY KEY, evaluated_at REAL NOT NULL) WITHOUT ROWID;
"""


class MemoryFailed(AlertsUnavailable):
    """The file cannot be opened, read or written; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """An alert from when it fired until it ended (None: it fires still), as it was last seen."""

    alert: Alert
    ended_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is to be written of one alert: how it is now (None: gone), and how it was on disk (None: new)."""

    rule: str
    now: Alert | None
    before: Alert | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What was active when the process ended, by rule; when each group was last evaluated; ends that nobody was told."""

    active: dict[str, dict[str, Alert]] = field(default_factory=dict)
    evaluated: dict[str, float] = field(default_factory=dict)
    untold: tuple[Notice, ...] = ()


class Memory:
    """The file. May be called from any thread; each call blocks for as long as the disk does. Raises `MemoryFailed`."""

    def __init__(self, path: Path) -> None:
        """Open or make it. One that is damaged is set aside, and a new one made."""
        self._path = path
        self._lock = threading.Lock()
        with self._failing("opened"):
            set_aside_if_damaged(path)
            self._database = connected(path, _SCHEMA)

    def close(self) -> None:
        """Close it."""
        with self._lock:
            self._database.close()

    @contextmanager
    def _failing(self, what: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as err:
            raise MemoryFailed(refusal(self._path, what, err)) from err

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._failing("written"), transaction(self._database):
            yield self._database

    def _rows(self, query: str, parameters: Sequence[Any] = ()) -> list[Any]:
        with self._lock, self._failing("read"):
            return self._database.execute(query, parameters).fetchall()

    def load(self) -> Remembered:
        """What there was when the last process ended, however it ended."""
        active: dict[str, dict[str, Alert]] = {}
        rows = self._rows("SELECT rule, alert FROM engine_active")
        for rule, alert in readable("active alerts", rows, lambda row: (row[0], _alert(row[1]))):
            active.setdefault(rule, {})[alert.fingerprint] = alert
        untold = self._rows("SELECT notice FROM engine_untold")
        return Remembered(
            active=active,
            evaluated=dict(self._rows("SELECT name, evaluated_at FROM engine_groups")),
            untold=tuple(readable("ends", untold, lambda row: Notice(**json.loads(row[0])))),
        )

    def save(self, group: str, at: float, changes: Sequence[Change], untold: Sequence[Notice]) -> None:
        """What an evaluation of a group changed, all or nothing."""
        put = [(each.rule, each.now.fingerprint, _text(each.now)) for each in changes if each.now is not None]
        gone = [(each.rule, each.before.fingerprint) for each in changes if each.now is None and each.before is not None]
        ended = [
            (at, _text(each.before), each.rule, each.before.fingerprint, each.before.fired_at)
            for each in changes
            if each.before is not None and each.before.fired_at is not None and not _same_episode(each)
        ]
        fires = [
            (each.rule, each.now.fingerprint, each.now.fired_at, _text(each.now))
            for each in changes
            if each.now is not None and each.now.fired_at is not None
        ]
        with self._transaction() as database:
            database.executemany("INSERT OR REPLACE INTO engine_active VALUES (?, ?, ?)", put)
            database.executemany("DELETE FROM engine_active WHERE rule = ? AND fingerprint = ?", gone)
            database.executemany("INSERT OR REPLACE INTO engine_episodes VALUES (?, ?, ?, NULL, ?)", fires)
            database.executemany(
                "UPDATE engine_episodes SET ended_at = ?, alert = ? WHERE rule = ? AND fingerprint = ? AND fired_at = ?", ended
            )
            database.executemany("INSERT OR REPLACE INTO engine_untold VALUES (?, ?, ?)", [_untold(each) for each in untold])
            database.execute("INSERT OR REPLACE INTO engine_groups VALUES (?, ?)", (group, at))

    def told(self, notices: Sequence[Notice]) -> None:
        """Delivery has taken over these ends."""
        with self._transaction() as database:
            database.executemany(
                "DELETE FROM engine_untold WHERE fingerprint = ? AND starts_at = ?",
                [(each.fingerprint, each.starts_at) for each in notices],
            )

    def episodes(self, start: float, end: float) -> list[Episode]:
        """What fired within a span of time, newest first."""
        rows = self._rows(
            "SELECT alert, ended_at FROM engine_episodes WHERE fired_at <= ? AND (ended_at IS NULL OR ended_at >= ?)"
            " ORDER BY fired_at DESC",
            (end, start),
        )
        return readable("history", rows, _episode)

    def episode(self, fingerprint: str) -> Episode | None:
        """The newest episode of one alert."""
        rows = self._rows(
            "SELECT alert, ended_at FROM engine_episodes WHERE fingerprint = ? ORDER BY fired_at DESC LIMIT 1", (fingerprint,)
        )
        return next(iter(readable("history", rows, _episode)), None)

    def expire(self, before: float) -> None:
        """Forget what ended before a moment."""
        with self._transaction() as database:
            database.execute("DELETE FROM engine_episodes WHERE ended_at < ?", (before,))


def _same_episode(change: Change) -> bool:
    return change.now is not None and change.before is not None and change.now.fired_at == change.before.fired_at


def _text(alert: Alert) -> str:
    return json.dumps(
        {
            "fingerprint": alert.fingerprint,
            "labels": dict(alert.labels),
            "annotations": dict(alert.annotations),
            "state": alert.state,
            "value": alert.value,
            "active_at": alert.active_at,
            "fired_at": alert.fired_at,
            "keep_firing_since": alert.keep_firing_since,
            "unconfirmed_since": alert.unconfirmed_since,
            "group": alert.group,
            "expression": alert.expression,
            "source": alert.source,
            "evidence": [asdict(line) for line in alert.evidence],
        }
    )


def _alert(text: str) -> Alert:
    found = json.loads(text)
    return Alert(**{**found, "evidence": tuple(EvidenceLine(**line) for line in found["evidence"])})


def _episode(row: tuple[str, float | None]) -> Episode:
    return Episode(alert=_alert(row[0]), ended_at=row[1])


def _untold(notice: Notice) -> tuple[str, float, str]:
    plain = {
        "labels": dict(notice.labels),
        "annotations": dict(notice.annotations),
        "starts_at": notice.starts_at,
        "ends_at": notice.ends_at,
        "value": notice.value,
        "generator_url": notice.generator_url,
    }
    return notice.fingerprint, notice.starts_at, json.dumps(plain)
