"""Every PromQL expression of the dashboard, so that tests can run each on every store.

Charts take `window`, the seconds between their points: a training job swings within seconds, and a point that is not the mean
of its time would show where the sampling fell and not what was drawn.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from wattstat.catalogue.storage import GOOD_DRIVES

RAW_SECONDS = 15  # at this step and below a chart shows the samples themselves
LEAST_SECONDS = 120  # a mean over less may hold no sample at all: older history is a sample a minute

# A server's power by its best meter. `hgx` is only the GPU baseboard and no server's total.
_METERS = ("system", "psu_sum", "estimated")

# Reasons that are no trouble: nothing to do, or clocks that somebody chose.
_NO_TROUBLE = ("idle", "application_clocks", "sync_boost", "display")

# One run of each condition a series; the page finds where the run that lasts until now began.
SINCE = {
    "health": "max by (node) (wattstat_node_health) > 0",
    "power_off": "wattstat_node_power_on == 0",
    "redundancy": "wattstat_psu_redundancy_ok == 0",
    "lost": "wattstat_gpu_lost == 1",
    "remap_failed": "wattstat_gpu_row_remap_failed == 1",
    "remap_pending": "wattstat_gpu_row_remap_pending == 1",
    "recovery": "wattstat_gpu_recovery_action > 0",
    "margin": "wattstat_gpu_temperature_margin_celsius <= 5",
    "throttle": 'max by (node, gpu) (wattstat_gpu_throttle_active{reason=~"hw.*|.*thermal.*|.*brake.*"}) == 1',
    "over": "wattstat_budget_power_watts > on (budget, kind) wattstat_budget_limit_watts",
    "unsafe": "wattstat_budget_safe == 0",
    "switch_psu": "min by (switch) (wattstat_switch_psu_ok) == 0",
    "switch_fan": "min by (switch) (wattstat_switch_fan_ok) == 0",
    "rail_down": "(wattstat_infiniband_port_active == 0) and on (node, device) wattstat_fabric_link_info",
    "rail_slow": (
        "wattstat_infiniband_port_rate_bits_per_second"
        " < on (node) group_left max by (node) (wattstat_infiniband_port_rate_bits_per_second)"
    ),
    "bit_errors": 'max by (switch) (wattstat_switch_port_bit_error_ratio{kind!="raw"}) > 1e-12',
    "storage_node": "min by (storage) (wattstat_storage_node_up) == 0",
    "storage_psu": "min by (storage) (wattstat_storage_node_psu_ok) == 0",
    "storage_drives": f'sum by (storage) (wattstat_storage_drives{{state!~"(?i:{"|".join(GOOD_DRIVES)})"}}) > 0',
    "storage_full": 'wattstat_storage_capacity_bytes{kind="used"} / on (storage) wattstat_storage_size_bytes > 0.85',
    "storage_slow": "max by (storage) (wattstat_storage_latency_seconds) > 0.05",
    "storage_busy": "wattstat_storage_throughput_bytes_per_second / wattstat_storage_design_bytes_per_second > 0.8",
}


MOST_PORTS = 50
_USED = 'wattstat_storage_capacity_bytes{kind="used"}'
_LINK = "wattstat_fabric_link_info"
_FAULTS = "wattstat_switch_port_link_faults_total"
_LINE_ERRORS = "symbol|receive|receive_remote|receive_icrc|link_integrity|link_recovery|link_down"
# One rail an adapter, even where the inventory and the fabric manager disagree.
_RAIL_OF_ADAPTER = f'topk by (node, device) (1, {_LINK}{{rail!=""}})'
_RAIL_RATE = f'(wattstat_infiniband_port_rate_bits_per_second and on (node, device) {_LINK}{{rail!=""}})'


def _mean(selector: str, window: int) -> str:
    return selector if window <= RAW_SECONDS else f"avg_over_time({selector}[{max(window, LEAST_SECONDS)}s])"


def _selector(name: str, **labels: str) -> str:
    matchers = ",".join(f'{label}="{_escaped(value)}"' for label, value in labels.items())
    return f"{name}{{{matchers}}}"


def _among(nodes: Iterable[str], name: str, **labels: str) -> str:
    """The series of several servers."""
    fixed = "".join(f'{label}="{_escaped(value)}",' for label, value in labels.items())
    return f'{name}{{{fixed}node=~"{_any_of(nodes)}"}}'


def _of_switches(switches: Iterable[str], name: str, **labels: str) -> str:
    """The series of several switches."""
    fixed = "".join(f'{label}="{_escaped(value)}",' for label, value in labels.items())
    return f'{name}{{{fixed}switch=~"{_any_of(switches)}"}}'


def _of_ports(switches: Iterable[str], ports: Iterable[str], name: str, **labels: str) -> str:
    """The series of some ports of some switches; of others of the same names too."""
    return f'{_of_switches(switches, name, **labels)[:-1]},port=~"{_any_of(ports)}"}}'


def _worst(expression: str, most: int = MOST_PORTS) -> str:
    """Not more than anybody reads, however many there are."""
    return f"topk({most}, {expression})"


def _counted_up(selector: str, labels: str, seconds: int) -> str:
    """Counters that rose by more than two over a time, by its two ends, or at all just now: who began anew, too.

    An `increase` over hours of every port of a large hall would read millions of samples to find a handful.
    """
    rose = f"{selector} - {selector} offset {seconds}s > 2"
    return _worst(f"sum by ({labels}) ({rose} or increase({selector}[900s]) > 0)")


def _any_of(names: Iterable[str]) -> str:
    return _escaped("|".join(_literal(name) for name in names))


def _literal(text: str) -> str:
    """A text as a regular expression that fits only itself, as RE2 reads it."""
    return re.sub(r"([.+*?()|\[\]{}^$\\])", r"\\\1", text)


def _escaped(value: str) -> str:
    """A label's value; it cannot leave its quotes."""
    return value.replace("\\", "\\\\").replace('"', '\\"')


