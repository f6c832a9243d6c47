"""`wattstat targets`: what each collector of a running core sees."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wattstat.cli.options import ConfigOption, JsonOption, config_path
from wattstat.cli.output import fail, print_items

if TYPE_CHECKING:
    from wattstat.api.live import CollectorState

_COLUMNS = ("collector", "target", "tier", "state", "age", "took", "samples", "error")


def targets(
    *,
    config: ConfigOption = None,
    core: Annotated[str, typer.Option(metavar="URL", help="Core's address; the configuration's unless given.")] = "",
    failing: Annotated[bool, typer.Option("--failing", help="Only what is not wholly well.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Ask the running core what each collector sees of each target. Exit code 1: core does not answer."""
    from wattstat.api.live import CoreUnavailable

    try:
        states = asyncio.run(_collectors(core or _core_url(config)))
    except CoreUnavailable as err:
        fail(str(err))
    now = time.time()
    chosen = sorted((state for state in states if not failing or not _is_well(state)), key=lambda it: (it.collector, it.target))
    items = [asdict(state) if as_json else _row(state, now) for state in chosen]
    print_items(_COLUMNS, items, as_json=as_json)


async def _collectors(url: str) -> list[CollectorState]:
    from wattstat.api.live import Live

    live = Live(url)
    try:
        return await live.collectors()
    finally:
        await live.close()


def _core_url(given: Any) -> str:
    from wattstat import config
    from wattstat.values import local_url

    settings = config.load(config_path(given))
    return settings.web.core_url or local_url(settings.core.listen)


def _is_well(state: CollectorState) -> bool:
    return not state.supported or (state.success is True and not state.resource_errors)


def _row(state: CollectorState, now: float) -> dict[str, Any]:
    errors = [state.error] if state.error else [f"{name}: {reason}" for name, reason in state.resource_errors.items()]
    return {
        "collector": state.collector,
        "target": state.target,
        "tier": state.tier,
        "state": _state(state),
        "age": None if state.last_success is None else f"{now - state.last_success:.0f} s",
        "took": None if state.duration_seconds is None else f"{state.duration_seconds:.2f} s",
        "samples": state.samples,
        "error": "; ".join(errors),
    }


def _state(state: CollectorState) -> str:
    if not state.supported:
        return "not supported"
    if state.circuit_open_until is not None:
        return f"left alone until {datetime.fromtimestamp(state.circuit_open_until, UTC):%H:%M:%S}Z"
    if state.success is None:
        return "not yet read"
    return "failing" if not state.success else "in part" if state.resource_errors else "well"
