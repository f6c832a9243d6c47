"""History in PromQL: one protocol, two stores (embedded DuckDB, any Prometheus-compatible server)."""

from __future__ import annotations

from base64 import b64encode

from wattstat.config import Config
from wattstat.config.settings import PrometheusStore
from wattstat.store.protocol import Answer, QueryError, Series, Store, StoreError

__all__ = ["Answer", "QueryError", "Series", "Store", "StoreError", "open_store"]


def open_store(config: Config) -> Store:
    """The store that the configuration names. Raises `StoreError` when it cannot be opened."""
    return _embedded(config) if config.store.prometheus is None else _remote(config, config.store.prometheus)


# Both are imported where they are opened, because the base install has neither DuckDB nor numpy.


def _embedded(config: Config) -> Store:
    from wattstat.store.embedded import EmbeddedStore, Keep  # noqa: PLC0415

    settings = config.store.embedded
    return EmbeddedStore(
        settings.path or config.data_dir / "history.duckdb",
        target_labels=(("instance", config.core.listen), ("job", "wattstat")),
        keep=Keep(samples_days=settings.retention_days, coarse_days=max(settings.downsampled_days, settings.retention_days)),
        memory_limit=settings.memory_limit,
        threads=settings.threads,
    )


def _remote(config: Config, settings: PrometheusStore) -> Store:
    from wattstat.store.remote import RemoteStore  # noqa: PLC0415

    authorization = None
    if settings.credentials is not None:
        login = config.credentials.get(settings.credentials)
        if login is None:
            raise StoreError(f"store.prometheus.credentials names {settings.credentials!r}, which credentials does not have")
        try:
            secret = login.password().get_secret_value()
        except (OSError, ValueError) as err:
            raise StoreError(f"the credentials {settings.credentials!r} of store.prometheus cannot be read: {err}") from err
        basic = b64encode(f"{login.username}:{secret}".encode()).decode()
        authorization = f"Basic {basic}" if login.username else f"Bearer {secret}"
    return RemoteStore(settings.url, authorization=authorization, timeout_seconds=settings.timeout_seconds)