def _node_power(window: int, **labels: str) -> str:
    meters = (_mean(_selector("wattstat_node_power_watts", source=source, **labels), window) for source in _METERS)
    return " or on (node) ".join(meters)


def _gpu_power_of(nodes: Sequence[str], window: int) -> str:
    kinds = (_among(nodes, "wattstat_gpu_power_watts", window=kind, scope="gpu") for kind in ("1s", "instant"))
    return " or on (node, gpu) ".join(_mean(selector, window) for selector in kinds)


def _gpu_power(window: int, **labels: str) -> str:
    """The average over a second where there is one, else the instant; never both of one GPU."""
    kinds = (_selector("wattstat_gpu_power_watts", window=kind, scope="gpu", **labels) for kind in ("1s", "instant"))
    return " or on (node, gpu) ".join(_mean(selector, window) for selector in kinds)


def site_power(window: int) -> str:
    """All servers together, and with them switches and storage wherever these are read."""
    servers, others = f"sum({_node_power(window)})", f"sum({_mean('wattstat_device_power_watts', window)})"
    return f"({servers} + {others}) or {servers}"


def site_power_meters(window: int) -> str:
    """How many servers the sum holds."""
    return f"count({_node_power(window)})"


def site_gpu_power(window: int) -> str:
    """All GPUs together."""
    return f"sum({_gpu_power(window)})"


def site_energy(seconds: int) -> str:
    """Joules of all servers over a time; each server by its own counter, else integrated by us."""
    counted, integrated = (
        f"increase({_selector('wattstat_node_energy_joules_total', source=source)}[{seconds}s])"
        for source in ("counter", "integrated")
    )
    return f"sum({counted} or on (node) {integrated})"


def node_power(node: str, window: int) -> str:
    """Each meter of a server."""
    return _mean(_selector("wattstat_node_power_watts", node=node), window)


def node_gpu_power_sum(node: str, window: int) -> str:
    """All GPUs of a server together."""
    return f"sum({_gpu_power(window, node=node)})"


def node_power_cap(node: str) -> str:
    """The server's cap while it is in force."""
    return f"{_selector('wattstat_node_power_cap_watts', node=node)} and on (node) wattstat_node_power_cap_active == 1"


def gpu_power(node: str, window: int) -> str:
    """Each GPU of a server."""
    return _gpu_power(window, node=node)


def gpu_temperature(node: str, window: int) -> str:
    """Each GPU's core temperature."""
    return _mean(_selector("wattstat_gpu_temperature_celsius", node=node, sensor="gpu"), window)


def gpu_utilization(node: str, window: int) -> str:
    """Each GPU's utilization."""
    return _mean(_selector("wattstat_gpu_utilization_ratio", node=node), window)


