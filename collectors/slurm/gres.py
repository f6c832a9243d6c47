"""Generic resources (GRES) as Slurm writes them, read as holds on GPUs.

What a job holds on a node (`gres_detail`, `GRES=` of `scontrol show job -d`), from Slurm's sources, gres_stepmgr.c:
`gpu:h100:2(IDX:0-1)` whole devices; `shard:3(1/4,2/4,0/4)` of a shared resource, device by device (since 23.11);
`shard:3(IDX:0-1)` the same before that, without saying how much of each; `gpu:2(CNT:2)` and `gpu(CNT:2)` devices without
numbers. What a node has (`Gres=`): `gpu:h100:8(S:0-1),shard:h100:32(S:0-1)`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from collectors.slurm.hostlist import numbers
from wattstat.jobs import GpuHold, Hold

Order = Literal["minor", "pci"]

_SHARED = {"shard": Hold.SHARD, "mps": Hold.MPS}
# `1g.10gb`, `1c.3g.40gb`, `nvidia_a100_3g.20gb`: compute slices are in the figure before `g`, or before `c` where given.
_MIG = re.compile(r"(?:^|_)(?:(?P<compute>\d+)c\.)?(?P<slices>\d+)g\.\d+gb")
_SLICES = 7  # of a GPU that can be divided, but for A30
_SLICES_A30 = 4
_UNITS = {"K": 1024, "M": 1024**2, "G": 1024**3}
_MOST_DEVICES = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Gres:
    """One resource: `details` is what stood in parentheses."""

    name: str
    type: str = ""
    count: int = 0
    details: str = ""


def parse(text: str) -> tuple[Gres, ...]:
    """The resources of a list; what is not to be understood is left out."""
    found = (_one(part) for part in _split(text))
    return tuple(gres for gres in found if gres is not None)


def counts(text: str) -> Mapping[str, int]:
    """How many of each resource a node has, all its types together; `mig` counts the parts of divided GPUs among `gpu`."""
    total: Counter[str] = Counter()
    for gres in parse(text):
        total[gres.name] += gres.count
        if gres.name == "gpu" and _slices(gres.type) is not None:
            total["mig"] += gres.count
    return total


def holds(text: str, node: Mapping[str, int], order: Order) -> tuple[GpuHold, ...]:
    """What a job holds of one node's GPUs; `node` are the node's `counts`, to know how many shards make a GPU.

    Where a node has parts of divided GPUs (MIG), Slurm's numbers count them among its GPUs: number 7 may be the second GPU.
    Such a hold is told as the instance `slurm:<number>`; who knows the node's parts in order finds the GPU.
    """
    return tuple(hold for gres in parse(text) for hold in _holds(gres, node, order))


def _holds(gres: Gres, node: Mapping[str, int], order: Order) -> list[GpuHold]:
    if gres.name == "gpu":
        slices = _slices(gres.type)
        if slices is not None:
            numbers_held = _indices(gres.details)
            return [GpuHold(hold=Hold.MIG, fraction=slices, instance=f"slurm:{number}") for number in numbers_held]
        return [_device(number, node, order) for number in _indices(gres.details)]
    shared = _SHARED.get(gres.name)
    if shared is None:
        return []
    return [replace(_device(number, node, order), hold=shared, fraction=part) for number, part in _parts(gres, node).items()]


def _device(number: int, node: Mapping[str, int], order: Order) -> GpuHold:
    if node.get("mig"):
        return GpuHold(instance=f"slurm:{number}")
    return GpuHold(minor=number) if order == "minor" else GpuHold(index=number)


def _parts(gres: Gres, node: Mapping[str, int]) -> dict[int, float]:
    """Device numbers and the share that is held of each."""
    if "/" in gres.details:
        pairs = [piece.partition("/")[::2] for piece in gres.details.split(",")]
        return {
            number: min(1.0, int(held) / int(of))
            for number, (held, of) in enumerate(pairs)
            if held.isdecimal() and of.isdecimal() and int(held) > 0 and int(of) > 0
        }
    devices = _indices(gres.details)
    whole = _per_gpu(gres.name, node)
    if not devices:
        return {}
    # Before 23.11 Slurm does not say how the shards spread over several GPUs: evenly is the best guess.
    share = gres.count / len(devices) / whole if whole and gres.count else 1.0
    return dict.fromkeys(devices, min(1.0, share))


def _per_gpu(name: str, node: Mapping[str, int]) -> float | None:
    """How many of a shared resource make one GPU."""
    gpus, shared = node.get("gpu", 0) - node.get("mig", 0), node.get(name, 0)
    if gpus > 0 and shared:
        return shared / gpus
    return 100.0 if name == "mps" else None  # a percentage by default


def _slices(kind: str) -> float | None:
    """The share of a GPU that a MIG type stands for; None for a whole GPU."""
    found = _MIG.search(kind.lower())
    if found is None:
        return None
    held = int(found["compute"] or found["slices"])
    return min(1.0, held / (_SLICES_A30 if "a30" in kind.lower() else _SLICES))


def _indices(details: str) -> list[int]:
    if not details.startswith("IDX:"):
        return []
    try:
        found = [int(number) for number in numbers(details.removeprefix("IDX:"))]
    except ValueError:
        return []
    return found[:_MOST_DEVICES]


def _split(text: str) -> list[str]:
    parts, depth = [""], 0
    for character in text:
        depth += (character == "(") - (character == ")")
        if character == "," and depth <= 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _one(part: str) -> Gres | None:
    head, _, rest = part.strip().removeprefix("gres:").removeprefix("gres/").partition("(")
    details = rest.removesuffix(")")
    words = head.split(":")
    if not words[0] or words[0] == "null":
        return None
    count = _number(words[-1]) if len(words) > 1 else None
    if count is None:
        count = _number(details.removeprefix("CNT:")) if details.startswith("CNT:") else 1
    else:
        words = words[:-1]
    return Gres(name=words[0], type=":".join(words[1:]), count=count or 0, details=details)


def _number(text: str) -> int | None:
    unit = _UNITS.get(text[-1:].upper(), 1)
    digits = text[:-1] if unit > 1 else text
    return int(digits) * unit if digits.isdecimal() and len(digits) < 12 else None
