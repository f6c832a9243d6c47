"""History in PromQL: one protocol, two stores (embedded DuckDB, any Prometheus-compatible server)."""

from __future__ import annotations

from wattstat.config import Config
from wattstat.store.protocol import Answer, QueryError, Series, Store, StoreError

__all__ = ["Answer", "QueryError", "Series", "Store", "StoreError", "open_store"]


def open_store(config: Config) -> Store:
    """The store that the configuration names. Raises `StoreError` when the embedded history cannot be opened."""
    # Imported here, because the base install has neither DuckDB nor numpy.
    from wattstat.store.embedded import EmbeddedStore, Keep  # noqa: PLC0415

    settings = config.store.embedded
    return EmbeddedStore(
        settings.path or config.data_dir / "history.duckdb",
        target_labels=(("instance", config.core.listen), ("job", "wattstat")),
        keep=Keep(samples_days=settings.retention_days, coarse_days=max(settings.downsampled_days, settings.retention_days)),
        memory_limit=settings.memory_limit,
        threads=settings.threads,
    )
