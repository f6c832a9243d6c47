"""`wattstat init`: commented samples to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wattstat.cli.output import FAILED, fail


def init(
    directory: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where to write them.")] = Path(),
    *,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there.")] = False,
) -> None:
    """Write wattstat.yaml and inventory.yaml, with every setting, its meaning and its default."""
    from wattstat.config.sample import config_sample, inventory_sample

    files = {directory / "wattstat.yaml": config_sample(), directory / "inventory.yaml": inventory_sample()}
    if not force and (there := [str(path) for path in files if path.exists()]):
        fail(f"{' and '.join(there)}: already there; choose another folder, or overwrite with --force", FAILED)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for path, text in files.items():
            path.write_text(text, encoding="utf-8")
    except OSError as err:
        fail(f"{err.filename}: cannot be written: {err.strerror}; choose another folder")
    for path in files:
        typer.echo(f"wrote {path}")
    typer.echo(f"Fill them in, then: wattstat check-config {directory / 'wattstat.yaml'}")
