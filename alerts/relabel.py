"""Where devices stand, for alerts that a Prometheus evaluates: relabelling rules for its `alerting:` section.

Core is one target with the series of a whole hall, so that no label of a target can say where a device stands, and rules that
joined the rack to each of their results would cost twice as much. Alerts are few: Prometheus relabels them on their way to
Alertmanager. Regular expressions are RE2, anchored; values of labels are joined by `;`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import TypedDict

from alerts.subject import subject
from wattstat.inventory import Inventory

# What names a device in an alert, with the collector or without, by kind; the rack first: what has one keeps it. As in
# `alerts.subject`, a server goes before the switch that it hangs on, and both before what a collector calls its target.
_NODE, _SWITCH, _PDU = ("node",), ("node", "switch"), ("node", "switch", "pdu")
_TARGET = ("node", "switch", "pdu", "collector", "target")
_COLLECTORS = (
    "redfish", "agent", "journal", "nvml", "rapl", "infiniband", "kubelet", "switches", "restconf", "mlnxos", "inband", "pdu",
)  # fmt: skip


class Rule(TypedDict):
    """One of `alert_relabel_configs`."""

    source_labels: list[str]
    regex: str
    target_label: str
    replacement: str


def rules(hall: Inventory) -> list[Rule]:
    """Up to four rules for each rack: its servers, switches, strips, and what collectors call all of these."""
    racks: defaultdict[str, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for kind, devices in (("node", hall.nodes), ("switch", hall.switches), ("pdu", hall.pdus)):
        for device in devices:
            if device.rack:
                racks[device.rack][kind].append(device.name)
    return [rule for rack, named in sorted(racks.items()) for rule in _of_rack(rack, named)]


def _of_rack(rack: str, named: dict[str, list[str]]) -> Iterable[Rule]:
    for kind, labels in (("node", _NODE), ("switch", _SWITCH), ("pdu", _PDU)):
        if named.get(kind):
            yield _rule(rack, labels, ";" * len(labels) + _any(named[kind]))
    by_collector = [f"{each};{_any(named[kind])}" for each in _COLLECTORS if named.get(kind := _kind(each))]
    yield _rule(rack, _TARGET, f";;;;(?:{'|'.join(by_collector)})")


def _kind(collector: str) -> str:
    return subject({"collector": collector, "target": "x"}).kind


def _rule(rack: str, labels: Iterable[str], regex: str) -> Rule:
    return Rule(source_labels=["rack", *labels], regex=regex, target_label="rack", replacement=rack.replace("$", "$$"))


def _any(names: Iterable[str]) -> str:
    return f"(?:{'|'.join(re.escape(name) for name in names)})"
