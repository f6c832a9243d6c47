"""`wattstat metrics`: the catalogue."""

from __future__ import annotations

from typing import Annotated

import typer

from wattstat.cli.options import JsonOption
from wattstat.cli.output import print_items


def metrics(
    part: Annotated[str, typer.Argument(metavar="[PART]", help="Only those with this in their name.")] = "",
    *,
    as_json: JsonOption = False,
) -> None:
    """List every metric that Wattstat exports: its type, labels, meaning and source."""
    from wattstat.catalogue import ALL

    items = [
        {
            "name": metric.name,
            "type": str(metric.kind),
            "labels": list(metric.labels) if as_json else " ".join(metric.labels),
            "help": metric.help,
            "source": metric.source,
        }
        for metric in sorted(ALL.values(), key=lambda metric: metric.name)
        if part in metric.name
    ]
    print_items(("name", "type", "labels", "help"), items, as_json=as_json)
