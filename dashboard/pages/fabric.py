"""Fabric `/fabric`: is the network the reason, which cable is to blame, and what hangs on a leaf."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from dash import Dash, Input, Output, dcc, html, no_update
from dash.development.base_component import Component

from dashboard import address, fabricharm, fabricread, queries, words
from dashboard.components import (
    charts,
    empty,
    energyreport,
    fabriccables,
    fabrichistory,
    fabricmatrix,
    fabricrails,
    fabricswitches,
    frame,
    parts,
)
from dashboard.devices import Plant
from dashboard.fabricharm import Dark, Job, Suspect
from dashboard.fabricstate import Cable, Cell, SwitchState, switches
from dashboard.markup import Children, Markup, filled, tag
from dashboard.problem import Level
from dashboard.services import Services
from dashboard.state import natural
from dashboard.timerange import parse
from wattstat.api.live import CoreUnavailable
from wattstat.store.protocol import QueryError

MOST_ROWS = 48
ROWS = [("wrong", "Trouble first"), ("name", "By name")]


def layout() -> Component:
    """The frame, filled by the callbacks."""

    def panel(title: str, panel_id: str) -> Component:
        body = html.Div(frame.skeleton(), id=f"{panel_id}-body", className="panel-body")
        return frame.panel(title, body, panel_id=panel_id, tools=html.Div(id=f"{panel_id}-tools", className="tools"))

    errors = frame.graph("fabric-errors", "Errors and bit error ratio of the worst ports over the chosen time, on a log scale")
    return html.Div(
        [
            dcc.Interval(id="fabric-tick", interval=10_000),
            dcc.Store(id="fabric-beat"),
            dcc.Store(id="fabric-fill"),
            html.Div(id="fabric-notice", className="notices"),
            html.Div(
                [
                    html.Div([panel("Links", "fabric-matrix"), panel("Traffic by rail", "fabric-rails")], className="stack"),
                    html.Div(
                        [
                            panel("Cables to reseat", "fabric-cables"),
                            frame.panel("Error rates", errors, panel_id="fabric-errors-panel"),
                            panel("Congestion", "fabric-congestion"),
                        ],
                        className="stack",
                    ),
                ],
                className="fabric-top",
            ),
            html.Div(
                [panel("Switches", "fabric-switches"), panel("If this leaf fails", "fabric-leaf")], className="fabric-below"
            ),
        ],
        className="page fabric-page",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the page shows of the present."""

    plant: Plant
    switches: list[SwitchState]
    dark: list[Dark]
    suspects: list[Suspect]
    servers: list[str]
    rows: dict[str, list[Cell]]
    traffic: fabricread.Traffic
    congestion: fabricread.Congestion
    leaf: str
    cables: list[Cable]
    jobs: list[Job]
    search: str
    now: float
    zone: tzinfo


def register(app: Dash, services: Services) -> None:
    """One callback for the present, one for history."""

    @app.callback(Output("fabric-fill", "data"), Input("fabric-beat", "data"), Input("url", "search"))
    async def present(_beat: int | None, search: str | None) -> dict[str, str]:
        try:
            seen = await read(services, search or "")
        except CoreUnavailable as error:
            return filled({"fabric-notice": parts.blind(error)})
        except QueryError as error:
            return filled({"fabric-notice": parts.notice("History does not answer.", str(error))})
        return filled(nothing() if not seen.switches and not seen.servers else bodies(seen))

    @app.callback(Output("fabric-errors-data", "data"), Input("fabric-beat", "data"), Input("url", "search"))
    async def history(_beat: int | None, search: str | None) -> Any:
        chart = await services.chart(search or "")
        if chart is None:
            return no_update
        try:
            jobs = fabricharm.by_node(fabricharm.jobs_now(await services.alive()))
            found, chosen = await fabricread.history(services, await fabricread.suspects(services, jobs), chart)
        except CoreUnavailable:
            return no_update
        except QueryError as error:
            return charts.failed(error, chart, "fabric-errors-panel-age")
        drawn = fabrichistory.figure(found, chosen, chart)
        return charts.drawn(drawn, chart, "fabric-errors-panel-age", [*found.symbols, *found.packets, *found.ratios])


