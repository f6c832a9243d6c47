"""`wattstat.yaml`: every setting, typed, with its default. Secrets come from files or from the environment only."""

from wattstat.config.reader import load
from wattstat.config.settings import (
    Agent,
    AgentReader,
    Collectors,
    Config,
    Core,
    Credentials,
    EmbeddedStore,
    Exporter,
    InferenceService,
    InventorySource,
    PrometheusStore,
    Redfish,
    Store,
    Web,
)
from wattstat.values import Seconds

__all__ = [
    "Agent",
    "AgentReader",
    "Collectors",
    "Config",
    "Core",
    "Credentials",
    "EmbeddedStore",
    "Exporter",
    "InferenceService",
    "InventorySource",
    "PrometheusStore",
    "Redfish",
    "Seconds",
    "Store",
    "Web",
    "load",
]
