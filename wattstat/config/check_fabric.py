"""Can the fabric be asked as a configuration says?"""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from wattstat.config.check import problem
from wattstat.config.settings import Config
from wattstat.document import Document, Loc, Problem
from wattstat.explain import nearest
from wattstat.inventory.models import Inventory

_AT: Loc = ("collectors", "in_band")


def check_fabric(config: Config, document: Document) -> Iterator[Problem]:
    """Programs that must be on this machine, and what a fabric manager does already."""
    settings = config.collectors.in_band
    if settings is None:
        return
    if settings.switches:
        yield from _program(settings.program, (*_AT, "program"), document)
    if settings.ports and config.collectors.ufm:
        what = "a UFM tells of the ports already"
        yield problem(document, (*_AT, "ports"), what, expected="one of the two", advice="remove it, or collectors.ufm")
    elif settings.ports:
        for program in ("ibnetdiscover", "perfquery"):
            yield from _program(program, (*_AT, "ports"), document)


def check_switches(config: Config, inventory: Inventory, document: Document) -> Iterator[Problem]:
    """Switches that the inventory does not list, or that are read another way."""
    settings = config.collectors.in_band
    known = {switch.name: switch for switch in inventory.switches}
    for name in settings.switches if settings is not None else ():
        loc: Loc = (*_AT, "switches", name)
        if name not in known:
            meant = nearest(name, known)
            advice = f"did you mean {meant}?" if meant else "add the switch to the inventory, or remove this"
            yield problem(document, loc, f"the inventory lists no switch {name!r}", expected="a switch's name", advice=advice)
        elif known[name].rest is not None:
            what = f"{name} is read by its `rest` already"
            yield problem(document, loc, what, expected="one way to read it", advice="leave it out here, or remove its `rest`")


def _program(name: str, loc: Loc, document: Document) -> Iterator[Problem]:
    if shutil.which(name) is None:
        what = f"there is no program {name!r} that may be run"
        advice = "install infiniband-diags (ibnetdiscover, perfquery) or MFT and ibswinfo, or write its whole path"
        yield problem(document, loc, what, expected="a program of this machine", advice=advice)
