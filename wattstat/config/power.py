"""Settings: budgets, caps and the controller."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from wattstat.document import Strict
from wattstat.values import Seconds

Ratio = Annotated[float, Field(gt=0, le=1)]


class Bands(Strict):
    """Shares of a budget at which the trim loop acts, against the highest power of a window."""

    cut: Ratio = 0.985
    """Above it caps are lowered."""
    hold: Ratio = 0.97
    """Where a cut aims."""
    release: Ratio = 0.95
    """Below it caps may be raised."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.release < self.hold < self.cut:
            raise ValueError(f"release {self.release}, hold {self.hold}, cut {self.cut}; expected release < hold < cut")
        return self


class Power(Strict):
    """Budgets and caps. Nothing is written to any device until `mode` says enforce."""

    mode: Literal["observe", "advise", "enforce"] = "observe"
    """observe: decides and logs, writes nothing; advise: also shows what it would do; enforce: does it."""
    policies: Path | None = None
    """File with policies, taken over when it changes; more are made by the command line and the API."""
    database: str | None = None
    """SQLAlchemy's URL for policies, approvals and the leader's lease; a SQLite file in `data_dir` unless given."""
    audit: Path | None = None
    """Folder of the audit trail; `audit` in `data_dir` unless given."""
    cycle_seconds: Seconds = 1
    """How often power is read and decided."""
    window_seconds: Seconds = 30
    """Power counts as the highest within this window: longer than an iteration of training."""
    bands: Bands = Bands()
    """Shares of a measured budget at which caps are lowered and raised."""
    raise_ratio: Ratio = 0.1
    """Share of a device's range by which its cap may rise within `raise_seconds`."""
    raise_seconds: Seconds = 10
    """See `raise_ratio`."""
    write_seconds: Annotated[float, Field(ge=0)] = 5
    """Least time between two writes to one device, emergencies excepted."""
    verify_seconds: Seconds = 60
    """How often every cap is read back, changed or not."""
    floor_ratio: Ratio = 0.5
    """Share of a GPU's highest limit below which no policy caps it, emergencies excepted: work per joule falls below it."""
    complete_ratio: Ratio = 0.95
    """Share of devices that must have been read before any cap is raised."""
    dead_man_seconds: Seconds = 60
    """After how long without a word from core an agent lowers its GPUs to their safe caps."""
    lease_seconds: Seconds = 10
    """How long one controller leads without renewing."""
    trip_safe_ratio: Annotated[float, Field(gt=0, le=1.05)] = 1.0
    """Share of a breaker's rating that the worst case may reach. 0.8 where a code asks for it (NEC, continuous load)."""
    connections_per_bmc: Annotated[int, Field(ge=1, le=4)] = 2
    """Writes and reads of caps that one BMC gets at a time."""
    most_fights: Annotated[int, Field(ge=1)] = 3
    """How often a cap that somebody else changed is set again before the device is left alone and its ceiling charged."""
