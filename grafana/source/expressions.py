"""Expressions that several dashboards use, each in one place."""

from __future__ import annotations

_METERS = ("system", "psu_sum", "estimated")


def server_power(matchers: str = "") -> str:
    """Each server's power by its best meter; one server has several, and their sum would count it twice."""
    return _first(_METERS, "node", 'wattstat_node_power_watts{{source="{}"{}}}', matchers)


def gpu_power(matchers: str = "") -> str:
    """Each GPU's power: the average over a second where there is one, else the instant."""
    return _first(("1s", "instant"), "node, gpu", 'wattstat_gpu_power_watts{{scope="gpu",window="{}"{}}}', matchers)


def _first(values: tuple[str, ...], labels: str, form: str, matchers: str) -> str:
    more = f",{matchers}" if matchers else ""
    return f" or on ({labels}) ".join(form.format(value, more) for value in values)


def share_of_limit(matchers: str = "") -> str:
    """Power over its limit, for every budget. Two cores may tell of the same one, so that each is compared with itself."""
    power, limit = (f"wattstat_budget_{name}_watts{{{matchers}}}" for name in ("power", "limit"))
    return f"max by (budget, kind) ({power} / {limit})"


def limit_state(matchers: str = "") -> str:
    """0 where a budget is below 90 % of its limit, 1 above, 2 over it: the values of `looks.LIMIT`."""
    share = share_of_limit(matchers)
    return f"({share} > bool 0.9) + ({share} > bool 1)"


def kept(most: int, labels: str, expression: str, rank: str) -> str:
    """Of a chart's series only those that rank highest at its end: a `topk` of each moment would gather ever more of them.

    `rank` is the expression to rank by with `@ end()` behind each of its selectors.
    """
    return f"({expression}) and on ({labels}) topk({most}, {rank})"


def counted(condition: str, among: str) -> str:
    """How many series fulfil a condition: 0 where none of `among` does, and nothing where there is nothing to look at."""
    return f"count({condition}) or 0 * count({among})"


def alerts_firing(severity: str) -> str:
    """How many alerts fire; nothing where no Watchdog shows that rules are evaluated at all."""
    return counted(f'ALERTS{{alertstate="firing",severity="{severity}"}}', 'ALERTS{alertname="Watchdog"}')


GPU_UNUSABLE = "wattstat_gpu_lost == 1 or wattstat_gpu_recovery_action > 0 or wattstat_gpu_row_remap_failed == 1"
"""GPUs that cannot be used as they are: lost, waiting for a reset or a reboot, or with memory beyond repair."""
