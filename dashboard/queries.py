"""Every PromQL expression of the dashboard, so that tests can run each on every store.

Charts take `window`, the seconds between their points: a training job swings within seconds, and a point that is not the mean
of its time would show where the sampling fell and not what was drawn.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

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
    "storage_node": "min by (storage) (wattstat_storage_node_up) == 0",
    "storage_psu": "min by (storage) (wattstat_storage_node_psu_ok) == 0",
    "storage_drives": 'sum by (storage) (wattstat_storage_drives{state!~"(?i:healthy|l3|good)"}) > 0',
    "storage_full": 'wattstat_storage_capacity_bytes{kind="used"} / on (storage) wattstat_storage_size_bytes > 0.85',
    "storage_slow": "max by (storage) (wattstat_storage_latency_seconds) > 0.05",
    "storage_busy": "wattstat_storage_throughput_bytes_per_second / wattstat_storage_design_bytes_per_second > 0.85",
}


def _mean(selector: str, window: int) -> str:
    return selector if window <= RAW_SECONDS else f"avg_over_time({selector}[{max(window, LEAST_SECONDS)}s])"


def _selector(name: str, **labels: str) -> str:
    matchers = ",".join(f'{label}="{_escaped(value)}"' for label, value in labels.items())
    return f"{name}{{{matchers}}}"


def _among(nodes: Iterable[str], name: str, **labels: str) -> str:
    """The series of several servers."""
    fixed = "".join(f'{label}="{_escaped(value)}",' for label, value in labels.items())
    return f'{name}{{{fixed}node=~"{_escaped("|".join(_literal(node) for node in nodes))}"}}'


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
    """All servers together."""
    return f"sum({_node_power(window)})"


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