def job_power(scheduler: str, job_id: str, window: int) -> str:
    """The job's GPUs together, shared ones by their part."""
    return f"sum({_mean(_selector('wattstat_job_power_watts', scheduler=scheduler, job_id=job_id), window)})"


def gpus_power(nodes: Sequence[str], window: int) -> str:
    """Each GPU of several servers."""
    return _gpu_power_of(nodes, window)


def gpus_sm_active(nodes: Sequence[str], window: int) -> str:
    """Each GPU's SM activity."""
    return _mean(_among(nodes, "wattstat_gpu_sm_active_ratio"), window)


def gpus_tensor_active(nodes: Sequence[str], window: int) -> str:
    """Each GPU's tensor cores."""
    return _mean(_among(nodes, "wattstat_gpu_tensor_active_ratio"), window)


def gpus_utilization(nodes: Sequence[str], window: int) -> str:
    """How much of the time each GPU ran a kernel."""
    return _mean(_among(nodes, "wattstat_gpu_utilization_ratio"), window)


def gpus_limit(nodes: Sequence[str]) -> str:
    """The limit in force of each GPU."""
    return _among(nodes, "wattstat_gpu_power_limit_watts", kind="enforced")


def gpus_throttled(nodes: Sequence[str], window: int) -> str:
    """How much of the time a reason held each GPU's clocks down; what holds them down by plan is left out."""
    selector = _among(nodes, "wattstat_gpu_throttle_active")[:-1] + f',reason!~"{"|".join(_NO_TROUBLE)}"}}'
    return f"avg_over_time({selector}[{max(window, LEAST_SECONDS)}s]) > 0"


def gpus_xids(nodes: Sequence[str], window: int) -> str:
    """XID errors of each GPU since the point before."""
    return f"increase({_among(nodes, 'wattstat_gpu_xid_errors_total')}[{max(window, LEAST_SECONDS)}s]) > 0"


def gpus_lost(nodes: Sequence[str]) -> str:
    """GPUs that did not answer."""
    return f"{_among(nodes, 'wattstat_gpu_lost')} == 1"


def nodes_cap(nodes: Sequence[str]) -> str:
    """Each server's cap while it is in force."""
    return f"{_among(nodes, 'wattstat_node_power_cap_watts')} and on (node) wattstat_node_power_cap_active == 1"


def budget_power(kind: str, name: str, window: int) -> str:
    """What a limit carries."""
    return _mean(_selector("wattstat_budget_power_watts", kind=kind, budget=name), window)


def budget_peak(kind: str, name: str, window: int) -> str:
    """The highest of it."""
    return _highest(_selector("wattstat_budget_peak_watts", kind=kind, budget=name), window)


def budget_worst(kind: str, name: str, window: int) -> str:
    """The most that could have been drawn under the caps of the time."""
    return _highest(_selector("wattstat_budget_envelope_watts", kind=kind, budget=name), window)


def budget_limit(kind: str, name: str) -> str:
    """What was allowed, by whoever set it."""
    return _selector("wattstat_budget_limit_watts", kind=kind, budget=name)


def budget_trip_safe(kind: str, name: str) -> str:
    """What the breaker carries safely."""
    return _selector("wattstat_budget_trip_safe_watts", kind=kind, budget=name)


def _highest(selector: str, window: int) -> str:
    return selector if window <= RAW_SECONDS else f"max_over_time({selector}[{max(window, LEAST_SECONDS)}s])"


def storage_throughput(storage: str, window: int) -> str:
    """What a cluster's clients read and write."""
    return _mean(_selector("wattstat_storage_throughput_bytes_per_second", storage=storage), window)


def storage_latency(storage: str, window: int) -> str:
    """How long an operation of each protocol takes."""
    return _mean(_selector("wattstat_storage_latency_seconds", storage=storage), window)


def storage_class_latency(storage: str, window: int) -> str:
    """The same by what operations do, where the cluster tells metadata from data."""
    return _mean(_selector("wattstat_storage_class_latency_seconds", storage=storage), window)


def storage_usual_latency(seconds: int) -> str:
    """The median latency of each protocol of each cluster over a time."""
    return f"quantile_over_time(0.5, wattstat_storage_latency_seconds[{seconds}s])"


def readers_utilization(nodes: Sequence[str], window: int) -> str:
    """How busy the GPUs of some servers are, together; of all servers where none is named."""
    selector = _among(nodes, "wattstat_gpu_utilization_ratio") if nodes else "wattstat_gpu_utilization_ratio"
    return f"avg({_mean(selector, window)})"


