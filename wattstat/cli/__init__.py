"""The command line. Each command stands in a module of its own and is imported when it is called."""

from __future__ import annotations

import typer

app = typer.Typer(
    name="wattstat",
    help="Measures every watt and joule of a GPU cluster, says which job used them, and keeps them under budget.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def root() -> None:
    """Every watt and joule of a GPU cluster."""


def main() -> None:
    """Entry point of the `wattstat` command."""
    app()
