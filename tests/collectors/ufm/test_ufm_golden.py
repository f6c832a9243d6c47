"""Recorded answers of UFM and of its telemetry give exactly what they say."""

import json
from pathlib import Path

import pytest

from collectors.ufm import rest, telemetry
from collectors.ufm.samples import Fabric, Reading
from collectors.ufm.samples import samples as series
from tests.support.golden import check
from tests.support.samples import samples
from wattstat.inventory import Inventory

GOLDEN = Path(__file__).parent / "golden"


def fabric(*names, guids=()):
    """What an inventory with those switches knows; the others are called as the fabric calls them."""
    switches = [{"name": name, "fabric": "infiniband"} for name in names]
    switches += [{"name": name, "fabric": "infiniband", "guid": digits} for name, digits in guids]
    return Fabric.of(Inventory.model_validate({"switches": switches}))


def read(reading, known):
    known.learn(reading)
    return series("ufm", known, reading)


@pytest.mark.samples
def test_recorded_systems_give_their_true_values():
    document = json.loads(samples("device-samples", "ufm-rest-ibm-cast", "systems-ufm-6.1.json").read_text())

    check(GOLDEN / "systems-ufm-6.1.prom", read(Reading(systems=rest.systems(document)), fabric("c650f07ib-leaf03-M")))


@pytest.mark.samples
def test_recorded_telemetry_gives_its_true_values():
    page = samples("device-samples", "ufm-sdk", "small_telemetry.json").read_text()
    known = fabric(guids=[("sw-a", "0x248a070300ef19a0"), ("sw-b", "e41d:2d03:0003:e3b0")])

    check(GOLDEN / "small_telemetry.prom", read(Reading(rows=telemetry.parse(page)), known))


@pytest.mark.samples
def test_the_recorded_converted_counters_are_octets_whatever_their_names_say():
    """A management packet is 288 octets on the wire without its last check sum (IBTA 1.5, 16.1.3.5), 72 words."""
    rows = telemetry.parse(samples("device-samples", "ufm-sdk", "small_telemetry.json").read_text())

    per_packet = [row.values["transmit_bytes"] / row.values["transmit_packets"] for row in rows]
    assert len(per_packet) == 6
    assert per_packet == pytest.approx([288.0] * 6, rel=1e-3), "a packet or two are shorter"