def storage_growth(seconds: int) -> str:
    """Bytes a second by which each cluster fills, by linear regression over a time."""
    return f"deriv({_USED}[{seconds}s])"


def storage_known(seconds: int) -> str:
    """For how many seconds of a time each cluster's capacity is known, to the five minutes of its readings."""
    return f"time() - min_over_time(timestamp({_USED})[{seconds}s:300s])"


def fabric_links(nodes: Sequence[str]) -> str:
    """Cables of several servers, as each source has them."""
    return _among(nodes, _LINK)


def leaf_links(switch: str) -> str:
    """Cables that end at a switch, as each source has them."""
    return _selector(_LINK, switch=switch)


def ports_down(dark: Sequence[str]) -> str:
    """Ports with a known cable and without a link, but for those of switches that are dark themselves."""
    return _worst(f'{_PORT_DOWN}{{switch!~"{_any_of(dark)}"}}' if dark else _PORT_DOWN)


def adapters_down(dark: Sequence[str]) -> str:
    """Adapters with a known cable and without a link, but for those that hang on dark switches."""
    return _worst(f'{_ADAPTER_DOWN}{{switch!~"{_any_of(dark)}"}}' if dark else _ADAPTER_DOWN)


def port_links(switches: Sequence[str], ports: Sequence[str]) -> str:
    """Cables that end at some ports, as each source has them."""
    return _of_ports(switches, ports, _LINK)


def adapters_active(nodes: Sequence[str]) -> str:
    """Whether each adapter of several servers has its link, by the server."""
    return _among(nodes, "wattstat_infiniband_port_active")


def adapters_rate(nodes: Sequence[str]) -> str:
    """How fast each of these links is, by the server."""
    return _among(nodes, "wattstat_infiniband_port_rate_bits_per_second")


def adapters_errors(nodes: Sequence[str], seconds: int) -> str:
    """Errors on the line that the adapters of several servers counted, where there were any; not those of a full buffer."""
    selector = _among(nodes, "wattstat_infiniband_port_errors_total")[:-1] + f',kind=~"{_LINE_ERRORS}"}}'
    return f"sum by (node, device) (increase({selector}[{seconds}s])) > 0"


def adapters_flapping(seconds: int) -> str:
    """The same of adapters, as the servers count. `adapters_flaps` counts."""
    return _counted_up(_selector("wattstat_infiniband_port_errors_total", kind="link_down"), "node, device", seconds)


def adapters_flaps(nodes: Sequence[str], seconds: int) -> str:
    """How often the links of several servers came and went."""
    selector = _among(nodes, "wattstat_infiniband_port_errors_total", kind="link_down")
    return f"sum by (node, device) (increase({selector}[{seconds}s])) > 2"


def adapters_symbol_errors(seconds: int) -> str:
    """Adapters with the most symbols that could not be corrected."""
    return _worst(f'sum by (node, device) (increase(wattstat_infiniband_port_errors_total{{kind="symbol"}}[{seconds}s])) > 3')


def ports_up(switches: Sequence[str]) -> str:
    """Whether each port of several switches has its link, by the switch."""
    return _of_switches(switches, "wattstat_switch_port_up")


def ports_speed(switches: Sequence[str]) -> str:
    """How fast each of these links is, by the switch."""
    return _of_switches(switches, "wattstat_switch_port_speed_bits_per_second")


def ports_light(switches: Sequence[str], ports: Sequence[str]) -> str:
    """The weakest light that each of some ports receives."""
    light = _of_ports(switches, ports, "wattstat_switch_transceiver_power_dbm", direction="receive")
    return f"min by (switch, port) ({light})"


def ports_symbol_errors_of(switches: Sequence[str], seconds: int) -> str:
    """Symbols that could not be corrected at any port of several switches, where there were any."""
    return f"increase({_of_switches(switches, 'wattstat_switch_port_symbol_errors_total')}[{seconds}s]) > 0"


def ports_flapping(seconds: int) -> str:
    """Ports whose link seems to have come and gone often: cheap, for all of the hall. `ports_flaps` counts."""
    return _counted_up(_selector(_FAULTS, kind="down"), "switch, port", seconds)


def ports_flaps(switches: Sequence[str], ports: Sequence[str], seconds: int) -> str:
    """How often the links of some ports came and went; once or twice is a server that was started anew."""
    return f"sum by (switch, port) (increase({_of_ports(switches, ports, _FAULTS, kind='down')}[{seconds}s])) > 2"


