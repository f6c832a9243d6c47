"""The ledger's tables, on SQLite and PostgreSQL alike.

`postings` is the journal of the books: a line each hour, node and run (or account). Everything else that holds joules is a sum
of its lines, written in the same transaction: `runs` over all hours, `node_days` and `usage_days` by UTC day, `usage_hours` and
`site_hours` by hour. `meter_hours`, `meter_days` and `site_meter_hours` hold what the nodes' meters counted, which no posting
knows. So reports need not read postings, but for the hours at the ragged ends of a span. `run_days` tells how the joules of a
run over several days lie; that is all that a report by job needs beside `runs`. `usage_days`, `node_days`,
`meter_days`, `run_days`, `site_hours`, `site_meter_hours` and `runs` are kept for ever; `retention` thins the rest.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import BigInteger, Column, Double, ForeignKey, Index, Integer, MetaData, Table, Text, literal_column, text

# The sums that a line of postings has; every table of sums has the same columns.
AMOUNTS: Final = (
    "gpu_joules",
    "cpu_joules",
    "rest_joules",
    "idle_joules",
    "error_joules",
    "estimated_joules",
    "gpu_seconds",
    "cost",
    "priced_joules",
    "location_grams",
    "location_joules",
    "market_grams",
    "market_joules",
)
# What GPUs did, in seconds of holding; `<name>_known` are the seconds in which the board told.
ACTIVITIES: Final = ("sm_active_seconds", "busy_seconds", "tensor_active_seconds", "capped_seconds")
METERED: Final = ("measured_joules", "error_joules", "hole_seconds")
# What no run stands behind (idle and overhead) is posted to this number.
NO_RUN: Final = 0

metadata = MetaData(naming_convention={"fk": "%(table_name)s_%(column_0_name)s", "pk": "%(table_name)s_key"})
# SQLite keeps rows in order of an INTEGER key only.
_Id = BigInteger().with_variant(Integer, "sqlite")
# In order of code points, as SQLite and Python have it: pages of several queries are merged.
_Name = Text().with_variant(Text(collation="C"), "postgresql")


def _time(name: str) -> Column[Any]:
    return Column(name, BigInteger, primary_key=True, autoincrement=False)


def _key(name: str) -> Column[Any]:
    return Column(name, _Name, primary_key=True)


def _text(name: str) -> Column[Any]:
    return Column(name, _Name, nullable=False, server_default=text("''"))


def _sums(*names: str) -> list[Column[Any]]:
    return [Column(name, Double, nullable=False, server_default=text("0")) for name in names]


def _methods() -> Column[Any]:
    return Column("methods", Integer, nullable=False, server_default=text("0"))


def _run(*, primary_key: bool = True) -> Column[Any]:
    return Column("run_id", _Id, ForeignKey("runs.id"), primary_key=primary_key, autoincrement=False)


runs = Table(
    "runs",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("scheduler", _Name, nullable=False),
    Column("job_id", _Name, nullable=False),
    Column("instance", _Name, nullable=False),
    _text("name"),
    _text("user_name"),
    _text("account"),
    _text("partition"),
    _text("qos"),
    _text("state"),
    Column("submitted", Double),
    Column("started", Double, nullable=False),
    Column("ended", Double),
    # How far back a span's start must look for this run: see `reach`.
    Column("reach", Integer, nullable=False),
    Column("gpus", Integer, nullable=False),
    # 1 when it ended and all its nodes are settled beyond its end.
    Column("closed", Integer, nullable=False, server_default=text("0")),
    # The first and last hours to which something was posted: where these lie inside a span, so does all of the run's energy.
    Column("first_hour", BigInteger),
    Column("last_hour", BigInteger),
    *_sums("energy_joules", *AMOUNTS),
    _methods(),
    *_sums("held_seconds", "held_idle_seconds", "held_joules"),
    *_sums(*(name for activity in ACTIVITIES for name in (activity, f"{activity}_known"))),
    Column("memory_peak_ratio", Double),
    Index("runs_by_key", "job_id", "scheduler", "instance", unique=True),
    Index("runs_by_start", "started", "energy_joules"),
    Index("runs_by_end", "ended"),
    Index("runs_by_energy", "energy_joules"),
    Index("runs_by_reach", "reach", "started"),
    Index("runs_by_user", "user_name", "started"),
    Index("runs_by_account", "account", "started"),
    Index("runs_by_partition", "partition", "started"),
    Index("runs_by_state", "state", "started"),
    Index("runs_by_hours", "first_hour", "last_hour", "energy_joules"),
    Index("runs_not_closed", "id", sqlite_where=text("closed = 0"), postgresql_where=text("closed = 0")),
)

# The number stands in the statement itself: for a parameter neither database would use the index of open runs.
IS_OPEN: Final = runs.c.closed == literal_column("0")

# What the scheduler said of a run and no list shows, as JSON: apart, so that adding joules does not rewrite it.
run_details = Table("run_details", metadata, _run(), Column("body", Text, nullable=False))

run_nodes = Table(
    "run_nodes",
    metadata,
    _run(),
    _key("node"),
    Column("position", Integer, nullable=False),
    Column("started", Double, nullable=False),
    Index("run_nodes_by_node", "node", "started"),
    sqlite_with_rowid=False,
)

postings = Table(
    "postings",
    metadata,
    _time("hour"),
    _key("node"),
    _key("posted_to"),
    Column("run_id", _Id, primary_key=True, autoincrement=False),
    *_sums(*AMOUNTS),
    _methods(),
    Index("postings_by_run", "run_id", "hour"),
    sqlite_with_rowid=False,
)

# The postings of runs to which something was posted on several UTC days; what happened within one day stands in `runs`.
run_days = Table("run_days", metadata, _run(), _time("day"), *_sums(*AMOUNTS), _methods(), sqlite_with_rowid=False)

node_days = Table(
    "node_days",
    metadata,
    _time("day"),
    _key("node"),
    _key("posted_to"),
    *_sums(*AMOUNTS),
    _methods(),
    sqlite_with_rowid=False,
)


def _usage(name: str, time: str) -> Table:
    return Table(
        name,
        metadata,
        _time(time),
        _key("posted_to"),
        _key("user_name"),
        _key("account"),
        _key("partition"),
        # Runs whose first posting lies here.
        Column("begun", Integer, nullable=False, server_default=text("0")),
        *_sums(*AMOUNTS),
        _methods(),
        sqlite_with_rowid=False,
    )


usage_hours = _usage("usage_hours", "hour")
usage_days = _usage("usage_days", "day")

site_hours = Table(
    "site_hours",
    metadata,
    _time("hour"),
    _key("posted_to"),
    Column("begun", Integer, nullable=False, server_default=text("0")),
    *_sums(*AMOUNTS),
    _methods(),
    sqlite_with_rowid=False,
)

meter_hours = Table(
    "meter_hours", metadata, _time("hour"), _key("node"), *_sums(*METERED), _text("source"), sqlite_with_rowid=False
)
meter_days = Table(
    "meter_days", metadata, _time("day"), _key("node"), *_sums(*METERED), _text("source"), sqlite_with_rowid=False
)
site_meter_hours = Table("site_meter_hours", metadata, _time("hour"), *_sums(*METERED), sqlite_with_rowid=False)

gpu_uses = Table(
    "gpu_uses",
    metadata,
    _run(),
    _key("node"),
    _key("uuid"),
    _key("instance"),
    Column("gpu", Integer, nullable=False),
    _text("model"),
    Column("fraction", Double, nullable=False),
    *_sums("joules", "idle_joules", "seconds", "idle_seconds"),
    *(Column(name, Double) for name in ACTIVITIES),
    *_sums(*(f"{name}_known" for name in ACTIVITIES)),
    Column("memory_peak_bytes", Double),
    Column("memory_total_bytes", Double),
    Column("limit_watts", Double),
    sqlite_with_rowid=False,
)

checkpoints = Table(
    "checkpoints",
    metadata,
    _key("node"),
    Column("settled_until", Double, nullable=False),
    Column("state", Text, nullable=False),
    sqlite_with_rowid=False,
)

# Up to which hour `retention` has removed what is kept by the hour; at most one row.
thinned = Table("thinned", metadata, Column("id", Integer, primary_key=True), Column("until", BigInteger, nullable=False))

# Classes of runs by length: what was alive at a moment began within so many seconds before it. Few runs are long, so that a
# question about a span of long ago need not look through everything that ever began before it.
REACHES: Final = (86_400.0, 16 * 86_400.0)
ENDLESS: Final = len(REACHES)


def reach(started: float, ended: float | None) -> int:
    """The first of `REACHES` in which the run ended; `ENDLESS` for longer ones and for those alive."""
    if ended is None:
        return ENDLESS
    return next((number for number, seconds in enumerate(REACHES) if ended - started < seconds), ENDLESS)
