"""What a store answers, and what asks it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol


class StoreError(Exception):
    """The history cannot be opened or written; the message says what to do."""


class QueryError(Exception):
    """A query that cannot be answered. `kind` is Prometheus' errorType: bad_data, execution, timeout, unavailable."""

    def __init__(self, message: str, *, kind: str = "bad_data") -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One series: its labels (`__name__` included where PromQL keeps it), times as Unix seconds, values of the same length.

    Times and values are numpy arrays of float64: ask their `len()`, never their truth. Absent points are left out.
    """

    labels: Mapping[str, str]
    times: Sequence[float]
    values: Sequence[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The result of a query. A vector's series hold one point each; a scalar is one series without labels."""

    kind: Literal["vector", "matrix", "scalar", "string"]
    series: tuple[Series, ...]
    warnings: tuple[str, ...] = ()
    text: str = ""


class Recorded(Protocol):
    """Series that somebody computed rather than scraped: recording rules, alerts."""

    @property
    def source(self) -> str:
        """Who writes them; a series that its source does not write again has ended."""

    @property
    def samples(self) -> Sequence[tuple[Mapping[str, str], float]]:
        """Labels (`__name__` included) and the value."""


class Store(Protocol):
    """History that can be asked in PromQL. All raise `QueryError`."""

    async def query(self, expression: str, at: float | None = None) -> Answer:
        """Evaluate at one moment (Unix seconds; now when None)."""

    async def query_range(self, expression: str, start: float, end: float, step: float) -> Answer:
        """Evaluate at start, start+step, … end."""

    async def series(self, selectors: Sequence[str], start: float, end: float) -> list[dict[str, str]]:
        """Label sets of the series that match any selector."""

    async def labels(self, selectors: Sequence[str], start: float | None = None, end: float | None = None) -> list[str]:
        """Names of labels."""

    async def label_values(
        self, name: str, selectors: Sequence[str], start: float | None = None, end: float | None = None
    ) -> list[str]:
        """Values of a label."""

    async def close(self) -> None:
        """Flush and give back what is held."""
