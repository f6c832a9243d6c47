"""Are the files, programs and servers that a configuration names there, and can they be used?"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from wattstat.config.check import problem, unusable_authority
from wattstat.config.check_fabric import check_fabric, check_switches
from wattstat.config.devices import BaseCommand, Ufm
from wattstat.config.schedulers import CommandScheduler, Kubernetes, Slurm
from wattstat.config.settings import Config, InferenceService
from wattstat.document import Document, Loc, Problem
from wattstat.explain import nearest
from wattstat.inventory.models import Inventory

# Half of Slurm's usual MinJobAge (300 s): between two questions no job ends, is forgotten, and was never seen ended.
LONGEST_SLURM_SECONDS = 150.0


def check_uses(config: Config, document: Document) -> Iterator[Problem]:
    """What schedulers and inference servers need of this machine, and settings of theirs that do nothing."""
    asked: tuple[tuple[Loc, Sequence[Slurm | Kubernetes | InferenceService | BaseCommand | Ufm]], ...] = (
        (("schedulers", "slurm"), config.schedulers.slurm),
        (("schedulers", "kubernetes"), config.schedulers.kubernetes),
        (("collectors", "inference"), config.collectors.inference),
        (("collectors", "bcm"), config.collectors.bcm),
        (("collectors", "ufm"), config.collectors.ufm),
    )
    for loc, entries in asked:
        for position, entry in enumerate(entries):
            if entry.tls.ca_file is not None and (what := unusable_authority(entry.tls.ca_file)):
                advice = "check the path and its owner; it holds one or more `-----BEGIN CERTIFICATE-----`"
                at: Loc = (*loc, position, "tls", "ca_file")
                yield problem(document, at, what, expected="a PEM file with certificates", advice=advice)
    yield from _certificates(config, document)
    yield from check_fabric(config, document)
    for position, told in enumerate(config.schedulers.commands):
        yield from _command(told, ("schedulers", "commands", position, "command"), document)
    for position, slurm in enumerate(config.schedulers.slurm):
        if slurm.every_seconds > LONGEST_SLURM_SECONDS:
            yield problem(
                document,
                ("schedulers", "slurm", position, "every_seconds"),
                f"Slurm is asked every {slurm.every_seconds:g} s; it forgets ended jobs after MinJobAge, usually 300 s",
                expected=f"at most {LONGEST_SLURM_SECONDS:g}",
                advice="ask more often, or raise MinJobAge in slurm.conf to at least twice this",
                warning=True,
            )
    for position, service in enumerate(config.collectors.inference):
        if service.gpus and not service.node:
            what = "GPUs are named, but not the server that they are in"
            advice = "add `node:`, or name the `job_id` instead"
            yield problem(
                document, ("collectors", "inference", position, "gpus"), what, expected="node and gpus", advice=advice
            )


def check_names(config: Config, inventory: Inventory, document: Document) -> Iterator[Problem]:
    """Names of servers that the inventory does not list: what is said of them does nothing."""
    yield from check_switches(config, inventory, document)
    if config.inventory.http_sd is not None or config.inventory.bcm is not None:
        return  # they list servers that are in no file
    known = [node.name for node in inventory.nodes]
    mappings: tuple[tuple[Loc, Sequence[Slurm | Kubernetes | CommandScheduler | BaseCommand]], ...] = (
        (("schedulers", "slurm"), config.schedulers.slurm),
        (("schedulers", "kubernetes"), config.schedulers.kubernetes),
        (("schedulers", "commands"), config.schedulers.commands),
        (("collectors", "bcm"), config.collectors.bcm),
    )
    for loc, entries in mappings:
        for position, entry in enumerate(entries):
            for theirs, ours in entry.nodes.items():
                yield from _listed(ours, known, (*loc, position, "nodes", theirs), document)
    for position, service in enumerate(config.collectors.inference):
        if service.node:
            yield from _listed(service.node, known, ("collectors", "inference", position, "node"), document)
    for position, pattern in enumerate(config.energy.overhead_nodes):
        if not any(fnmatchcase(name, pattern) for name in known):
            yield problem(
                document,
                ("energy", "overhead_nodes", position),
                f"{pattern!r} matches no server of the inventory",
                expected="a server's name, or a pattern such as login*",
                advice=_meant(pattern, known),
                warning=True,
            )


def _certificates(config: Config, document: Document) -> Iterator[Problem]:
    """Files by which managers are asked."""
    for position, manager in enumerate(config.collectors.bcm):
        for name, path in (("certificate", manager.certificate), ("key", manager.key)):
            if path is not None and not os.access(path, os.R_OK):
                loc: Loc = ("collectors", "bcm", position, name)
                yield problem(document, loc, f"{path} cannot be read", advice="check the path and its owner")


def _command(entry: CommandScheduler, loc: Loc, document: Document) -> Iterator[Problem]:
    if not entry.command or not entry.command[0]:
        advice = "docs/schedulers.md describes what it prints"
        yield problem(document, loc, "names no program", expected="a list: the program and its arguments", advice=advice)
    elif shutil.which(entry.command[0]) is None:
        what = f"there is no program {entry.command[0]!r} that may be run"
        advice = "write its whole path; make it executable with chmod +x"
        yield problem(document, loc, what, expected="a program of this machine", advice=advice)


def _listed(name: str, known: Sequence[str], loc: Loc, document: Document) -> Iterator[Problem]:
    if name not in known:
        what, advice = f"the inventory lists no server {name!r}", _meant(name, known)
        yield problem(document, loc, what, expected="a server's name in the inventory", advice=advice, warning=True)


def _meant(name: str, known: Sequence[str]) -> str:
    meant = nearest(name, known)
    return f"did you mean {meant}?" if meant else "add the server to the inventory, or remove this"
