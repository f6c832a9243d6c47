"""The stylesheet's colours: legible in dark and in light (WCAG 2.1 AA)."""

import re
from pathlib import Path

import pytest

from dashboard.components import charts

CSS = (Path(charts.__file__).parents[1] / "assets" / "1-base.css").read_text(encoding="utf-8")
SCHEMES = {"light": ":root {", "dark": '[data-mantine-color-scheme="dark"] {'}
TEXTS = [
    *((ink, paper) for ink in ("ink", "ink-2", "ink-3") for paper in ("paper", "panel", "sunken")),
    *((word, "panel") for word in ("warning", "critical", "accent")),
    ("on-ramp", "ramp-low"),
    ("on-ramp", "ramp-high"),
]


def tokens(scheme: str) -> dict[str, str]:
    body = CSS.split(SCHEMES[scheme], 1)[1].split("}", 1)[0]
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", body))


def luminance(colour: str) -> float:
    parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("ink", "paper"), TEXTS)
def test_text_stands_out_from_what_it_is_written_on(scheme, ink, paper):
    found = tokens(scheme)

    assert contrast(found[ink], found[paper]) >= 4.5


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("colour", [*charts.LINES, charts.GREY])
def test_lines_stand_out_from_the_panel_in_both_schemes(scheme, colour):
    assert contrast(colour, tokens(scheme)["panel"]) >= 3


@pytest.mark.parametrize("scheme", SCHEMES)
def test_marks_of_deviation_stand_out_and_differ_in_lightness(scheme):
    found = tokens(scheme)

    assert contrast(found["critical-fill"], found["panel"]) >= 3
    assert abs(luminance(found["critical-fill"]) - luminance(found["warning-fill"])) > 0.1
