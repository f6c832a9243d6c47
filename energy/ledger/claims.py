"""Which run held which GPU when: stays on a node, with GPUs resolved to UUIDs by the node's journal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from energy.ledger.moments import Moment
from energy.ledger.roster import Stay
from wattstat.jobs import GpuHold, Hold, RunKey
from wattstat.journal import Gpu

# Compute slices of a whole GPU: 7 on A100 and H100, 4 on A30. The slices that are configured may be fewer.
_SLICES = 7
# How Slurm's collector tells a part of a divided GPU.
SLURM_NUMBER = "slurm:"
_SLICES_A30 = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A run's hold on one GPU. `holder` is the part's name in the journal's shares, empty for a whole GPU."""

    run: RunKey
    start: Moment
    end: Moment
    whole: bool = True
    fraction: float = 1.0
    holder: str = ""
    suspended: tuple[tuple[float, float], ...] = ()

    @property
    def is_slice(self) -> bool:
        """Whether it is a part of the hardware, whose activity is told within the part."""
        return self.holder.startswith("mig:")

    def covers(self, since: float, until: float) -> bool:
        """Whether it holds at some time in between; cuts stand at all its edges, so then it holds all the time."""
        return self.start.at < until and self.end.at > since

    def stands_still(self, since: float, until: float) -> bool:
        """Whether the run was suspended then."""
        return any(start < until and end > since for start, end in self.suspended)


def claims(stays: Iterable[Stay], gpus: Sequence[Gpu]) -> dict[str, list[Claim]]:
    """Claims by UUID, in order of their start; the whole GPU is never claimed by two at once.

    Where two overlap, the more exact word holds: mostly the successor's start, for ends are told late.
    """
    by_uuid: dict[str, list[Claim]] = {}
    for stay in stays:
        for told in stay.gpus:
            hold = numbered(told, gpus)
            gpu = resolve(hold, gpus)
            if gpu is not None:
                by_uuid.setdefault(gpu.uuid, []).append(_claim(stay, hold, gpu))
    return {uuid: _one_after_the_other(sorted(found, key=lambda claim: claim.start)) for uuid, found in by_uuid.items()}


def numbered(hold: GpuHold, gpus: Sequence[Gpu]) -> GpuHold:
    """A part of a divided GPU that Slurm tells by its number, as the journal names it; any other hold as it is.

    Slurm numbers all devices of a node: each part of a divided GPU is one, and so is a GPU that is not divided.
    """
    if not hold.instance.startswith(SLURM_NUMBER):
        return hold
    devices = [(gpu, part) for gpu in sorted(gpus, key=lambda each: each.index) for part in gpu.slices or ("",)]
    number = int(hold.instance.removeprefix(SLURM_NUMBER))
    if number >= len(devices):
        return hold
    gpu, part = devices[number]
    return replace(hold, uuid=gpu.uuid, instance=part)


def resolve(hold: GpuHold, gpus: Sequence[Gpu]) -> Gpu | None:
    """The GPU that a hold means; None where the node has no such GPU (any more)."""
    if hold.uuid is not None:
        return next((gpu for gpu in gpus if gpu.uuid == hold.uuid or hold.uuid in gpu.mig_uuids.values()), None)
    if hold.minor is not None:
        return next((gpu for gpu in gpus if gpu.minor == hold.minor), None)
    return next((gpu for gpu in gpus if gpu.index == hold.index), None)


def _claim(stay: Stay, hold: GpuHold, gpu: Gpu) -> Claim:
    holder = _holder(stay, hold, gpu)
    is_mig = hold.hold is Hold.MIG or holder.startswith("mig:")
    whole = hold.hold is Hold.WHOLE and not is_mig
    return Claim(
        run=stay.run,
        start=stay.start,
        end=stay.end,
        whole=whole,
        fraction=_mig_fraction(hold, holder, gpu) if is_mig else hold.fraction,
        holder="" if whole else holder,
        suspended=stay.suspended,
    )


def _holder(stay: Stay, hold: GpuHold, gpu: Gpu) -> str:
    """The part's name in the journal: the MIG device by whatever it is called, else the run by its processes."""
    by_uuid = {uuid: name for name, uuid in gpu.mig_uuids.items()}
    for name in (hold.instance, hold.uuid or ""):
        if name in by_uuid:
            return by_uuid[name]
    if hold.instance:
        return hold.instance
    return f"pod:{stay.run.instance}" if "/" in stay.run.job_id else f"job:{stay.run.job_id}"


def _mig_fraction(hold: GpuHold, holder: str, gpu: Gpu) -> float:
    slices = gpu.slices.get(holder)
    if slices is None:
        return hold.fraction
    return min(1.0, slices / (_SLICES_A30 if "A30" in gpu.model else _SLICES))


def _one_after_the_other(found: list[Claim]) -> list[Claim]:
    out: list[Claim] = []
    for claim in found:
        start = claim.start
        for place, other in enumerate(out):
            if claim.whole and other.whole and start.at < other.end.at:
                if other.end.at < claim.end.at and other.end.slack < start.slack:
                    start = other.end
                else:
                    out[place] = replace(other, end=start)
        out.append(claim if start is claim.start else replace(claim, start=start))
    return out
