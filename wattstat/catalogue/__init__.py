"""Every metric that Wattstat exports, declared once.

`gpu`, `node`, `job` (jobs and energy), `inference` (services), `power` (budgets and caps), `storage`, `network`
(switches of both fabrics, adapters, cables), `facility` (PDUs, racks), `manager` (BCM, UFM), `own` (Wattstat about itself),
`alerting` (alerts and health).

A module of this package declares metrics as module constants; `ALL` finds them by name.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType, ModuleType

from wattstat.catalogue import alerting, facility, gpu, inference, job, manager, network, node, own, power, storage
from wattstat.catalogue.metric import PREFIX, Kind, Metric, Sample, Samples

__all__ = ["ALL", "GROUPS", "PREFIX", "Kind", "Metric", "Sample", "Samples"]

GROUPS: tuple[ModuleType, ...] = (gpu, node, job, inference, power, storage, network, facility, manager, own, alerting)


def _declared() -> Iterator[Metric]:
    for group in GROUPS:
        yield from (value for value in vars(group).values() if isinstance(value, Metric))


def _by_name() -> dict[str, Metric]:
    found: dict[str, Metric] = {}
    for metric in _declared():
        if metric.name in found:
            raise ValueError(f"metric {metric.name} is declared twice")
        found[metric.name] = metric
    return found


ALL: MappingProxyType[str, Metric] = MappingProxyType(_by_name())
