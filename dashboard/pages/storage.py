"""Storage `/storage`: is the data path the reason that GPUs starve, and when is it full."""

from __future__ import annotations

import asyncio
from typing import Any

from dash import Dash, Input, Output, dcc, html, no_update
from dash.development.base_component import Component

from dashboard import address, queries, words
from dashboard.components import charts, empty, frame, parts, storagecards, storagehistory, storageparts
from dashboard.components.charts import Chart
from dashboard.components.storagecards import GROWTH_SECONDS, PACE_SECONDS, USUAL_SECONDS, Growth
from dashboard.devices import Plant
from dashboard.fabricstate import by_place
from dashboard.markup import Children, Markup, filled, tag
from dashboard.problem import Level
from dashboard.services import Services
from dashboard.storagestate import Cluster, clusters, readers
from dashboard.timerange import parse
from wattstat.api.live import CoreUnavailable
from wattstat.store.protocol import QueryError

_GROWTH_KEPT = 60.0
_MOST_NAMED = 60


def layout() -> Component:
    """The frame, filled by the callbacks."""
    figure = frame.graph("storage-path", "Throughput, latency and the utilization of the readers' GPUs on one time axis")
    return html.Div(
        [
            dcc.Interval(id="storage-tick", interval=10_000),
            dcc.Store(id="storage-beat"),
            dcc.Store(id="storage-fill"),
            html.Div(id="storage-notice", className="notices"),
            frame.panel("Clusters", html.Div(frame.skeleton(), id="storage-clusters", className="clusters"),
                        panel_id="storage-clusters-panel"),
            html.Div(
                [
                    frame.panel("Is it the data path?", [html.Div(id="storage-verdict", className="verdict"), figure],
                                panel_id="storage-path-panel", tools=html.Span(id="storage-path-name", className="quiet")),
                    frame.panel("Components", html.Div(frame.skeleton(), id="storage-parts-body"),
                                panel_id="storage-parts-panel", tools=html.Span(id="storage-parts-name", className="quiet")),
                ],
                className="storage-below",
            ),
        ],
        className="page storage-page",
    )  # fmt: skip


def register(app: Dash, services: Services) -> None:
    """One callback for the present, one for history."""

    @app.callback(Output("storage-fill", "data"), Input("storage-beat", "data"), Input("url", "search"))
    async def present(_beat: int | None, search: str | None) -> dict[str, str]:
        try:
            plant, zone = await asyncio.gather(services.storage(), services.zone())
        except CoreUnavailable as error:
            return filled({"storage-notice": parts.blind(error)})
        found = clusters(plant)
        if not found:
            return filled(nothing())
        growth, pace = await asyncio.gather(*(growing(services, seconds) for seconds in (GROWTH_SECONDS, PACE_SECONDS)))
        asked, usual = address.given(search or "").get("cluster", ""), await usual_latency(services)
        cluster = storagecards.chosen(found, asked, usual)
        shown = storagecards.Shown(
            now=services.clock(), zone=zone, search=search or "", chosen="" if cluster is None else cluster.name,
            growth=growth, pace=pace, usual=usual,
        )  # fmt: skip
        return filled(bodies(found, shown, plant) | {"storage-notice": notices(found, asked)})

    @app.callback(Output("storage-path-data", "data"), Input("storage-beat", "data"), Input("url", "search"))
    async def history(_beat: int | None, search: str | None) -> Any:
        chart = await services.chart(search or "")
        try:
            plant = await services.storage()
        except CoreUnavailable:
            return no_update
        asked = address.given(search or "").get("cluster", "")
        cluster = storagecards.chosen(clusters(plant), asked, await usual_latency(services))
        if chart is None or cluster is None:
            return no_update
        try:
            found = await of_cluster(services, cluster, readers(cluster.entry, plant.inventory), chart)
        except QueryError as error:
            return charts.failed(error, chart, "storage-path-panel-age")
        return path(found, cluster, chart)


