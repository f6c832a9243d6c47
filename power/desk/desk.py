"""What people and scripts ask of power, whoever carries the question: previews first, then the act, then the trail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from power.desk.steering import Steering


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Answers questions about power and takes orders."""

    steering: Steering

    def status(self) -> Mapping[str, Any]:
        """The answer of /api/power/status."""
        return self.steering.status()
