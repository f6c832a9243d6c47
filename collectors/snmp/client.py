"""One device's SNMP agent: single values, columns of tables, one request at a time.

The library walks one column a request, and tells neither tooBig nor genErr from "has none of it": an answer without bindings
is an empty one. Rows whose indexes are known are therefore asked for with GET, many values a request, together with
`sysUpTime`, which every agent has: an answer that lacks even that was a refusal, and is asked for again in halves.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from gufo.snmp import SnmpAuthError, SnmpDecodeError, SnmpError
from gufo.snmp.aio import SnmpSession

from collectors.frame.errors import AuthFailed, BadPayload, Unreachable
from collectors.snmp.access import Access
from collectors.snmp.values import Value
from wattstat import inventory as stock
from wattstat.config import Config

UPTIME = "1.3.6.1.2.1.1.3.0"
Rows = dict[str, dict[str, Value]]
"""Values by the columns' names, by the rows' indexes (`12`, or `1.4` of tables with several)."""

MOST_ROWS = 10_000  # of a column: a device that walks in circles is left
VALUES_A_REQUEST = 44  # names of 15 bytes and 64-bit counters fill 1,400 bytes with it
_FEWEST = 4
_RENEWED_SECONDS = 120  # agents forget our clock's agreement with theirs after 150 s (RFC 3414, 2.2.3)
_GOOD_BEFORE_MORE = 1000

Answered = TypeVar("Answered")


@dataclass(kw_only=True)
class Snmp:
    """A device's agent. Every call raises a `CollectError` when the device could not be asked; what it lacks is absent."""

    access: Access
    timeout_seconds: float
    repetitions: int
    _sizes: dict[tuple[str, ...], int] = field(default_factory=dict)
    _rows: int = 0
    _good: int = 0
    _waited: bool = False
    _without: set[str] = field(default_factory=set)
    _session: SnmpSession | None = None
    _renewed: float = 0.0
    _tells_uptime: bool = False
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self._rows = self.repetitions

    @classmethod
    def of(cls, snmp: stock.Snmp, config: Config, *, timeout_seconds: float, repetitions: int = 32) -> Snmp:
        """The agent that the inventory names. Raises `ValueError` for credentials that cannot be used."""
        return cls(access=Access.of(snmp, config), timeout_seconds=timeout_seconds, repetitions=repetitions)

    @property
    def address(self) -> str:
        return self.access.snmp.address

    async def close(self) -> None:
        """Forget the session. The device holds none for us."""
        self._session = None

    async def get(self, oids: Iterable[str]) -> dict[str, Value]:
        """The values of whole identifiers (`1.3.6.1.2.1.1.3.0`), as many as the device has."""
        async with self._turn:
            return await self._guarded(lambda: self._get((), list(dict.fromkeys(oids))))

    async def columns(self, columns: Mapping[str, str]) -> Rows:
        """All rows of columns, which are given as `name: identifier`; walked one after another."""
        rows: Rows = {}
        async with self._turn:
            for name, column in columns.items():
                for index, value in (await self._guarded(functools.partial(self._walked, column))).items():
                    rows.setdefault(index, {})[name] = value
        return rows

    async def cells(self, columns: Mapping[str, str], indexes: Iterable[str]) -> Rows:
        """Columns of rows whose indexes are known: fewer requests than `columns`, row by row."""
        places = {f"{column}.{index}": (index, name) for index in indexes for name, column in columns.items()}
        rows: Rows = {}
        async with self._turn:
            found = await self._guarded(lambda: self._get(tuple(columns.values()), list(places)))
        for at, value in found.items():
            index, name = places[at]
            rows.setdefault(index, {})[name] = value
        return rows

    async def _guarded(self, ask: Callable[[], Awaitable[Answered]]) -> Answered:
        """The library's errors as ours. A version 3 agent that started anew is greeted anew, once.

        It refuses what was agreed with the one before, which the library takes for silence.
        """
        try:
            try:
                await self._ready()
                return await ask()
            except (SnmpAuthError, TimeoutError):
                if self.access.snmp.version != "3" or self._session is None:
                    raise
                self._session = None
                await self._ready()
                return await ask()
        except TimeoutError as error:
            self._forget()
            raise Unreachable(self._silence()) from error
        except SnmpAuthError as error:
            self._forget()
            raise AuthFailed(f"{self.address}: {self._refusal()}") from error
        except SnmpError as error:
            self._forget()
            raise BadPayload(f"{self.address}: {error or type(error).__name__}") from error
        except OSError as error:
            self._forget()
            raise Unreachable(f"{self.address}: {error}") from error

    async def _ready(self) -> SnmpSession:
        now = time.monotonic()
        if self._session is None:
            session = await self.access.session(timeout_seconds=self.timeout_seconds, repetitions=self.repetitions)
            await self._twice(session.refresh)
            self._tells_uptime = UPTIME in await self._twice(lambda: session.get_many([UPTIME]))
            self._session, self._renewed = session, now
        elif now - self._renewed > _RENEWED_SECONDS:
            await self._twice(self._session.refresh)
            self._renewed = now
        return self._session

    async def _get(self, kind: tuple[str, ...], oids: list[str]) -> dict[str, Value]:
        """Values, as many a request as the device answered before; `kind` tells the columns: texts are longer than numbers."""
        found: dict[str, Value] = {}
        waiting = list(reversed(oids))
        while waiting:
            size = self._sizes.get(kind, VALUES_A_REQUEST)
            batch = [waiting.pop() for _ in range(min(size, len(waiting)))]
            answer = await self._answer(batch)
            if answer is not None:
                found.update(answer)
                self._more()
            elif len(batch) > 1:  # one that is refused alone (genErr) is as good as absent
                self._sizes[kind] = len(batch) // 2
                waiting.extend(reversed(batch))
        return found

    async def _answer(self, batch: list[str]) -> dict[str, Value] | None:
        """The values that came; None for a refusal, and for the first silence: fewer values may break it."""
        session = await self._ready()
        asked = batch if UPTIME in batch or not self._tells_uptime else [UPTIME, *batch]
        try:
            answer = await session.get_many(asked)
        except TimeoutError:
            if len(batch) > _FEWEST and not self._waited:
                self._waited = True
                return None
            answer = await session.get_many(asked)
        except SnmpDecodeError:  # longer than the library's buffer
            return None
        self._waited = False
        if self._tells_uptime and UPTIME not in answer:
            return None
        wanted = set(batch)
        return {at: value for at, value in answer.items() if value is not None and at in wanted}

    async def _walked(self, column: str) -> dict[str, Value]:
        """A column by index, asked for once more in shorter answers when none came, or one without any row.

        The latter may be tooBig, which some agents say to GETBULK; columns that had nothing both times are remembered.
        """
        session = await self._ready()
        found: dict[str, Value] = {}
        try:
            await self._walk(session, column, self._rows, found)
        except (TimeoutError, SnmpDecodeError):  # the latter: longer than the library's buffer of 4 KiB
            self._rows = max(self._rows // 4, _FEWEST)
            await self._walk(session, column, self._rows, found)
        if not found and self._rows > _FEWEST and column not in self._without:
            await self._walk(session, column, _FEWEST, found)
            if not found:
                self._without.add(column)
            else:
                self._rows = _FEWEST
        self._more()
        return found

    async def _walk(self, session: SnmpSession, column: str, rows: int, found: dict[str, Value]) -> None:
        """Names that come twice count once; a device that walks in circles is left."""
        behind = f"{column}."
        seen: set[str] = set()
        stale = 0
        async for at, value in session.getbulk(column, rows):
            if at in seen or not at.startswith(behind):
                stale += 1
                if stale > 2 * rows:
                    break
                continue
            stale = 0
            seen.add(at)
            if value is not None:
                found.setdefault(at[len(behind) :], value)
            if len(seen) >= MOST_ROWS:
                break

    async def _twice(self, ask: Callable[[], Awaitable[Answered]]) -> Answered:
        """Asked once more when no answer came in time: a datagram gets lost."""
        try:
            return await ask()
        except TimeoutError:
            return await ask()

    def _more(self) -> None:
        """After a while without trouble, larger requests are tried again."""
        self._good += 1
        if self._good >= _GOOD_BEFORE_MORE:
            self._good = 0
            self._sizes.clear()
            self._rows = min(2 * self._rows, self.repetitions)

    def _forget(self) -> None:
        """The next call greets the device first: one that is gone does not make its requests smaller."""
        self._session = None
        self._waited = False

    def _silence(self) -> str:
        what = "a wrong community" if self.access.snmp.version == "2c" else "an unknown user"
        return (
            f"{self.address}: no answer to SNMP within {self.timeout_seconds:g} s, asked twice; check that the agent is on, "
            f"lets this machine ask, and knows the credentials {self.access.snmp.credentials!r} (many do not answer {what})"
        )

    def _refusal(self) -> str:
        snmp = self.access.snmp
        encrypts = snmp.encrypts if self.access.privacy else "nothing"
        return (
            f"refuses the SNMP user {self.access.credentials.username!r}; check the name, the pass phrases, and that the agent "
            f"signs with {snmp.signs} and encrypts with {encrypts}"
        )
