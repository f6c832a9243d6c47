"""What the page of the fabric asks of history: always for what is worst or shown, never for every port of the hall."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from dashboard import fabricharm, queries
from dashboard.components.charts import Chart
from dashboard.components.fabrichistory import MOST, FabricHistory
from dashboard.fabricharm import ERROR_SECONDS, FLAP_SECONDS
from dashboard.fabricstate import Cable, Cell, Ends, Place, SwitchState, by_label, by_place, cables, cells
from dashboard.services import Services
from dashboard.state import natural
from wattstat.store.protocol import Series

MATRIX_SECONDS = 900
RATE_SECONDS = 300
_MOST_DARK = 12
_PORT = ("switch", "port")
_ADAPTER = ("node", "device")


async def dark(services: Services, found: Sequence[SwitchState], jobs: Sequence[fabricharm.Job]) -> list[fabricharm.Dark]:
    """Switches that took their links along, and whose GPUs wait for them. Raises `QueryError`."""
    links, down = await _all(services, queries.LINKS, queries.LINKS_DOWN)
    without = fabricharm.dark(found, by_label(links, "switch"), by_label(down, "switch"))[:_MOST_DARK]
    ends = await asyncio.gather(*(leaf(services, each.switch) for each in without))
    return [
        replace(each, jobs=fabricharm.behind((cable.node for cable in their), jobs))
        for each, their in zip(without, ends, strict=True)
    ]


async def suspects(
    services: Services, jobs: Mapping[str, Sequence[fabricharm.Job]], dark: Sequence[str] = ()
) -> list[fabricharm.Suspect]:
    """Cables that something speaks against, but for those of switches that are `dark` themselves. Raises `QueryError`."""
    of_ports, of_adapters = await asyncio.gather(
        _all(
            services, queries.ports_flapping(FLAP_SECONDS), queries.ports_symbol_errors(ERROR_SECONDS),
            queries.ports_packet_errors(ERROR_SECONDS), queries.PORTS_BIT_ERRORS, queries.ports_down(dark),
        ),
        _all(
            services, queries.adapters_flapping(FLAP_SECONDS), queries.adapters_symbol_errors(ERROR_SECONDS),
            queries.adapters_down(dark), queries.ADAPTERS_SLOW,
        ),
    )  # fmt: skip
    _, symbols, packets, ratios, down = of_ports
    _, their_symbols, adapters_down, slow = of_adapters
    switches, ports = _apart({place for series in of_ports for place in by_place(series, *_PORT)})
    nodes = sorted({node for series in of_adapters for node, _ in by_place(series, *_ADAPTER)})
    links, light, flaps = await _of_ports(services, switches, ports)
    of_nodes, rates, their_flaps = await _of_nodes(services, nodes)
    seen = fabricharm.Seen(
        flaps=by_place(flaps, *_PORT),
        symbol_errors=by_place(symbols, *_PORT),
        packet_errors=by_place(packets, *_PORT),
        bit_error_ratio=by_place(ratios, *_PORT),
        down=by_place(down, *_PORT),
        adapters_down=by_place(adapters_down, *_ADAPTER),
        adapters_slow=by_place(slow, *_ADAPTER),
        adapters_flaps=by_place(their_flaps, *_ADAPTER),
        adapters_symbol_errors=by_place(their_symbols, *_ADAPTER),
        light_dbm=by_place(light, *_PORT),
        rates=by_place(rates, *_ADAPTER),
    )
    found = fabricharm.suspects(seen, cables([*links, *of_nodes]), jobs)
    return [each for each in found if each.switch not in dark]


async def _of_ports(services: Services, switches: list[str], ports: list[str]) -> list[tuple[Series, ...]]:
    """Cables, light and flaps of some ports."""
    if not ports:
        return [(), (), ()]
    return await _all(
        services, queries.port_links(switches, ports), queries.ports_light(switches, ports),
        queries.ports_flaps(switches, ports, FLAP_SECONDS),
    )  # fmt: skip


async def _of_nodes(services: Services, nodes: list[str]) -> list[tuple[Series, ...]]:
    """Cables, rates and flaps of several servers."""
    if not nodes:
        return [(), (), ()]
    return await _all(
        services, queries.fabric_links(nodes), queries.adapters_rate(nodes), queries.adapters_flaps(nodes, FLAP_SECONDS)
    )


async def matrix(services: Services, nodes: Sequence[str], known: Iterable[fabricharm.Suspect]) -> dict[str, list[Cell]]:
    """The links of some servers, as both ends see them, and which of them come and go. Raises `QueryError`."""
    if not nodes:
        return {}
    found = cables((await _all(services, queries.fabric_links(nodes)))[0])
    switches = sorted({cable.switch for cable in found})
    asked = [queries.adapters_active(nodes), queries.adapters_rate(nodes), queries.adapters_errors(nodes, MATRIX_SECONDS)]
    if switches:
        asked += [
            queries.ports_up(switches), queries.ports_speed(switches), queries.ports_symbol_errors_of(switches, MATRIX_SECONDS),
        ]  # fmt: skip
    active, rates, errors, *of_switches = await _all(services, *asked)
    up, speeds, symbols = of_switches or ((), (), ())
    ends = Ends(
        active=by_place(active, *_ADAPTER),
        rates=by_place(rates, *_ADAPTER),
        errors=by_place(errors, *_ADAPTER),
        up=by_place(up, *_PORT),
        speeds=by_place(speeds, *_PORT),
        symbol_errors=by_place(symbols, *_PORT),
        flapping={(each.cable.node, each.cable.device) for each in known if each.cable and each.evidence.flaps},
    )
    by_node = cells(found, ends)
    return {node: by_node[node] for node in nodes if node in by_node}


async def servers(services: Services) -> list[str]:
    """All servers of which a cable is known, those with most of them first. Raises `QueryError`."""
    found = by_label(await services.instant(queries.FABRIC_SERVERS), "node")
    return sorted(found, key=lambda node: (-found[node], natural(node)))


async def leaf(services: Services, switch: str) -> list[Cable]:
    """The cables of servers to a switch. Raises `QueryError`."""
    return cables(await services.instant(queries.leaf_links(switch)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Bytes a second by rail, and what each could carry."""

    receive: Mapping[str, float]
    transmit: Mapping[str, float]
    capacity: Mapping[str, float]


