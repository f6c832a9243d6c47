"""What people's calls need of the loop that runs: the desk asks, whoever runs the loop answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Steering(Protocol):
    """Whoever runs the loop. Every call is quick: it works on what is in memory."""

    def status(self) -> Mapping[str, Any]:
        """The answer of /api/power/status."""

    def changed(self) -> None:
        """Policies, holds or emergencies are not what they were: decide again at once."""
