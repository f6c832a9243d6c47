"""The web process: the public API, the Prometheus API of the store, the embedded store's scraper, the dashboard."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import structlog
import uvicorn
from fastapi import FastAPI

import dashboard.app
import wattstat
from alerts.room import Room
from energy.http import routes, services_routes
from energy.reports.inference import InferenceReports
from wattstat import corecall
from wattstat.api import access, alert_routes, docs_page, live_routes, own_metrics, power_routes, problems, prometheus
from wattstat.api.energy import EnergyReports
from wattstat.api.live import Live
from wattstat.api.power_calls import PowerCalls
from wattstat.config import Config
from wattstat.serve.alerting import open_room
from wattstat.serve.ledger import ledger_reports, site_zone
from wattstat.serve.process import parse_listen
from wattstat.serve.rehearsals import Rehearsals
from wattstat.store import Store, open_store
from wattstat.store.embedded import EmbeddedStore
from wattstat.store.scraper import Scraper

log = structlog.get_logger(__name__)


def core_url(config: Config) -> str:
    """Where this web process finds its core."""
    return config.web.core_url or parse_listen(config.core.listen).url


def application(
    store: Store,
    live: Live,
    config: Config,
    reports: EnergyReports | None = None,
    *,
    power: PowerCalls | None = None,
    alerts: Room | None = None,
    insecure: bool = False,
) -> FastAPI:
    """The whole site: what is asked for by `/api`, by Prometheus' paths, and by people. `reports`: None without a ledger.

    `insecure`: strangers may look where nobody could log in.
    """
    app = FastAPI(
        title="Wattstat",
        version=wattstat.__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        description="Every watt and every joule of a GPU cluster. Energies are joules, powers watts, times RFC 3339 UTC.",
    )
    problems.install(app)
    app.include_router(live_routes.router(live))
    app.include_router(live_routes.premises_router(live))
    app.include_router(live_routes.forwarding(live))
    desk = None if alerts is None else alerts.desk
    app.include_router(prometheus.router(store, desk))
    if alerts is not None:
        app.include_router(alert_routes.router(alerts.desk, zone=site_zone(config)))
        app.include_router(own_metrics.router(alerts.exposition))
    rehearse = Rehearsals(store, live, config)
    if power is not None:
        app.include_router(power_routes.router(power, rehearse))
    if reports is not None:
        books = reports.reports if isinstance(reports, InferenceReports) else reports
        app.include_router(routes.router(reports, config.energy, learn_from=books, zone=site_zone(config)))
        app.include_router(services_routes.router(reports, store, zone=site_zone(config)))
    docs_page.install(app)
    who = access.identity(config.access, config.data_dir, open_to_viewers=insecure and not config.access.somebody_can_log_in)
    access.add_routes(app, who)
    dashboard.app.create(app, store, live, reports=reports, power=power, rehearse=rehearse, alerts=desk)
    access.guard(app, who)
    return app


async def run(config: Config, stop: asyncio.Event, *, insecure: bool = False) -> None:
    """Serve until `stop` is set; then flush the store and return."""
    store = open_store(config)
    live = Live(core_url(config))
    power = PowerCalls(core_url(config), corecall.key_path(config.data_dir, config.core.key_file))
    reports = ledger_reports(config) if config.energy.enabled else None
    answering = InferenceReports(reports=reports, store=store, loop=asyncio.get_running_loop()) if reports is not None else None
    room = open_room(config, store, live)
    address = parse_listen(config.web.listen)
    server = _Server(
        uvicorn.Config(
            application(store, live, config, answering, power=power, alerts=room, insecure=insecure or config.web.insecure),
            host=address.host,
            port=address.port,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=3,
            proxy_headers=False,  # uvicorn would believe them; whom to believe is access's matter
            server_header=False,
        )
    )
    try:
        async with _scraping(config, store):
            serving = asyncio.ensure_future(server.serve())
            stopping = asyncio.ensure_future(stop.wait())
            alerting = asyncio.ensure_future(room.run(stop))
            log.info("web is up", url=address.url)
            await asyncio.wait({serving, stopping, alerting}, return_when=asyncio.FIRST_COMPLETED)
            stop.set()
            server.should_exit = True
            stopping.cancel()
            await asyncio.gather(serving, alerting)
    finally:
        await live.close()
        await power.close()
        await room.close()
        await store.close()
        if reports is not None:
            reports.close()
        log.info("web stopped")


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: the process has its own, and they must both flush the store."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def _scraping(config: Config, store: Store) -> AsyncIterator[None]:
    """Fill the embedded store while the body runs; a remote store is filled by its own Prometheus."""
    if not isinstance(store, EmbeddedStore):
        yield
        return
    scraper = Scraper(store, core_url(config) + "/metrics", every_seconds=config.store.embedded.scrape_seconds)
    scraping = asyncio.ensure_future(scraper.run())
    try:
        yield
    finally:
        scraping.cancel()
        await asyncio.gather(scraping, return_exceptions=True)
