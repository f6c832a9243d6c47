"""Questions to a cluster's own time series (Flux), where ECS 3.6 and ObjectScale moved what nodes and clients do.

The interface allows `from`, `filter`, `range`, `last`, `keep` and `drop` and nothing else, so every question is for the newest
value of one measurement; it answers one that it does not have with a table of nulls. Points are five minutes apart.
Source: ECS Monitoring Guide and ObjectScale Administration Guide, "Flux API" and "Monitoring list of metrics".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from collectors.ecs.points import count
from collectors.ecs.session import Ask
from wattstat.members import objects, text

PATH = "/flux/api/external/v2/query"
# `last` gives the newest point however old it is: what missed two points is silent, not what it once was.
OLDEST_SECONDS = 660.0
WINDOW = "-15m"
_MOST_ROWS = 20_000


class Measurement(NamedTuple):
    """A measurement of a bucket; `only` narrows what is answered."""

    bucket: str
    name: str
    only: str = ""

    @property
    def ask(self) -> Ask:
        """The question for its newest values."""
        query = (
            f'from(bucket:"{self.bucket}") |> range(start: {WINDOW})'
            f' |> filter(fn: (r) => r._measurement == "{self.name}"{self.only}) |> last()'
        )
        return Ask(PATH, "POST", body={"query": query})


# Of the whole cluster, already rates; the variants by head (protocol) first.
OPERATIONS_BY_HEAD = Measurement("monitoring_vdc", "cq_performance_transaction_head")
OPERATIONS = Measurement("monitoring_vdc", "cq_performance_transaction")
LATENCY_BY_HEAD = Measurement("monitoring_vdc", "cq_performance_latency_head")
LATENCY = Measurement("monitoring_vdc", "cq_performance_latency")
THROUGHPUT = Measurement("monitoring_vdc", "cq_performance_throughput")
ERRORS = Measurement("monitoring_vdc", "cq_performance_error")
# Of nodes. Counters begin at zero with the service (monitoring_main) or the node (net).
CPU = Measurement(
    "monitoring_op", "cpu", ' and r.cpu == "cpu-total" and (r._field == "usage_idle" or r._field == "usage_user")'
)
MEMORY = Measurement("monitoring_op", "mem", ' and r._field == "used_percent"')
NETWORK = Measurement("monitoring_op", "net", ' and (r._field == "bytes_recv" or r._field == "bytes_sent")')
NODE_REQUESTS = Measurement("monitoring_main", "statDataHead_performance_internal_transactions")
NODE_THROUGHPUT = Measurement("monitoring_main", "statDataHead_performance_internal_throughput")
NODE_LATENCY = Measurement("monitoring_main", "statDataHead_performance_internal_latency")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The newest value of one series. `at` is Unix seconds by the cluster's clock; tags that it does not have are empty."""

    field: str
    value: float
    at: float
    age_seconds: float = 0.0
    host: str = ""
    head: str = ""
    id: str = ""
    interface: str = ""


def rows(document: Any) -> list[Row]:
    """What an answer holds that is a number and not too old."""
    found = (row for series in objects(_series(document)) for row in _rows(series))
    return [row for row, _ in zip(found, range(_MOST_ROWS), strict=False)]


def is_silent(document: Any) -> bool:
    """Whether the cluster has nothing under this measurement, not even something old."""
    return not any(isinstance(series.get("Values"), list) and series["Values"] for series in objects(_series(document)))


def by_field(found: Iterable[Row], field: str) -> Iterator[Row]:
    """The rows of one field."""
    return (row for row in found if row.field == field)


def _series(document: Any) -> Any:
    return document.get("Series") if isinstance(document, dict) else None


def _rows(series: dict[str, Any]) -> Iterator[Row]:
    columns, values = series.get("Columns"), series.get("Values")
    if not isinstance(columns, list) or not isinstance(values, list):
        return
    names = [text(column) for column in columns]
    for line in values:
        if isinstance(line, list) and len(line) == len(names):
            row = _row(dict(zip(names, line, strict=True)))
            if row is not None:
                yield row


def _row(cells: dict[str, Any]) -> Row | None:
    value, at, asked_at = count(cells.get("_value")), _moment(cells.get("_time")), _moment(cells.get("_stop"))
    # Age is told by the cluster's own clock: the window of the question ends when it was asked.
    if value is None or at is None or asked_at is None or asked_at - at > OLDEST_SECONDS:
        return None
    return Row(
        field=text(cells.get("_field")),
        value=value,
        at=at,
        age_seconds=max(asked_at - at, 0.0),
        host=text(cells.get("host")),
        head=text(cells.get("head")),
        id=text(cells.get("id")),
        interface=text(cells.get("interface")),
    )


def _moment(cell: Any) -> float | None:
    """Unix seconds of RFC 3339 with up to nine decimals; without a zone it is UTC."""
    try:
        found = datetime.fromisoformat(text(cell))
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
