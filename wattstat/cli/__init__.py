"""The command line. Each command stands in a module of its own and is imported when it is called."""

from __future__ import annotations

import sys

import typer

from wattstat.cli import alerts, energy, jobs, power
from wattstat.cli.agent import agent
from wattstat.cli.boundary import boundary, slurm_epilog, slurm_prolog
from wattstat.cli.check_config import check_config
from wattstat.cli.demo import demo
from wattstat.cli.health import health
from wattstat.cli.init import init
from wattstat.cli.metrics import metrics
from wattstat.cli.output import FAILED
from wattstat.cli.plan import plan
from wattstat.cli.premises import fabric, racks, storage
from wattstat.cli.serve import core, serve, web
from wattstat.cli.simulate import simulate
from wattstat.cli.targets import targets
from wattstat.cli.token import token
from wattstat.document import InvalidDocument
from wattstat.serve.process import CannotStart
from wattstat.store.protocol import StoreError

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


app.command()(demo)
app.command()(serve)
app.command(hidden=True)(core)
app.command(hidden=True)(web)
app.command()(agent)
app.command()(slurm_prolog)
app.command()(slurm_epilog)
app.command()(boundary)
app.command()(init)
app.command()(check_config)
app.command()(metrics)
app.command()(targets)
app.command()(racks)
app.command()(storage)
app.command()(fabric)
app.command()(token)
app.add_typer(jobs.app, name="jobs")
app.add_typer(energy.app, name="energy")
app.add_typer(power.app, name="power")
app.add_typer(alerts.app, name="alerts")
app.command()(health)
app.command()(plan)
app.command()(simulate)


def main() -> None:
    """Entry point of the `wattstat` command. A configuration that cannot be used is explained, not thrown."""
    try:
        app()
    except (InvalidDocument, CannotStart, StoreError) as err:
        typer.echo(str(err), err=True)
        sys.exit(FAILED)
