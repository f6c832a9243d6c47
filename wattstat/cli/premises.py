"""`wattstat racks`, `storage`, `fabric`: what stands beside the servers, as the running core sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from wattstat.cli.options import ConfigOption, JsonOption, config_path
from wattstat.cli.output import fail, print_json, print_table

CoreOption = Annotated[str, typer.Option(metavar="URL", help="Core's address; the configuration's unless given.")]


def racks(*, config: ConfigOption = None, core: CoreOption = "", as_json: JsonOption = False) -> None:
    """What every rack draws: metered by its PDUs, summed over its devices, and how much of that was read."""
    found = _asked("racks", config, core)
    if as_json:
        print_json(found)
        return
    rows = []
    for rack in found["items"]:
        by = {told["source"]: told for told in rack["power"]}
        metered, summed = by.get("pdu"), by.get("sum")
        budget = rack["budget_watts"]
        rows.append((rack["rack"], _watts(metered), _coverage(metered), _watts(summed), _coverage(summed), budget))
    print_table(("rack", "metered_w", "pdus_read", "summed_w", "devices_read", "budget_w"), rows, right=("pdus_read",))
    for rack in found["items"]:
        unread = [name for told in rack["power"] for name in told["unread"]]
        if unread:
            typer.echo(f"{rack['rack']}: not read: {', '.join(unread)}")


def storage(*, config: ConfigOption = None, core: CoreOption = "", as_json: JsonOption = False) -> None:
    """Storage clusters: how full, how fast beside what they were bought for, how late, what is broken."""
    found = _asked("storage", config, core)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            cluster["storage"],
            cluster["kind"],
            _word(cluster["up"]),
            _full(cluster),
            _flow(cluster, "read"),
            _flow(cluster, "write"),
            _slowest(cluster["latency_seconds"]),
            _bad_drives(cluster["drives"]),
            sum(cluster["events_open"].values()) if cluster["events_open"] else None,
            _sum([node["watts"] for node in cluster["nodes"]]),
        )
        for cluster in found["items"]
    ]
    names = ("storage", "kind", "up", "full", "read", "write", "slowest", "drives_bad", "events", "watts")
    print_table(names, rows, right=("full", "read", "write", "slowest"))


def fabric(*, config: ConfigOption = None, core: CoreOption = "", as_json: JsonOption = False) -> None:
    """Switches, who hangs on each, and the running jobs that its failure would touch."""
    found = _asked("fabric", config, core)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            switch["switch"],
            switch["model"],
            switch["rack"],
            _word(switch["up"]),
            None if switch["ports"] is None else f"{switch['ports_up']} of {switch['ports']}",
            None if switch["watts"] is None else round(switch["watts"]),
            switch["source"],
            len(switch["nodes"]),
            " ".join(switch["jobs"]),
        )
        for switch in found["items"]
    ]
    print_table(("switch", "model", "rack", "up", "ports_up", "watts", "source", "servers", "jobs"), rows, right=("ports_up",))
    for wrong in found["misplaced"]:
        cable, own = wrong["found"], wrong["written"]
        typer.echo(
            f"{cable['node']} {cable['device']} hangs on {cable['switch']} {cable['port']} ({cable['source']}); "
            f"the inventory says {own['switch']} {own['port']}".rstrip()
        )


def _asked(what: str, given: Any, core: str) -> dict[str, Any]:
    from wattstat import config
    from wattstat.api.live import CoreUnavailable, Live
    from wattstat.values import local_url

    if not core:
        settings = config.load(config_path(given))
        core = settings.web.core_url or local_url(settings.core.listen)

    async def ask() -> dict[str, Any]:
        live = Live(core)
        try:
            return await live.premises(what)
        finally:
            await live.close()

    try:
        return asyncio.run(ask())
    except CoreUnavailable as err:
        fail(str(err))


def _watts(told: Mapping[str, Any] | None) -> int | None:
    return None if told is None or told["watts"] is None else round(told["watts"])


def _coverage(told: Mapping[str, Any] | None) -> str | None:
    return None if told is None else f"{told['measured']} of {told['expected']}"


def _word(up: bool | None) -> str:
    return "not read" if up is None else "yes" if up else "no"


def _full(cluster: Mapping[str, Any]) -> str | None:
    used, size = cluster["capacity_bytes"].get("used"), cluster["size_bytes"]
    return None if used is None or not size else f"{100 * used / size:.0f} %"


def _flow(cluster: Mapping[str, Any], direction: str) -> str | None:
    flow, design = (cluster[name].get(direction) for name in ("throughput_bytes_per_second", "design_bytes_per_second"))
    if flow is None:
        return None
    share = f" ({100 * flow / design:.0f} %)" if design else ""
    return f"{flow / 1e9:.2f} GB/s{share}"


def _slowest(latency: Mapping[str, float]) -> str | None:
    if not latency:
        return None
    protocol = max(latency, key=latency.__getitem__)
    return f"{1000 * latency[protocol]:.1f} ms {protocol}"


def _bad_drives(drives: Mapping[str, float]) -> int | None:
    """Drives that are anything but good, by the devices' own words for good."""
    if not drives:
        return None
    from wattstat.catalogue.storage import GOOD_DRIVES

    return round(sum(count for state, count in drives.items() if state.lower() not in GOOD_DRIVES))


def _sum(watts: Sequence[float | None]) -> int | None:
    known = [each for each in watts if each is not None]
    return round(sum(known)) if known and len(known) == len(watts) else None
