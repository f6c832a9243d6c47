"""What `wattstat serve`, `core` and `web` do: check first, then run until a signal comes."""

from __future__ import annotations

import asyncio
from pathlib import Path

from wattstat.config import Config, load
from wattstat.serve.feed import inventories
from wattstat.serve.last_resort import last_resort
from wattstat.serve.process import (
    die_with_parent,
    parse_listen,
    require_extra,
    require_free,
    require_loopback,
    set_up_logging,
    stop_event,
)
from wattstat.serve.supervisor import Program, supervise

SERVER = ("server", "redfish", "fastapi", "dash", "duckdb", "promql_parser")


def run_serve(path: Path | None, *, insecure: bool) -> None:
    """Check the configuration and both addresses, then supervise core and web."""
    set_up_logging()
    require_extra(*SERVER)
    config = _checked(path, insecure=insecure)
    for setting, listen in (("core.listen", config.core.listen), ("web.listen", config.web.listen)):
        require_free(parse_listen(listen), setting=setting)
    named = ["--config", str(path)] if path else []
    programs = (
        Program(name="core", arguments=["core", *named]),
        # Not core: what it holds, nobody may take from it by a guess.
        Program(
            name="web",
            arguments=["web", *named, *(["--insecure"] if insecure else [])],
            address=parse_listen(config.web.listen),
        ),
    )

    voice = last_resort(config)

    async def run() -> None:
        stop = stop_event()
        await asyncio.gather(supervise(programs, stop), *([] if voice is None else [voice.run(stop)]))

    asyncio.run(run())


def run_core(path: Path | None) -> None:
    """The core process."""
    set_up_logging()
    require_extra(*SERVER)
    from wattstat.serve import core  # noqa: PLC0415 - each process pays only for its own imports

    die_with_parent()
    config = load(path)

    async def run() -> None:
        stop = stop_event()
        await core.run(config, inventories(config), stop)

    asyncio.run(run())


def run_web(path: Path | None, *, insecure: bool) -> None:
    """The web process."""
    set_up_logging()
    require_extra(*SERVER)
    from wattstat.serve import web  # noqa: PLC0415 - each process pays only for its own imports

    die_with_parent()
    config = _checked(path, insecure=insecure)

    async def run() -> None:
        await web.run(config, stop_event(), insecure=insecure)

    asyncio.run(run())


def _checked(path: Path | None, *, insecure: bool) -> Config:
    """The configuration, refused where it would let strangers in."""
    config = load(path)
    require_loopback(parse_listen(config.core.listen), setting="core.listen", insecure=insecure or config.web.insecure)
    require_loopback(
        parse_listen(config.web.listen),
        setting="web.listen",
        insecure=insecure or config.web.insecure,
        guarded=config.access.somebody_can_log_in,
    )
    return config
