"""PromQL: parsed by promql-parser, evaluated here on numpy grids, as Prometheus 2.42 evaluates it."""

from wattstat.promql.query import Points, Result, instant_query, range_query
from wattstat.promql.raw import Raw, Source, Want
from wattstat.promql.syntax import Labels, Matcher, PromqlError, Unsupported, selector

__all__ = [
    "Labels",
    "Matcher",
    "Points",
    "PromqlError",
    "Raw",
    "Result",
    "Source",
    "Unsupported",
    "Want",
    "instant_query",
    "range_query",
    "selector",
]
