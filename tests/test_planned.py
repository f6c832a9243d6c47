"""Planned work and expected GPUs, out of the inventory."""

from pathlib import Path

import pytest

from wattstat.catalogue import node as catalogue
from wattstat.document import InvalidDocument
from wattstat.hall import Hall
from wattstat.inventory import Inventory, loads
from wattstat.planned import samples
from wattstat.serve import premises
from wattstat.serve.core import _entries

TEXT = """
nodes:
  - name: n[1-2]
    gpus: 8
    maintenance: {reason: riser exchanged, until: 2026-11-24T18:00:00+01:00}
  - name: m1
"""
ENDS_AT = 1795539600.0


def told(inventory, now):
    return {(sample.metric, *sample.labels): sample.value for sample in samples(inventory, now)}


def test_work_that_goes_on_is_told_with_its_reason_and_its_end():
    found = told(loads(TEXT, source="inventory.yaml", base=Path()), ENDS_AT - 1)
    assert {key: value for key, value in found.items() if key[0] is not catalogue.NODE_EXPECTED_GPUS} == {
        (catalogue.NODE_MAINTENANCE_ACTIVE, "n1", "riser exchanged"): 1,
        (catalogue.NODE_MAINTENANCE_ACTIVE, "n2", "riser exchanged"): 1,
        (catalogue.NODE_MAINTENANCE_END_TIMESTAMP_SECONDS, "n1"): ENDS_AT,
        (catalogue.NODE_MAINTENANCE_END_TIMESTAMP_SECONDS, "n2"): ENDS_AT,
    }


def test_core_tells_it_beside_what_is_measured():
    inventory = loads(TEXT, source="inventory.yaml", base=Path())
    found = premises.samples(Hall(clock=lambda: ENDS_AT - 1).snapshot(), inventory)
    assert {sample.labels for sample in found if sample.metric is catalogue.NODE_MAINTENANCE_ACTIVE} == {
        ("n1", "riser exchanged"),
        ("n2", "riser exchanged"),
    }


def test_work_whose_end_has_passed_is_over_and_gpus_are_expected_all_the_same():
    found = told(loads(TEXT, source="inventory.yaml", base=Path()), ENDS_AT)
    assert found == {(catalogue.NODE_EXPECTED_GPUS, "n1"): 8, (catalogue.NODE_EXPECTED_GPUS, "n2"): 8}


def test_the_inventory_comes_over_the_network_as_it_was():
    inventory = loads(TEXT, source="inventory.yaml", base=Path())
    assert Inventory.model_validate(inventory.model_dump(mode="json")) == inventory


def test_work_that_begins_does_not_make_a_server_be_watched_anew():
    working = loads(TEXT, source="inventory.yaml", base=Path())
    line = next(line for line in TEXT.splitlines() if "maintenance" in line)
    assert _entries(working) == _entries(loads(TEXT.replace(line, ""), source="inventory.yaml", base=Path()))


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ("{reason: riser}", "until"),
        ("{reason: riser, until: 2026-11-24T18:00:00}", "timezone"),
        ("{reason: '', until: 2026-11-24T18:00:00Z}", "reason"),
        ("{reason: riser, until: tomorrow}", "until"),
    ],
)
def test_work_without_an_end_that_everybody_understands_is_refused(given, wrong):
    with pytest.raises(InvalidDocument, match=wrong):
        loads(f"nodes: [{{name: n1, maintenance: {given}}}]", source="inventory.yaml", base=Path())
