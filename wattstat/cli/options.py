"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_CONFIG = Path("wattstat.yaml")

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        envvar="WATTSTAT_CONFIG",
        metavar="FILE",
        help="The configuration; wattstat.yaml in this folder, if there is one, unless given.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def config_path(given: Path | None) -> Path | None:
    """The file that `--config` names, or the one in this folder, or None: then the defaults hold."""
    if given is None and DEFAULT_CONFIG.exists():
        return DEFAULT_CONFIG
    return given
