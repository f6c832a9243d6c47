"""`wattstat check-config`: everything that is wrong with a configuration and its inventory, with what to do about it."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wattstat.cli.options import DEFAULT_CONFIG, JsonOption
from wattstat.cli.output import FAILED, WRONG_USE, fail, print_json

if TYPE_CHECKING:
    from wattstat.config import Config
    from wattstat.document import Document, Problem
    from wattstat.inventory import Inventory


def check_config(
    file: Annotated[Path, typer.Argument(metavar="[FILE]", help="The configuration.")] = DEFAULT_CONFIG,
    *,
    as_json: JsonOption = False,
) -> None:
    """Explain everything that is wrong with a configuration, its inventory and its secrets.

    Exit code 0: good (there may be warnings), 1: problems, 2: no such file.
    """
    if not file.is_file():
        fail(f"{file}: no such file; `wattstat init` writes samples", WRONG_USE)
    from wattstat.cli.check_alerts import notes

    config, inventory, problems = examine(file)
    errors = sum(not problem.warning for problem in problems)
    if as_json:
        print_json(
            {
                "ok": not errors,
                "nodes": len(inventory.nodes) if inventory else None,
                "problems": [_as_item(problem) for problem in problems],
            }
        )
    else:
        for problem in problems:
            typer.echo(f"{'warning' if problem.warning else 'error'}: {problem}")
        if not errors:
            for said in notes(config) if config is not None and inventory is not None else ():
                typer.echo(said)
            typer.echo(f"{file} is good: {_summary(config, inventory)}")
        else:
            typer.echo(f"{errors} {'problem' if errors == 1 else 'problems'}")
    if errors:
        raise typer.Exit(FAILED)


def examine(file: Path) -> tuple[Config | None, Inventory | None, list[Problem]]:
    """Read a configuration and the inventory that it names; everything that is wrong with them and with this machine."""
    from wattstat import explain
    from wattstat.cli.check_alerts import check_alerts
    from wattstat.config import check, check_uses, reader

    document, base = reader.source(file)
    config, problems = reader.examine(document, base)
    if config is None:
        return None, *_beside(document, base, problems)
    inventory, more = _inventory(config, document)
    if inventory is not None:
        more = [*more, *check_uses.check_names(config, inventory, document)]
    here = (
        *check.check_machine(config, document),
        *check_uses.check_uses(config, document),
        *_ledger(config, document),
        *check_alerts(config, document),
    )
    return config, inventory, explain.collect(problems, here, more)


def _beside(document: Document, base: Path, problems: list[Problem]) -> tuple[Inventory | None, list[Problem]]:
    """The inventory of a configuration that cannot be used itself, so that one look shows what is wrong with both."""
    from wattstat import explain
    from wattstat.document import read
    from wattstat.inventory import reader
    from wattstat.inventory.patterns import write_out

    group = document.data.get("inventory") if isinstance(document.data, dict) else None
    named = group.get("file") if isinstance(group, dict) else None
    path = base / (named if isinstance(named, str) else "inventory.yaml")
    if not path.is_file():
        return None, problems
    inventory, more = reader.examine(write_out(read(path)), path.parent)
    return inventory, explain.collect(problems, more)


def _ledger(config: Config, document: Document) -> Iterator[Problem]:
    """What the ledger would stumble over: its database's address, the file of carbon intensities."""
    if not config.energy.enabled or importlib.util.find_spec("sqlalchemy") is None:  # a GPU node's install keeps no ledger
        return
    from energy.books.engine import address
    from energy.model import BooksError
    from energy.prices.carbon import read_file

    try:
        address(config)
    except BooksError as err:
        yield _refused(str(err), ("energy", "database"), document)
    if config.energy.carbon.file is not None:
        try:
            read_file(config.energy.carbon.file)
        except ValueError as err:
            yield _refused(str(err), ("energy", "carbon", "file"), document)


def _refused(said: str, loc: tuple[str, ...], document: Document) -> Problem:
    from wattstat.document import Problem, dotted

    setting = dotted(loc)
    what, _, expected = said.removeprefix(setting).lstrip(": ").partition("; expected ")
    what, _, advice = what.partition("; ")
    advice = advice or ("correct the file" if loc[-1] == "file" else "write such a URL, or remove it")
    return Problem(place=document.place(loc), setting=setting, what=what, expected=expected, advice=advice)


def _inventory(config: Config, document: Document) -> tuple[Inventory | None, list[Problem]]:
    from wattstat.config import check, check_inventory
    from wattstat.document import Problem, read
    from wattstat.inventory import reader
    from wattstat.inventory.patterns import write_out

    path = config.inventory.file
    if path is None:
        return None, []
    loc = ("inventory", "file")
    if not path.exists():
        named = loc in document.places
        advice = "write it (`wattstat init` has a sample)" + ("" if named else "; an agent alone needs none")
        optional = config.inventory.http_sd is not None or config.inventory.bcm is not None or not named
        place = document.place(loc)
        what = f"there is no {path}"
        return None, [Problem(place=place, setting="inventory.file", what=what, advice=advice, warning=optional)]
    found = write_out(read(path))
    inventory, problems = reader.examine(found, path.parent)
    if inventory is not None:
        problems += [*check.check_credentials(config, inventory, found), *check.check_authorities(inventory, found)]
        problems += check_inventory.check_inventory(config, inventory, found)
    return inventory, problems


def _summary(config: Config | None, inventory: Inventory | None) -> str:
    if inventory is None:
        return "no inventory file"
    bmcs = sum(node.bmc is not None for node in inventory.nodes)
    agents = sum(node.agent is not None for node in inventory.nodes)
    text = f"{len(inventory.nodes)} nodes ({bmcs} with a BMC, {agents} with an agent) in {len(inventory.racks)} racks"
    beside = (
        (len(inventory.switches), "switch", "switches"),
        (len(inventory.storage), "storage cluster", "storage clusters"),
        (len(inventory.pdus), "PDU", "PDUs"),
        (len(inventory.links), "link", "links"),
    )
    text = ", ".join([text, *(f"{count} {one if count == 1 else many}" for count, one, many in beside if count)])
    return text + (f", and those of {config.inventory.http_sd}" if config and config.inventory.http_sd else "")


def _as_item(problem: Problem) -> dict[str, Any]:
    item = asdict(problem)
    place = item.pop("place")
    return {"file": place[0], "line": place[1], "column": place[2], **item}
