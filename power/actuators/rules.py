"""How often and how long the executor does things."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Numbers of the executor; `verify_seconds` and `most_fights` come from the settings."""

    retries: int = 3
    pause_seconds: float = 0.5
    """Before the second try; doubled for each further one."""
    rest_seconds: float = 60.0
    """How long a device that failed is left alone; doubled up to `longest_rest_seconds` while it goes on failing."""
    longest_rest_seconds: float = 900.0
    write_seconds: float = 30.0
    """A write and its read-back take no longer; a BMC that says nothing for so long is away."""
    read_seconds: float = 30.0
    verify_seconds: float = 60.0
    most_fights: int = 3
    close_seconds: float = 5.0