async def read(services: Services, search: str) -> Seen:
    """All that the page shows now. Raises `CoreUnavailable`, `QueryError`."""
    plant, alive, zone = await asyncio.gather(services.switches(), services.alive(), services.zone())
    jobs = fabricharm.jobs_now(alive)
    up, ports, servers, traffic, congestion = await asyncio.gather(
        services.instant(queries.PORTS_UP), services.instant(queries.PORTS), fabricread.servers(services),
        fabricread.traffic(services), fabricread.congestion(services),
    )  # fmt: skip
    found = switches(plant, up, ports)
    dark = await fabricread.dark(services, found, jobs)
    suspects = await fabricread.suspects(services, fabricharm.by_node(jobs), [each.switch for each in dark])
    leaf = chosen_leaf(found, address.given(search).get("leaf", ""))
    shown = rows(servers, suspects, address.given(search).get("rows", ROWS[0][0]))
    matrix, cables = await asyncio.gather(fabricread.matrix(services, shown, suspects), _leaf(services, leaf))
    return Seen(
        plant=plant, switches=found, dark=dark, suspects=suspects, servers=servers, rows=matrix, traffic=traffic,
        congestion=congestion, leaf=leaf, cables=cables, jobs=jobs, search=search, now=services.clock(), zone=zone,
    )  # fmt: skip


async def _leaf(services: Services, leaf: str) -> list[Cable]:
    return await fabricread.leaf(services, leaf) if leaf else []


def chosen_leaf(found: list[SwitchState], asked: str) -> str:
    """The switch that an address names; else the leaf in the worst state."""
    if asked:
        return asked
    leaves = [each for each in found if each.entry.role == "leaf"] or found
    worst = max(leaves, key=lambda each: each.level, default=None)
    return "" if worst is None else worst.name


def rows(servers: list[str], suspects: list[Suspect], order: str) -> list[str]:
    """The servers of the matrix: as many as anybody reads, those with a suspect cable first unless by name."""
    if order == "name":
        return sorted(servers, key=natural)[:MOST_ROWS]
    troubled = dict.fromkeys(each.cable.node for each in suspects if each.cable)
    return [*troubled, *(name for name in servers if name not in troubled)][:MOST_ROWS]


def bodies(seen: Seen) -> dict[str, Children]:
    """What each panel holds."""
    search = seen.search
    order = address.given(search).get("rows", ROWS[0][0])
    age = min((each.age_seconds for each in seen.switches if each.age_seconds is not None), default=None)
    late = max(150.0, 3.0 * parse(search, seen.now).refresh_seconds)
    return {
        "fabric-notice": notices(seen),
        "fabric-matrix-tools": energyreport.switch("rows", ROWS, order, search, "Order of servers", path="/fabric"),
        "fabric-matrix-age": count(seen),
        "fabric-matrix-body": [fabricmatrix.table(seen.rows, search), fabricmatrix.legend()] if seen.rows else no_links(),
        "fabric-cables-body": fabriccables.table(seen.suspects, search, seen.dark),
        "fabric-rails-body": fabricrails.table(seen.traffic.receive, seen.traffic.transmit, seen.traffic.capacity),
        "fabric-congestion-body": fabriccables.congestion(
            seen.congestion.pauses, seen.congestion.marks, seen.congestion.servers, search
        ),
        "fabric-switches-age": parts.age(age, seen.now, late_after=late),
        "fabric-switches-body": fabricswitches.table(seen.switches, search, seen.now, seen.zone),
        "fabric-leaf-tools": tag("span", seen.leaf, class_="quiet"),
        "fabric-leaf-body": fabricrails.leaf(seen.leaf, seen.cables, seen.jobs, search) if seen.leaf else no_links(),
    }


def count(seen: Seen) -> str:
    """How many of the servers are shown."""
    return (
        words.plural(len(seen.servers), "server")
        if len(seen.rows) >= len(seen.servers)
        else f"{len(seen.rows)} of {len(seen.servers):,} servers"
    )


def no_links() -> Markup:
    return tag("p", "No cable is known: list them as links in inventory.yaml, or let UFM or LLDP tell.", class_="empty")


def notices(seen: Seen) -> list[Markup]:
    """What must be known before the rest is believed."""
    said: list[Markup] = []
    silent = [each.name for each in seen.switches if each.answer.level is Level.CRITICAL]
    if silent:
        names = ", ".join(silent[:5]) + (f" and {len(silent) - 5} more" if len(silent) > 5 else "")
        said.append(parts.notice("No answer.", f"{names}: of their ports only what the servers see is known."))
    if seen.leaf and seen.leaf not in {each.name for each in seen.switches}:
        said.append(parts.notice("Address.", f"The inventory has no switch “{seen.leaf}”.", Level.WARNING))
    return said


def nothing() -> dict[str, Children]:
    """Neither switches nor cables: how to."""
    blank = tag("p", "Nothing to show.", class_="empty")
    panels = ("cables", "rails", "congestion", "switches", "leaf")
    return {"fabric-notice": None, "fabric-matrix-body": empty.fabric(), **{f"fabric-{panel}-body": blank for panel in panels}}
