"""Which device an alert is about, by its labels alone: what lists group by, health adds up and messages say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Subject(NamedTuple):
    """What an alert is about.

    `kind` is node, switch, storage, pdu, rack, row, feed, breaker, group, site, manager, scheduler, job, service, account,
    device (something with a name that no label places) or wattstat (a process of ours). `name` is empty for the site.
    `part` is what of it: `GPU 3`, `port 1/7`, a sensor; empty for the whole.
    """

    kind: str
    name: str
    part: str = ""

    def __str__(self) -> str:
        """The whole in words: `node gpu-017`, `switch ib-leaf-1`, `site`."""
        return f"{self.kind} {self.name}" if self.name else self.kind


# Where several of these labels stand, the first names the device: the rest say where it is, or what of it.
_BY_LABEL: tuple[tuple[str, str], ...] = (
    ("node", "node"),
    ("switch", "switch"),
    ("storage", "storage"),
    ("pdu", "pdu"),
    ("manager", "manager"),
    ("job_id", "job"),
    ("service", "service"),
    ("scheduler", "scheduler"),
    ("account", "account"),
    ("rack", "rack"),
)

# What the targets of each collector are; their names are those of the inventory.
_BY_COLLECTOR: Mapping[str, str] = {
    **dict.fromkeys(("redfish", "agent", "journal", "nvml", "rapl", "infiniband", "kubelet"), "node"),
    "switches": "switch",
    "restconf": "switch",
    "mlnxos": "switch",
    "inband": "switch",
    "onefs": "storage",
    "ecs": "storage",
    "pdu": "pdu",
    "ufm": "manager",
    "bcm": "manager",
    "slurm": "scheduler",
    "kubernetes": "scheduler",
    "command_scheduler": "scheduler",
    "inference": "service",
}

# Parts of a device, largest first. A word stands before a value that does not hold it: `PSU 2`, but `PSU.Slot.2`.
_PARTS: tuple[tuple[str, str], ...] = (
    ("storage_node", ""),
    ("gpu", "GPU"),
    ("device", ""),
    ("port", "port"),
    ("lane", "lane"),
    ("psu", "PSU"),
    ("fan", "fan"),
    ("dimm", "DIMM"),
    ("drive", "drive"),
    ("socket", "CPU"),
    ("sensor", ""),
    ("phase", "phase"),
    ("outlet", "outlet"),
    ("pool", "pool"),
    ("path", ""),
    ("namespace", "namespace"),
    ("check", ""),
    ("part", ""),
)
# Of ourselves: what is wrong with whom.
_OWN_PARTS: tuple[tuple[str, str], ...] = (
    ("collector", ""),
    ("tier", "tier"),
    ("receiver", "receiver"),
    ("rule", ""),
    ("policy", "policy"),
)


def subject(labels: Mapping[str, str]) -> Subject:
    """The device that labels of an alert name, or the site where they name none."""
    if labels.get("budget") and labels.get("kind"):
        return _budget(labels["kind"], labels["budget"])
    for label, kind in _BY_LABEL:
        if name := labels.get(label):
            return Subject(kind, name, _part(labels, _PARTS, but=name))
    if labels.get("device") and labels.get("kind"):
        return Subject(labels["kind"], labels["device"])
    if name := labels.get("target"):
        return Subject(_BY_COLLECTOR.get(labels.get("collector", ""), "device"), name, _part(labels, _OWN_PARTS))
    if name := labels.get("instance"):
        return Subject("wattstat", name, _part(labels, _OWN_PARTS))
    return Subject("site", "", _part(labels, _OWN_PARTS))


def _budget(kind: str, name: str) -> Subject:
    """The series of a budget bear its name whatever it is of; the site's is nobody's part."""
    return Subject("site", "") if kind == "site" else Subject(kind, name)


def _part(labels: Mapping[str, str], known: tuple[tuple[str, str], ...], *, but: str = "") -> str:
    found = ((word, labels.get(label, "")) for label, word in known)
    return " ".join(_named(word, value) for word, value in found if value and value != but)


def _named(word: str, value: str) -> str:
    return value if not word or word.lower() in value.lower() else f"{word} {value}"