async def traffic(services: Services) -> Traffic:
    """Raises `QueryError`."""
    receive, transmit, capacity = await _all(
        services,
        queries.rail_traffic("receive", RATE_SECONDS),
        queries.rail_traffic("transmit", RATE_SECONDS),
        queries.RAIL_CAPACITY,
    )
    return Traffic(receive=by_label(receive, "rail"), transmit=by_label(transmit, "rail"), capacity=by_label(capacity, "rail"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Congestion:
    """Pause frames a second by switch, port and direction; packets a second marked; the servers behind."""

    pauses: Mapping[tuple[str, str, str], float]
    marks: Mapping[Place, float]
    servers: Mapping[Place, str]


async def congestion(services: Services) -> Congestion:
    """Raises `QueryError`."""
    pauses, marks = await _all(services, queries.pauses(RATE_SECONDS), queries.congestion_marks(RATE_SECONDS))
    told = {
        (one.labels.get("switch", ""), one.labels.get("port", ""), one.labels.get("direction", "")): one.values[-1]
        for one in pauses
        if len(one.values)
    }
    marked = by_place(marks, *_PORT)
    ports = {(switch, port) for switch, port, _ in told} | marked.keys()
    links = await services.instant(queries.port_links(*_apart(ports))) if ports else ()
    behind = {(cable.switch, cable.port): cable.node for cable in cables(links)}
    return Congestion(pauses=told, marks=marked, servers=behind)


async def history(services: Services, worst: Iterable[fabricharm.Suspect], chart: Chart) -> tuple[FabricHistory, list[Place]]:
    """Errors over time of the ports with most of them, and which these are. Raises `QueryError`."""
    counted = [
        each for each in worst if each.evidence.symbol_errors or each.evidence.packet_errors or each.evidence.bit_error_ratio
    ]
    chosen = [(each.switch, each.port) for each in counted[:MOST]]
    if not chosen:
        return FabricHistory(), []
    switches, ports = _apart(chosen)
    asked = (
        queries.symbol_error_rate(switches, ports, chart.window), queries.packet_error_rate(switches, ports, chart.window),
        queries.bit_error_ratio(switches, ports, chart.window),
    )  # fmt: skip
    symbols, packets, ratios = await asyncio.gather(*(services.range(expression, chart.span) for expression in asked))
    return FabricHistory(symbols=symbols.series, packets=packets.series, ratios=ratios.series), chosen


async def _all(services: Services, *expressions: str) -> list[tuple[Series, ...]]:
    return list(await asyncio.gather(*(services.instant(expression) for expression in expressions)))


def _apart(places: Iterable[Place]) -> tuple[list[str], list[str]]:
    listed = list(places)
    return sorted({switch for switch, _ in listed}), sorted({port for _, port in listed})
