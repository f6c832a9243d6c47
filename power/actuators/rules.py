"""How often and how long the executor does things."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Numbers of the executor; `verify_seconds` and `most_fights` come from the settings."""

    retries: int = 3
    """A write whose answer was lost is tried so often again; one that was not applied once: who says yes twice and does
    nothing will go on so."""
    classify_seconds: float = 10.0
    """A device that has not done a write so long after its first try began is charged in full, and tries end; it recovers with
    the first write, or reading, that shows what was wanted."""
    pause_seconds: float = 0.5
    """Before the second try; doubled for each further one."""
    rest_seconds: float = 60.0
    """How long a device that failed is left alone; doubled up to `longest_rest_seconds` while it goes on failing."""
    longest_rest_seconds: float = 900.0
    write_seconds: float = 30.0
    """A write and its read-back take no longer; a BMC that says nothing for so long is away."""
    read_seconds: float = 30.0
    urgent_record_seconds: float = 1.0
    """How long an urgent cut waits until its record is on the disk; others wait for as long as that takes."""
    verify_seconds: float = 60.0
    most_fights: int = 3
    sweep_seconds: float = 10.0
    """How often it is looked for caps that nobody has read for long."""
    close_seconds: float = 5.0

    @property
    def unread_seconds(self) -> float:
        """A cap that was not read for so long is not known any more: a server that was restarted has another one."""
        return 3 * self.verify_seconds