def ports_symbol_errors(seconds: int) -> str:
    """Ports with the most symbols that could not be corrected; three in two hours are within a link's promise."""
    return _worst(f"increase(wattstat_switch_port_symbol_errors_total[{seconds}s]) > 3")


def ports_packet_errors(seconds: int) -> str:
    """Ports with the most broken packets."""
    return _worst(f"sum by (switch, port) (increase(wattstat_switch_port_errors_total[{seconds}s])) > 3")


def symbol_error_rate(switches: Sequence[str], ports: Sequence[str], window: int) -> str:
    """Symbols a second that could not be corrected."""
    return f"rate({_of_ports(switches, ports, 'wattstat_switch_port_symbol_errors_total')}[{max(window, LEAST_SECONDS)}s])"


def packet_error_rate(switches: Sequence[str], ports: Sequence[str], window: int) -> str:
    """Broken packets a second."""
    selector = _of_ports(switches, ports, "wattstat_switch_port_errors_total")
    return f"sum by (switch, port) (rate({selector}[{max(window, LEAST_SECONDS)}s]))"


def bit_error_ratio(switches: Sequence[str], ports: Sequence[str], window: int) -> str:
    """Share of wrong bits after correction."""
    return _highest(_of_ports(switches, ports, "wattstat_switch_port_bit_error_ratio", kind="effective"), window)


def pauses(seconds: int) -> str:
    """Ports that sent or were sent the most pause frames (PFC) a second."""
    return _worst(f"sum by (switch, port, direction) (rate(wattstat_switch_port_pfc_frames_total[{seconds}s])) > 0", 20)


def congestion_marks(seconds: int) -> str:
    """Ports that marked the most packets for congestion (ECN) a second."""
    return _worst(f"rate(wattstat_switch_port_ecn_packets_total[{seconds}s]) > 0", 20)


def rail_traffic(direction: str, seconds: int) -> str:
    """Bytes a second of each rail, as the servers count them."""
    counted = f"rate({_selector('wattstat_infiniband_port_bytes_total', direction=direction)}[{seconds}s])"
    return f"sum by (rail) ({counted} * on (node, device) group_left (rail) {_RAIL_OF_ADAPTER})"


RAIL_CAPACITY = (
    "sum by (rail) (wattstat_infiniband_port_rate_bits_per_second"
    f" * on (node, device) group_left (rail) {_RAIL_OF_ADAPTER}) / 8"
)

# Over some minutes: servers' own meters are read later than PDUs, and jobs swing within seconds.
RACK_DIFFERENCE = (
    'avg_over_time(wattstat_rack_power_watts{source="sum"}[600s])'
    ' / on (rack) avg_over_time(wattstat_rack_power_watts{source="pdu"}[600s]) - 1'
)

FABRIC_SERVERS = f"count by (node) ({_LINK})"
PORTS_UP = "count by (switch) (wattstat_switch_port_up == 1)"
PORTS = "count by (switch) (wattstat_switch_port_up)"

# A port that somebody left switched on without a cable is no trouble; a known cable without a link is.
_PORT_DOWN = f"wattstat_switch_port_up == 0 and on (switch, port) wattstat_switch_port_on == 1 and on (switch, port) {_LINK}"
_ADAPTER_DOWN = f"wattstat_infiniband_port_active == 0 and on (node, device) {_LINK}"
# Several sources may know of one cable: it counts once.
LINKS = f"count by (switch) (max by (node, device, switch) ({_LINK}))"
LINKS_DOWN = (
    f"count by (switch) (max by (node, device, switch) ({_LINK} and on (node, device) wattstat_infiniband_port_active == 0"
    f" or {_LINK} and on (switch, port) wattstat_switch_port_up == 0))"
)

# Slower than the fastest of the server's own rails: what a rail is worth the server's other rails say best.
ADAPTERS_SLOW = f"topk({MOST_PORTS}, {_RAIL_RATE} < on (node) group_left () max by (node) ({_RAIL_RATE}))"

# Raw errors are what correction is for; 1e-15 is normal after it, and fabric managers take a port at 1e-12 out of service.
PORTS_BIT_ERRORS = _worst('max by (switch, port) (wattstat_switch_port_bit_error_ratio{kind=~"effective|symbol"}) > 1e-14')
