"""All findings together."""

from pathlib import Path

import pytest

from alerts.findings import finders
from alerts.subject import subject
from tests.support.alert_history import History
from wattstat.inventory import Inventory

T0 = 1_700_006_400.0
RUNBOOKS = Path(__file__).parents[2] / "alerts" / "runbooks"
SECTIONS = ("## Meaning", "## Impact", "## Diagnosis", "## Mitigation", "## Safe to automate?", "## Threshold")


class Nothing:
    """A history without anything."""

    async def query(self, expression, at=None):
        raise AssertionError


def all_of_them(store=None):
    return finders(store or Nothing(), Inventory, lambda: T0)


def test_each_has_a_name_of_its_own_and_says_what_it_looks_for():
    found = all_of_them()

    assert len({each.name for each in found}) == len(found)
    assert all(each.summary and not any(letter.isdigit() for letter in each.summary) for each in found)


@pytest.mark.parametrize("name", [each.name for each in all_of_them()])
def test_each_has_a_runbook_with_all_sections(name):
    text = (RUNBOOKS / f"{name}.md").read_text()

    assert text.startswith(f"# {name}\n")
    places = [text.index(section) for section in SECTIONS]
    assert places == sorted(places)


async def test_a_history_without_anything_of_ours_has_no_findings(tmp_path):
    history = History(start=T0, seconds=3600)
    history.add("up", 1.0, job="somebody's")
    async with history.stored(tmp_path) as store:
        for each in all_of_them(store):
            assert await each.look(history.end) == []


@pytest.mark.parametrize("labels", [{"node": "n", "gpu": "1"}, {"switch": "s", "port": "1"}, {"budget": "b", "kind": "rack"}])
def test_what_findings_name_is_a_device(labels):
    assert subject(labels).kind in {"node", "switch", "rack"}
