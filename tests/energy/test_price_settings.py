"""Tariffs and carbon services in wattstat.yaml: nonsense is refused where it stands."""

from pathlib import Path

import pytest

from wattstat import config
from wattstat.config import reader
from wattstat.document import parse

SERVICE = "energy: {carbon: {service: {kind: %s}}}"


@pytest.mark.parametrize(
    ("text", "setting", "words"),
    [
        ("energy: {tariff: {currency: euros}}", "energy.tariff", "three capital letters"),
        ("energy: {tariff: {timezone: Mars/Base}}", "energy.tariff", "no time zone"),
        (
            "energy: {tariff: {periods: [{start: '08:00', end: '08:00', price_per_kwh: 1}]}}",
            "energy.tariff.periods[0]",
            "begins and ends",
        ),
        (SERVICE % "watttime", "energy.carbon.service", "needs a zone and credentials"),
        (
            SERVICE % "electricity_maps, zone: DE, credentials: grid",
            "energy.carbon.service.credentials",
            "no credentials 'grid'",
        ),
    ],
)
def test_nonsense_is_refused_where_it_stands(text, setting, words):
    found = config.environment.override(parse(text, source="wattstat.yaml"), {})
    (problem,) = reader.examine(found, Path("/site"))[1]
    assert problem.setting == setting
    assert words in str(problem)


def test_great_britain_needs_neither_zone_nor_key():
    found = config.environment.override(parse(SERVICE % "national_grid_eso", source="wattstat.yaml"), {})
    assert reader.examine(found, Path("/site"))[1] == []
