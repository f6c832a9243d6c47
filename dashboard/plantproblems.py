"""What is wrong with storage, switches and rails: lines for the list of problems. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator

from dashboard import words
from dashboard.problem import Level, Problem
from wattstat.api.live import LiveSample, LiveSnapshot
from wattstat.catalogue import facility, network, storage
from wattstat.catalogue.metric import Metric
from wattstat.inventory import Inventory

PLANT: tuple[Metric, ...] = (
    facility.DEVICE_POWER_WATTS,
    network.SWITCH_PSU_OK,
    network.SWITCH_FAN_OK,
    network.FABRIC_LINK_INFO,
    network.INFINIBAND_PORT_ACTIVE,
    network.INFINIBAND_PORT_RATE_BITS_PER_SECOND,
    network.SWITCH_PORT_BIT_ERROR_RATIO,
    storage.STORAGE_CAPACITY_BYTES,
    storage.STORAGE_SIZE_BYTES,
    storage.STORAGE_LATENCY_SECONDS,
    storage.STORAGE_THROUGHPUT_BYTES_PER_SECOND,
    storage.STORAGE_DESIGN_BYTES_PER_SECOND,
    storage.STORAGE_DRIVES,
    storage.STORAGE_NODE_UP,
    storage.STORAGE_NODE_PSU_OK,
)
"""What the lines are made of."""

# As in alerts/rules/storage.yml, where the reasons stand.
NEARLY_FULL, FULL = 0.85, 0.95
SATURATED = 0.8
SLOW_SECONDS = 0.05
# As in alerts/rules/fabric.yml: where UFM takes a port out of service.
BAD_BIT_ERROR_RATIO = 1e-12


def problems(snapshot: LiveSnapshot, inventory: Inventory, silent: Collection[str] = ()) -> Iterator[Problem]:
    """All of them, in no order. `silent` are the switches that do not answer: what hangs on them is down with them."""
    yield from _switches(snapshot)
    yield from _rails(snapshot, inventory, silent)
    yield from _bad_links(snapshot)
    yield from _clusters(snapshot)


def _switches(snapshot: LiveSnapshot) -> Iterator[Problem]:
    supplies = _ill(snapshot.find(network.SWITCH_PSU_OK), "switch")
    for switch, ill in supplies.items():
        names = ", ".join(sorted(sample.labels["psu"] for sample in ill))
        yield Problem(level=Level.CRITICAL, kind="switch_psu", place=switch, what=f"Power supply {names} of the switch failed")
    for switch, still in _ill(snapshot.find(network.SWITCH_FAN_OK), "switch").items():
        # The fan of a dead supply stands still, too: one cause, one line.
        fans = {sample.labels["fan"] for sample in still}
        alone = {fan for fan in fans if not (switch in supplies and "psu" in fan.lower())}
        if alone:
            what = f"Fan {', '.join(sorted(alone))} of the switch failed"
            yield Problem(level=Level.CRITICAL, kind="switch_fan", place=switch, what=what)


def _rails(snapshot: LiveSnapshot, inventory: Inventory, silent: Collection[str]) -> Iterator[Problem]:
    """Ports that somebody has cabled and that are not ACTIVE; a free one is no fault. One line a server, or a dead switch."""
    cabled = {(sample.labels["node"], sample.labels["device"]): sample for sample in snapshot.find(network.FABRIC_LINK_INFO)}
    known = {node.name for node in inventory.nodes}
    lost: defaultdict[str, list[str]] = defaultdict(list)
    for node, ill in _ill(snapshot.find(network.INFINIBAND_PORT_ACTIVE), "node").items():
        devices = sorted({sample.labels["device"] for sample in ill if (node, sample.labels["device"]) in cabled})
        if node not in known:
            continue
        for device in devices:
            if cabled[node, device].labels["switch"] in silent:
                lost[cabled[node, device].labels["switch"]].append(node)
        devices = [device for device in devices if cabled[node, device].labels["switch"] not in silent]
        if not devices:
            continue
        leaves = sorted({cabled[node, device].labels["switch"] for device in devices})
        many = words.plural(len(devices), "rail")
        what = f"{many} down ({', '.join(devices)}, towards {', '.join(leaves)})"
        yield Problem(level=Level.CRITICAL, kind="rail_down", node=node, what=what)
    for switch, nodes in lost.items():
        what = f"{words.plural(len(nodes), 'rail')} of {words.plural(len(set(nodes)), 'server')} down with it"
        yield Problem(level=Level.CRITICAL, kind="switch_rails", place=switch, what=what)
    yield from _slow_rails(snapshot, {place for place, sample in cabled.items() if sample.labels["rail"]}, known)


def _slow_rails(snapshot: LiveSnapshot, rails: set[tuple[str, str]], known: set[str]) -> Iterator[Problem]:
    """Rails of a server are bought alike: the slower one trained at less than it can, and all others wait for it."""
    by_node: defaultdict[str, dict[str, float]] = defaultdict(dict)
    for sample in snapshot.find(network.INFINIBAND_PORT_RATE_BITS_PER_SECOND):
        node, device = sample.labels["node"], sample.labels["device"]
        if (node, device) in rails and node in known:
            by_node[node][device] = sample.value
    for node, rates in by_node.items():
        fastest = max(rates.values())
        slow = [f"{device} at {rate / 1e9:.0f} Gb/s" for device, rate in sorted(rates.items()) if rate < fastest]
        if slow:
            what = f"{words.plural(len(slow), 'rail')} slower than the others ({', '.join(slow)})"
            yield Problem(level=Level.WARNING, kind="rail_slow", node=node, what=what)


def _bad_links(snapshot: LiveSnapshot) -> Iterator[Problem]:
    """Links that lose data after correction, one line a switch; who hangs there is the page Fabric's business."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for sample in snapshot.find(network.SWITCH_PORT_BIT_ERROR_RATIO):
        if sample.labels["kind"] != "raw" and sample.value > BAD_BIT_ERROR_RATIO:
            found[sample.labels["switch"]].add(sample.labels["port"])
    for switch, ports in found.items():
        what = f"{words.plural(len(ports), 'link')} with bit errors after correction ({', '.join(sorted(ports))})"
        yield Problem(level=Level.CRITICAL, kind="bit_errors", place=switch, what=what)


