"""`wattstat demo`: a simulated hall and everything that watches it, live, on this machine and without root."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NodesOption = Annotated[
    int, typer.Option(min=1, max=1000, help="Servers, in the proportions of the reference design (16 have 88 GPUs).")
]
PortOption = Annotated[
    int, typer.Option(min=1, max=65535, help="Where the page is. A second demo beside the first needs another.")
]
DataOption = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Keep everything here, not in a temporary folder that is removed at the end."),
]
SeedOption = Annotated[int, typer.Option(help="The same seed gives the same hall and jobs.")]
HistoryOption = Annotated[float, typer.Option("--history-hours", min=0, help="How much history to make up before going live.")]
NoBrowserOption = Annotated[bool, typer.Option("--no-browser", help="Do not open a browser.")]


def demo(
    *,
    nodes: NodesOption = 16,
    port: PortOption = 8050,
    data: DataOption = None,
    seed: SeedOption = 4,
    history_hours: HistoryOption = 24,
    no_browser: NoBrowserOption = False,
) -> None:
    """Watch a simulated hall: servers, GPUs, jobs, a day of history, and faults to try. Ctrl-C stops it."""
    from wattstat.serve.process import require_extra

    require_extra("simulator", "redfish", "fastapi", "dash", "duckdb", "numpy", "pyarrow", "cryptography")
    from wattstat.serve.demo import DemoOptions, run_demo

    options = DemoOptions(nodes=nodes, port=port, data=data, seed=seed, history_hours=history_hours, browser=not no_browser)
    raise typer.Exit(run_demo(options))
