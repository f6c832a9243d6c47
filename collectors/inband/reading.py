"""What is read of a switch in band."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from collectors.mlnxos.parts import Supply


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A switch; None and empty for what was not told. `fans_good` is about all fans together."""

    model: str = ""
    serial: str = ""
    firmware: str = ""
    uptime_seconds: float | None = None
    supplies: tuple[Supply, ...] = ()
    celsius: float | None = None
    fans_good: bool | None = None
    fans: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was understood."""
        return not (self.model or self.serial or self.supplies or self.fans or self.celsius is not None)
