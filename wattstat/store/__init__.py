"""History in PromQL: one protocol, two stores (embedded DuckDB, any Prometheus-compatible server)."""

from wattstat.store.protocol import Answer, QueryError, Series, Store

__all__ = ["Answer", "QueryError", "Series", "Store"]