def path(found: storagehistory.StorageHistory, cluster: Cluster, chart: Chart) -> charts.Figure:
    """The chart, and above it what it says."""
    series = [*found.throughput, *found.latency]
    drawn = charts.drawn(storagehistory.figure(found, cluster, chart), chart, "storage-path-panel-age", series)
    said = storagehistory.verdict(found, cluster, is_live=chart.is_live)
    words_of = [parts.badge(said.level, said.word), tag("span", f"{said.why[:1].upper()}{said.why[1:]}")]
    drawn["fill"] |= filled({"storage-verdict": words_of})
    return drawn


async def growing(services: Services, seconds: int) -> dict[str, Growth]:
    """How each cluster fills over a time, as far as history tells."""
    try:
        rates, known = await asyncio.gather(
            services.instant(queries.storage_growth(seconds), _GROWTH_KEPT),
            services.instant(queries.storage_known(seconds), _GROWTH_KEPT),
        )
    except QueryError:
        return {}  # the page is worth more than its forecast
    spans = {one.labels["storage"]: one.values[-1] for one in known if "storage" in one.labels}
    return {
        name: Growth(bytes_per_second=one.values[-1], over_seconds=spans[name])
        for one in rates
        if (name := one.labels.get("storage", "")) in spans
    }


async def usual_latency(services: Services) -> dict[tuple[str, str], float]:
    """The median of the last day, by cluster and protocol."""
    try:
        return by_place(
            await services.instant(queries.storage_usual_latency(USUAL_SECONDS), _GROWTH_KEPT), "storage", "protocol"
        )
    except QueryError:
        return {}


async def of_cluster(services: Services, cluster: Cluster, servers: list[str], chart: Chart) -> storagehistory.StorageHistory:
    """What history has of a cluster and of those who read from it. Raises `QueryError`."""
    name, window = cluster.name, chart.window
    expressions = [
        queries.storage_throughput(name, window), queries.storage_latency(name, window),
        queries.storage_class_latency(name, window),
    ]  # fmt: skip
    if servers:
        expressions.append(queries.readers_utilization(tuple(servers) if cluster.entry.readers else (), window))
    answers = await asyncio.gather(*(services.range(expression, chart.span) for expression in expressions))
    throughput, latency, classes, *busy = (answer.series for answer in answers)
    return storagehistory.StorageHistory(
        throughput=throughput, latency=latency, classes=classes, readers=busy[0] if busy else ()
    )


def bodies(found: list[Cluster], shown: storagecards.Shown, plant: Plant) -> dict[str, Children]:
    """What each panel holds."""
    cluster = next((each for each in found if each.name == shown.chosen), None)
    name = "" if cluster is None else cluster.name
    served = [] if cluster is None else readers(cluster.entry, plant.inventory)
    named = ", ".join(served[:_MOST_NAMED]) + (f" and {len(served) - _MOST_NAMED:,} more" if len(served) > _MOST_NAMED else "")
    read_by = tag("span", f"{name}, read by {words.plural(len(served), 'server')}", title=named or None)
    ages = [each.age_seconds for each in found if each.age_seconds is not None]
    late = max(90.0, 3.0 * parse(shown.search, shown.now).refresh_seconds)
    return {
        "storage-clusters": storagecards.cards(found, shown),
        "storage-clusters-panel-age": parts.age(min(ages, default=None), shown.now, late_after=late),
        "storage-path-name": read_by if name else None,
        "storage-parts-name": name,
        "storage-parts-body": None if cluster is None else
        [storageparts.summary(cluster), storageparts.table(cluster), storageparts.pools(cluster)],
    }  # fmt: skip


def notices(found: list[Cluster], asked: str) -> list[Markup]:
    """What must be known before the numbers are believed."""
    said: list[Markup] = []
    if asked and asked not in {each.name for each in found}:
        said.append(parts.notice("Address.", f"There is no storage cluster “{asked}”.", Level.WARNING))
    return said


def nothing() -> dict[str, Children]:
    """No cluster is configured: how to."""
    blank = tag("p", "Nothing to show.", class_="empty")
    return {
        "storage-notice": None, "storage-clusters": empty.storage(), "storage-parts-body": blank, "storage-verdict": blank,
        "storage-clusters-panel-age": None,
    }  # fmt: skip
