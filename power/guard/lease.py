"""One leader among several controllers: a row in the power database that whoever leads must keep changing.

No clock is compared with another machine's. The leader counts half of the lease from before it asked the database, by its own
monotonic clock, and is no leader after that; a standby takes over when it has seen the row unchanged for a whole lease by its
own. Every takeover has a higher token, by compare-and-set, and devices refuse a lower one than they have seen.

SQLite writes under a lock of the file that a process stopped in that very moment keeps; then nobody leads until it goes on.
Several controllers want PostgreSQL.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from power.model import Fence

_log = structlog.get_logger(__name__)

_TABLE = sa.Table(
    "power_lease",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("token", sa.BigInteger, nullable=False),
    sa.Column("beat", sa.BigInteger, nullable=False),
    sa.Column("holder", sa.String, nullable=False),
    # Two processes with the same configuration have the same name; each run of a process has an instance of its own.
    sa.Column("instance", sa.String, nullable=False),
    sa.Column("ttl_seconds", sa.Float, nullable=False),
)
_ONE = _TABLE.c.id == 1
_NOBODY = ""
MOST_TOKEN = 2**62
"""The database keeps whole numbers of 63 bits."""


@dataclass(frozen=True, slots=True)
class _Row:
    token: int
    beat: int
    holder: str
    instance: str
    ttl_seconds: float


class Lease:
    """The lease as one controller sees it. Not for several threads; `tick` about once a second."""

    def __init__(self, engine: sa.Engine, holder: str, ttl: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.holder = holder
        self._engine = engine
        self._ttl = ttl
        self._monotonic = monotonic
        self._instance = uuid4().hex
        self._fence: Fence | None = None
        self._least = 1
        self._seen: _Row | None = None
        self._seen_at = 0.0
        self._made = False
        self._away = ""

    @property
    def away(self) -> str:
        """What the database said against the newest attempt; empty while it answers."""
        return self._away

    @property
    def leader(self) -> str:
        """Who led when the row was read last, by name; empty where nobody did."""
        return self._seen.holder if self._seen else _NOBODY

    @property
    def fence(self) -> Fence | None:
        """The right to write, while it holds."""
        if self._fence is None or not self._monotonic() < self._fence.valid_until:
            return None
        return self._fence

    def tick(self) -> Fence | None:
        """Renew the lease, or take it over where nobody does. The fence is good until half of the lease from now."""
        # Before the database is asked: however long the answer takes, or the process sleeps meanwhile, counts as well.
        start, held = self._monotonic(), self.fence
        try:
            with self._connected() as connection:
                token = self._renewed(connection, held) if held else self._taken(connection)
        except SQLAlchemyError as err:
            self._unreachable(err)
            return self.fence
        if self._away:
            _log.info("the lease's database answers again", holder=self.holder)
            self._away = ""
        if token is None and self._fence is not None:
            _log.warning("another controller leads", holder=self.holder, token=self._fence.token, leader=self.leader)
        elif token is not None and (self._fence is None or self._fence.token != token):
            _log.info("leads", holder=self.holder, token=token)
        until = start + self._ttl / 2
        self._fence = None if token is None else Fence(token=token, holder=self.holder, valid_until=until)
        return self.fence

    def outbid(self, token: int) -> None:
        """A device has seen this token: a database restored from a backup counts on from an older one. Go above it.

        One that no lease has ever come to is a device out of its mind: it alone is lost, and not the controller.
        """
        if token < MOST_TOKEN:
            self._least = max(self._least, token + 1)
        else:
            _log.warning("a device has seen a token that was never given", holder=self.holder, token=token)

    def brake(self) -> Fence | None:
        """The right to lower caps in an emergency while the database is away, by the last token held; for no other writes.

        None once another controller was seen to lead. Where one took over unseen, devices refuse the older token.
        """
        if self._fence is None or (self.fence is None and not self._away):
            return None
        until = self._monotonic() + self._ttl / 2
        return Fence(token=self._fence.token, holder=self.holder, valid_until=until, urgent_only=True)

    def release(self) -> None:
        """Give the lease back, so that a standby needs not wait for it to run out."""
        fence, self._fence = self._fence, None
        if fence is None:
            return
        try:
            with self._connected() as connection:
                ours = (_TABLE.c.token == fence.token) & (_TABLE.c.instance == self._instance)
                connection.execute(sa.update(_TABLE).where(_ONE, ours).values(holder=_NOBODY, instance=_NOBODY))
        except SQLAlchemyError as err:
            self._unreachable(err)

    def _connected(self) -> sa.Connection:
        """Each statement on its own: a process that stops between two of them must hold no lock that a standby waits for."""
        return self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")

    def _renewed(self, connection: sa.Connection, held: Fence) -> int | None:
        """The token, if the row is still ours. A device that saw a higher one makes it rise."""
        token = max(held.token, self._least)
        ours = (_TABLE.c.token == held.token) & (_TABLE.c.instance == self._instance)
        values = {"token": token, "beat": _TABLE.c.beat + 1}
        done = connection.execute(sa.update(_TABLE).where(_ONE, ours).values(values))
        if done.rowcount == 1:
            return token
        self._look(connection)
        return None

    def _taken(self, connection: sa.Connection) -> int | None:
        """The new token, if the lease was free, run out, or ours from before; else the row is remembered and None."""
        row = self._look(connection)
        idle = self._monotonic() - self._seen_at
        if row.instance not in {_NOBODY, self._instance} and idle < max(self._ttl, row.ttl_seconds):
            return None
        token = max(row.token + 1, self._least)
        as_read = (_TABLE.c.token == row.token) & (_TABLE.c.beat == row.beat) & (_TABLE.c.instance == row.instance)
        values = {
            "token": token,
            "beat": row.beat + 1,
            "holder": self.holder,
            "instance": self._instance,
            "ttl_seconds": self._ttl,
        }
        done = connection.execute(sa.update(_TABLE).where(_ONE, as_read).values(values))
        return token if done.rowcount == 1 else None

    def _look(self, connection: sa.Connection) -> _Row:
        """Read the row, and note when it was first seen as it is."""
        row = self._read(connection)
        if row != self._seen:
            # After the answer: the leader's own count began before it wrote the row.
            self._seen, self._seen_at = row, self._monotonic()
        return row

    def _read(self, connection: sa.Connection) -> _Row:
        if not self._made:
            _TABLE.metadata.create_all(connection)
        found = connection.execute(sa.select(_TABLE).where(_ONE)).one_or_none()
        if found is None:
            free = {"id": 1, "token": 0, "beat": 0, "holder": _NOBODY, "instance": _NOBODY, "ttl_seconds": self._ttl}
            connection.execute(sa.insert(_TABLE).values(free))
            found = connection.execute(sa.select(_TABLE).where(_ONE)).one()
        self._made = True
        return _Row(found.token, found.beat, found.holder, found.instance, found.ttl_seconds)

    def _unreachable(self, err: SQLAlchemyError) -> None:
        # Two controllers that start at once may both make the table or its row; the next tick finds it made.
        said = "" if isinstance(err, IntegrityError) else " ".join(str(getattr(err, "orig", None) or err).split())
        if said and not self._away:
            _log.warning("the lease's database is away", holder=self.holder, said=said)
        self._away = said


def open_engine(url: sa.URL | str, ttl: float) -> sa.Engine:
    """Connections for the lease alone: whatever waits for longer than a fifth of the lease is as good as away."""
    url, seconds = sa.make_url(url), ttl / 5
    if url.get_backend_name() == "sqlite":
        return sa.create_engine(url, connect_args={"timeout": seconds, "check_same_thread": False})
    milliseconds = round(seconds * 1000)
    arguments = {
        "connect_timeout": max(2, round(seconds)),  # libpq takes no less
        "application_name": "wattstat-lease",
        "options": f"-c statement_timeout={milliseconds} -c lock_timeout={milliseconds}",
        # A server that is gone without a word is noticed within the lease, not after a quarter of an hour.
        "tcp_user_timeout": milliseconds,
    }
    return sa.create_engine(url, connect_args=arguments, pool_pre_ping=True, pool_size=1, max_overflow=1)
