"""A run's start or end as prologs and epilogs tell it, and as the agent notes it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from wattstat.journal import Edge, Gpu

_MOST_GPUS = 128

# Names end up as labels and in file names: no control characters.
Text = Annotated[str, Field(max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$")]
Name = Annotated[Text, Field(min_length=1)]
Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
Count = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def new_id() -> str:
    """What a boundary is known by."""
    return secrets.token_hex(8)


class InvalidBoundary(ValueError):
    """A body that tells no boundary; the message says what is wrong with it, member by member."""


class Told(BaseModel):
    """What the caller told. Members that a newer prolog may send besides are left alone."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    edge: Edge
    scheduler: Name
    job_id: Annotated[Name, BeforeValidator(_as_text)]
    instance: Annotated[Text, BeforeValidator(_as_text)] = ""
    user: Text = ""
    account: Text = ""
    partition: Text = ""
    name: Text = ""
    gpus: Annotated[tuple[Annotated[Name, BeforeValidator(_as_text)], ...], Field(max_length=_MOST_GPUS)] = ()
    """Numbers in `gpu_order`, or UUIDs of GPUs or MIG devices."""
    gpu_order: Literal["minor", "pci"] = "minor"
    at: Count | None = None
    """Unix seconds; now unless given."""
    id: Id = Field(default_factory=new_id)
    """Who tells one boundary twice gives it the same id."""
    raw_id: Annotated[Text, BeforeValidator(_as_text)] = ""
    """The scheduler's own number, where `job_id` is put together: that is what the job's control groups are called by."""
    sluid: Text = ""
    """Slurm's identifier of the run, where control groups are called by that."""


class Note(Told):
    """What the agent noted, or the caller where no agent answered. It is kept as a file until core has read it."""

    wall: Count
    """When, in Unix seconds by this machine's clock."""
    monotonic: Count | None = None
    """When, in seconds since the machine started: true although the clock jumped, as long as `kernel_boot` is the same."""
    kernel_boot: Text = ""
    joules: Mapping[str, Count] = Field(default_factory=dict)
    """The GPUs' energy counters at that moment, by UUID."""
    resets: Mapping[str, Annotated[int, Field(ge=0)]] = Field(default_factory=dict)


Kind = TypeVar("Kind", bound=Told)


def told(document: Any) -> Told:
    """The boundary that a caller tells. Raises `InvalidBoundary`."""
    return _valid(Told, document)


def noted(document: Any) -> Note:
    """A boundary out of its file. Raises `InvalidBoundary`."""
    return _valid(Note, document)


def named_gpus(boundary: Told, gpus: Mapping[str, Gpu]) -> dict[str, str]:
    """UUIDs of the GPUs or MIG devices that a boundary names, each with the UUID of its GPU. Unknown ones are left out."""
    known: dict[str, tuple[str, str]] = {}
    for gpu in gpus.values():
        known[gpu.uuid] = gpu.uuid, gpu.uuid
        known |= {part: (part, gpu.uuid) for part in gpu.mig_uuids.values()}
    known |= _numbered(boundary, sorted(gpus.values(), key=lambda gpu: gpu.index))
    return dict(known[name] for name in boundary.gpus if name in known)


def _numbered(boundary: Told, gpus: Sequence[Gpu]) -> dict[str, tuple[str, str]]:
    """What numbers mean: GPUs, but to Slurm on a node with divided GPUs each part of them and each GPU that is not divided."""
    if boundary.scheduler.partition(":")[0] == "slurm" and any(gpu.mig_uuids for gpu in gpus):
        devices = ((part, gpu.uuid) for gpu in gpus for part in gpu.mig_uuids.values() or (gpu.uuid,))
        return {str(number): device for number, device in enumerate(devices)}
    numbers = ((gpu.uuid, gpu.index if boundary.gpu_order == "pci" else gpu.minor) for gpu in gpus)
    return {str(number): (uuid, uuid) for uuid, number in numbers if number is not None}


def _valid(kind: type[Kind], document: Any) -> Kind:
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
        lines = (f"{'.'.join(str(part) for part in each['loc']) or 'the body'}: {each['msg']}" for each in details)
        raise InvalidBoundary("; ".join(lines)) from None
