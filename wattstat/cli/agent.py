"""`wattstat agent`: the small process on a GPU node."""

from __future__ import annotations

from typing import Annotated

import typer

from wattstat.cli.options import ConfigOption, config_path

InsecureOption = Annotated[bool, typer.Option("--insecure", help="Listen beyond loopback although no token is asked for.")]


def agent(*, config: ConfigOption = None, insecure: InsecureOption = False) -> None:
    """Measure this node's GPUs and processors, and serve the readings. Stops cleanly on SIGTERM."""
    import asyncio

    from wattstat.config import load
    from wattstat.serve.agent import listen_address, run
    from wattstat.serve.process import set_up_logging, stop_event

    settings = load(config_path(config))
    if insecure:
        settings = settings.model_copy(update={"agent": settings.agent.model_copy(update={"insecure": True})})
    listen_address(settings)
    set_up_logging()

    async def main() -> None:
        await run(settings, stop_event())

    asyncio.run(main())
