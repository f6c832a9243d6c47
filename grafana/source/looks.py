"""Colours, thresholds and words of states, the same on every dashboard and as the pages of Wattstat have them.

Grey is normal; a colour means that something is off, and never stands alone: there is always a word or a number beside it.
Blue, amber and magenta can be told apart by everybody; red and green cannot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.models import dashboard

PLAIN = "text"
"""Grafana's own colour of text: black on a light page, white on a dark one."""
BLUE, TEAL, GREY, AMBER, MAGENTA = "#3d86d6", "#1c9a94", "#7d8794", "#e3a02c", "#d1478f"

Steps = Sequence[tuple[float | None, str]]
"""Thresholds: from which value which colour; the first begins at None."""

PLAIN_STEPS: Steps = ((None, PLAIN),)
BLUE_STEPS: Steps = ((None, BLUE),)


def above(warning: float | None, critical: float | None = None, *, plain: str = PLAIN) -> Steps:
    """Colours for what is bad when it is high."""
    return [(None, plain), *_steps((warning, AMBER), (critical, MAGENTA))]


def below(warning: float, critical: float | None = None, *, plain: str = PLAIN) -> Steps:
    """Colours for what is bad when it is low: amber under `warning`, magenta under `critical`."""
    if critical is None:
        return [(None, AMBER), (warning, plain)]
    return [(None, MAGENTA), (critical, AMBER), (warning, plain)]


def _steps(*given: tuple[float | None, str]) -> list[tuple[float | None, str]]:
    return [(value, colour) for value, colour in given if value is not None]


@dataclass(frozen=True, slots=True)
class Word:
    """What a value is called, and its colour."""

    value: float
    text: str
    colour: str = PLAIN


LIMIT = (Word(0, "below 90 %"), Word(1, "above 90 %", AMBER), Word(2, "over", MAGENTA))
"""How full a budget is."""
SEVERITIES = {"critical": MAGENTA, "Critical": MAGENTA, "warning": AMBER, "Warning": AMBER}
"""Of alerts, and of BMCs, which write them large."""
HEALTH = (Word(0, "ok"), Word(1, "warning", AMBER), Word(2, "critical", MAGENTA))
"""Redfish's three words, as `*_health` has them."""


def switch(on: str, off: str, *, bad: float = 0, colour: str = MAGENTA) -> tuple[Word, Word]:
    """Words for 1 and 0; the bad one is coloured."""
    return Word(1, on, colour if bad == 1 else PLAIN), Word(0, off, colour if bad == 0 else PLAIN)


def thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    """As Grafana has them."""
    return dashboard.ThresholdsConfig(
        mode=dashboard.ThresholdsMode.ABSOLUTE,
        steps=[dashboard.Threshold(value=value, color=colour) for value, colour in steps],
    )


def mappings(words: Sequence[Word]) -> list[dashboard.ValueMapping]:
    """As Grafana has them; nothing where there are no words."""
    if not words:
        return []
    options = {
        f"{word.value:g}": dashboard.ValueMappingResult(text=word.text, color=word.colour, index=index)
        for index, word in enumerate(words)
    }
    return [dashboard.ValueMap(options=options)]
