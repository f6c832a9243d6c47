"""`wattstat serve`: core and web under one supervisor. `wattstat core` and `wattstat web` are its parts."""

from __future__ import annotations

from typing import Annotated

import typer

from wattstat.cli.options import ConfigOption, config_path

InsecureOption = Annotated[bool, typer.Option("--insecure", help="Listen beyond loopback although nobody has to log in.")]


def serve(*, config: ConfigOption = None, insecure: InsecureOption = False) -> None:
    """Run Wattstat: collect, keep history, show. Restarts what dies; stops cleanly on SIGTERM."""
    from wattstat.serve.commands import run_serve

    run_serve(config_path(config), insecure=insecure)


def core(*, config: ConfigOption = None) -> None:
    """Run only the process that talks to devices (`serve` starts it; a large site may run several)."""
    from wattstat.serve.commands import run_core

    run_core(config_path(config))


def web(*, config: ConfigOption = None, insecure: InsecureOption = False) -> None:
    """Run only the process that shows (`serve` starts it)."""
    from wattstat.serve.commands import run_web

    run_web(config_path(config), insecure=insecure)
