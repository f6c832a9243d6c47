"""For which devices a policy is: places in the electrical tree, servers, boards, and jobs as schedulers name them."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from power.policies.part import Part
from wattstat.inventory.patterns import expand

PLACES = ("site", "feed", "breaker", "row", "rack", "group", "node")
"""Kinds of limits of the electrical tree that a scope may name."""
OF_JOBS = ("job", "partition", "account", "user", "qos")
"""Members of a scope that jobs decide: who they are for changes as jobs come and go."""


def _listed(value: Any) -> Any:
    """A single name as a list of one. A number is none, and is then refused as one: 7_2 without quotes is 72 in YAML."""
    return value if value is None or isinstance(value, list | tuple | dict) else (value,)


def _written_out(names: tuple[str, ...]) -> tuple[str, ...]:
    """Patterns such as `r[01-16]` replaced by the names that they stand for."""
    if any(not name.strip() for name in names):
        raise ValueError("holds an empty name; expected names; leave the member out where it shall not matter")
    return tuple(dict.fromkeys(named.name for name in names for named in expand(name)))


def _said(names: tuple[str, ...]) -> tuple[str, ...]:
    if any(not words(name) for name in names):
        raise ValueError("holds a name without letters and digits; expected such as H100 or 'H100 PCIe'")
    return names


Names = Annotated[tuple[str, ...], BeforeValidator(_listed), AfterValidator(_written_out)]
# Jobs of arrays and their steps have brackets of their own: 1234_[5-9].
Plain = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Models = Annotated[tuple[str, ...], BeforeValidator(_listed), AfterValidator(_said)]


class Scope(Part):
    """For which devices. All members that are given must fit; without any it is the whole site.

    A member is a name, a pattern such as r[01-16], or a list of both; any of them will do.
    """

    feed: Names = ()
    """Feeds, such as A."""
    breaker: Names = ()
    """Breakers."""
    row: Names = ()
    """Rows."""
    rack: Names = ()
    """Racks."""
    group: Names = ()
    """Groups of the inventory."""
    node: Names = ()
    """Servers."""
    gpu: Plain = ()
    """GPUs by UUID."""
    gpu_model: Models = Field(default=(), examples=[["H100"]])
    """Models of GPUs, by words of their names: H100, or 'H100 PCIe'. L4 is not L40."""
    job: Plain = ()
    """Jobs by their ids, such as 1234 (all tasks of an array too) or namespace/pod."""
    partition: Plain = ()
    """Partitions of Slurm, namespaces of Kubernetes."""
    account: Plain = ()
    """Accounts."""
    user: Plain = ()
    """Users."""
    qos: Plain = ()
    """Slurm's quality of service; for pods their PriorityClass."""

    @property
    def given(self) -> dict[str, tuple[str, ...]]:
        """The members that are given, in order from the whole to the part."""
        return {name: value for name in type(self).model_fields if (value := getattr(self, name))}

    @property
    def place(self) -> tuple[str, tuple[str, ...]] | None:
        """Kind and names of the lines of the electrical tree that this is; None where it is anything narrower."""
        given = self.given
        if not given:
            return "site", ()
        kind, names = next(iter(given.items()))
        return (kind, names) if len(given) == 1 and kind in PLACES else None

    @property
    def follows_jobs(self) -> bool:
        """Whether jobs decide who is in it."""
        return any(getattr(self, name) for name in OF_JOBS)

    def __str__(self) -> str:
        return " and ".join(f"{kind} {_some(names)}" for kind, names in self.given.items()) or "the whole site"


def words(model: str) -> frozenset[str]:
    """The words of a board's name: `NVIDIA H100 80GB HBM3` has h100 among them."""
    return frozenset(re.findall(r"[a-z0-9]+", model.lower()))


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names) if len(names) <= 4 else f"{', '.join(names[:3])} and {len(names) - 3} more"