def _clusters(snapshot: LiveSnapshot) -> Iterator[Problem]:
    for name, down in _ill(snapshot.find(storage.STORAGE_NODE_UP), "storage").items():
        nodes = ", ".join(sorted(sample.labels["storage_node"] for sample in down))
        yield Problem(level=Level.CRITICAL, kind="storage_node", place=name, what=f"Storage node {nodes} is down")
    for name, failed in _ill(snapshot.find(storage.STORAGE_NODE_PSU_OK), "storage").items():
        supplies = ", ".join(sorted(f"{each.labels['psu']} of {each.labels['storage_node']}" for each in failed))
        yield Problem(level=Level.WARNING, kind="storage_psu", place=name, what=f"Power supply {supplies} failed")
    for sample in snapshot.find(storage.STORAGE_DRIVES):
        state = sample.labels["state"]
        if sample.value > 0 and state.lower() not in storage.GOOD_DRIVES:
            what = f"{words.plural(int(sample.value), 'drive')} {state.lower()}"
            yield Problem(level=Level.WARNING, kind="storage_drives", place=sample.labels["storage"], what=what)
    yield from _full(snapshot)
    yield from _busy(snapshot)
    for sample in snapshot.find(storage.STORAGE_LATENCY_SECONDS):
        if sample.value > SLOW_SECONDS:
            what = f"{sample.labels['protocol']} takes {1000 * sample.value:.0f} ms: whoever reads from it waits"
            yield Problem(level=Level.WARNING, kind="storage_slow", place=sample.labels["storage"], what=what)


def _full(snapshot: LiveSnapshot) -> Iterator[Problem]:
    sizes = {sample.labels["storage"]: sample.value for sample in snapshot.find(storage.STORAGE_SIZE_BYTES)}
    for sample in snapshot.find(storage.STORAGE_CAPACITY_BYTES, kind="used"):
        name = sample.labels["storage"]
        size = sizes.get(name)
        if size and sample.value / size > NEARLY_FULL:
            level = Level.CRITICAL if sample.value / size > FULL else Level.WARNING
            yield Problem(level=level, kind="storage_full", place=name, what=f"{100 * sample.value / size:.0f} % full")


def _busy(snapshot: LiveSnapshot) -> Iterator[Problem]:
    design = {_flow(sample): sample.value for sample in snapshot.find(storage.STORAGE_DESIGN_BYTES_PER_SECOND)}
    for sample in snapshot.find(storage.STORAGE_THROUGHPUT_BYTES_PER_SECOND):
        bought = design.get(_flow(sample))
        if bought and sample.value / bought > SATURATED:
            what = f"{sample.labels['direction']} traffic at {100 * sample.value / bought:.0f} % of its design"
            yield Problem(level=Level.WARNING, kind="storage_busy", place=sample.labels["storage"], what=what)


def _flow(sample: LiveSample) -> tuple[str, str]:
    return sample.labels["storage"], sample.labels["direction"]


def _ill(samples: list[LiveSample], label: str) -> dict[str, list[LiveSample]]:
    """Those that say no, by who says it."""
    found: defaultdict[str, list[LiveSample]] = defaultdict(list)
    for sample in samples:
        if sample.value == 0:
            found[sample.labels[label]].append(sample)
    return found
