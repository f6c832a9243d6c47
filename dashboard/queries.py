"""Every PromQL expression of the dashboard, so that tests can run each on every store."""

from __future__ import annotations

# A server's power by its best meter. `hgx` is only the GPU baseboard and no server's total.
_NODE_POWER = (
    'wattstat_node_power_watts{{source="system"{node}}}'
    ' or on (node) wattstat_node_power_watts{{source="psu_sum"{node}}}'
    ' or on (node) wattstat_node_power_watts{{source="estimated"{node}}}'
)
_GPU_POWER = (
    'wattstat_gpu_power_watts{{window="1s",scope="gpu"{node}}}'
    ' or on (node, gpu) wattstat_gpu_power_watts{{window="instant",scope="gpu"{node}}}'
)

SITE_POWER = f"sum({_NODE_POWER.format(node='')})"
SITE_POWER_METERS = f"count({_NODE_POWER.format(node='')})"
SITE_GPU_POWER = f"sum({_GPU_POWER.format(node='')})"

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
}


def site_energy(seconds: int) -> str:
    """Joules of all servers over a time; each server by its own counter, else integrated by us."""
    counted = f'increase(wattstat_node_energy_joules_total{{source="counter"}}[{seconds}s])'
    integrated = f'increase(wattstat_node_energy_joules_total{{source="integrated"}}[{seconds}s])'
    return f"sum({counted} or on (node) {integrated})"


def _selector(node: str) -> str:
    escaped = node.replace("\\", "\\\\").replace('"', '\\"')
    return f'node="{escaped}"'


def node_power(node: str) -> str:
    """Each meter of a server."""
    return f"wattstat_node_power_watts{{{_selector(node)}}}"


def node_gpu_power_sum(node: str) -> str:
    """All GPUs of a server together."""
    return f"sum({_GPU_POWER.format(node=',' + _selector(node))})"


def node_power_cap(node: str) -> str:
    """The server's cap while it is in force."""
    return f"wattstat_node_power_cap_watts{{{_selector(node)}}} and on (node) wattstat_node_power_cap_active == 1"


def gpu_power(node: str) -> str:
    """Each GPU of a server."""
    return _GPU_POWER.format(node="," + _selector(node))


def gpu_temperature(node: str) -> str:
    """Each GPU's core temperature."""
    return f'wattstat_gpu_temperature_celsius{{{_selector(node)},sensor="gpu"}}'


def gpu_utilization(node: str) -> str:
    """Each GPU's utilization."""
    return f"wattstat_gpu_utilization_ratio{{{_selector(node)}}}"


def node_temperature(node: str) -> str:
    """Air in and air out."""
    return f'max by (role) (wattstat_node_temperature_celsius{{{_selector(node)},role=~"inlet|exhaust"}})'
