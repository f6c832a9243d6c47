"""What both pages say where nothing is configured, where core is silent and where history does not answer."""

from pathlib import Path

import pytest
import yaml
from fixture_datapath import DatapathLive, datapath_inventory
from fixture_hall import FakeLive, FakeStore

from dashboard.components import empty
from dashboard.pages import fabric, storage
from dashboard.services import Services
from wattstat.config import Config
from wattstat.inventory import Inventory
from wattstat.store.protocol import QueryError

NODES = "nodes:\n  - {name: gpu-01, rack: R01}\nracks:\n  - {name: R01}\n"


@pytest.mark.parametrize("lines", [empty.STORAGE, empty.FABRIC])
def test_the_lines_that_the_pages_offer_make_an_inventory(lines):
    hall = Inventory.model_validate(yaml.safe_load(NODES + lines))

    assert [each.name for each in hall.storage] + [each.name for each in hall.switches] in (["scratch"], ["leaf-1"])
    assert all(cluster.design_read_bytes_per_second == 40e9 for cluster in hall.storage)


@pytest.mark.parametrize(("lines", "name"), [(empty.STORAGE_CREDENTIALS, "storage"), (empty.FABRIC_CREDENTIALS, "snmp")])
def test_the_credentials_that_the_pages_offer_are_those_that_the_entries_name(lines, name):
    config = Config.model_validate(yaml.safe_load(lines))

    assert config.credentials[name].password_file == Path(yaml.safe_load(lines)["credentials"][name]["password_file"])
    assert any(f"credentials: {name}" in offered for offered in (empty.STORAGE, empty.FABRIC))


def test_a_page_without_anything_says_which_file_to_change():
    for said in (storage.nothing()["storage-clusters"], fabric.nothing()["fabric-matrix-body"]):
        assert "inventory.yaml" in str(said)
        assert "wattstat.yaml" in str(said)


async def test_a_hall_without_switches_has_nothing_to_read_but_no_error(tmp_path):
    services = Services(FakeStore(empty=True), FakeLive(), lambda: 0.0)
    seen = await fabric.read(services, "")

    assert not seen.switches
    assert not seen.servers
    assert not seen.suspects
    assert seen.leaf == ""


async def test_switches_without_history_are_still_shown():
    services = Services(FakeStore(empty=True), DatapathLive(hall_inventory=datapath_inventory()), lambda: 0.0)
    bodies = fabric.bodies(await fabric.read(services, ""))

    assert "eth-leaf-2" in str(bodies["fabric-switches-body"])
    assert "No cable is known" in str(bodies["fabric-matrix-body"])


async def test_a_store_that_fails_is_told_and_not_taken_for_an_empty_one():
    services = Services(FakeStore(broken=True), DatapathLive(hall_inventory=datapath_inventory()), lambda: 0.0)

    with pytest.raises(QueryError, match="the store is closed"):
        await fabric.read(services, "")
