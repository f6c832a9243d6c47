"""The samples that `wattstat init` writes."""

from pathlib import Path

from wattstat import config, inventory
from wattstat.config import Config
from wattstat.config.describe import settings
from wattstat.config.sample import config_sample, inventory_sample, uncommented
from wattstat.document import parse
from wattstat.inventory import Inventory
from wattstat.inventory.models import InventoryFile


def test_the_samples_load_as_they_are_to_the_defaults(tmp_path):
    (tmp_path / "wattstat.yaml").write_text(config_sample())
    found = config.load(tmp_path / "wattstat.yaml", environ={})

    assert found.model_copy(update={"data_dir": Path("wattstat-data"), "inventory": Config().inventory}) == Config()
    assert inventory.loads(inventory_sample()) == Inventory()


def test_the_configurations_sample_with_every_setting_in_force_equals_the_defaults():
    document = parse(uncommented(config_sample()), source="sample")

    assert document.problems == ()
    assert Config.model_validate(document.data) == Config()
    assert document.data.keys() == Config.model_fields.keys()


def test_the_configurations_sample_holds_every_setting_of_a_group_that_has_a_default():
    text = uncommented(config_sample())
    names = {
        setting.loc[-1]
        for setting in settings(Config)
        if not {"NAME", "[]"} & set(setting.loc)
        and setting.loc[:2] != ("store", "prometheus")
        and setting.loc[:3] != ("energy", "carbon", "service")
        and setting.loc[:2] not in {("access", "proxy"), ("alerts", "heartbeat"), ("alerts", "last_resort")}
    }

    assert not [name for name in names if f"{name}:" not in text]


def test_the_inventorys_example_is_a_good_inventory():
    found = inventory.loads(uncommented(inventory_sample()), base=Path("/site"))

    assert len(found.nodes) == 48
    assert found.nodes[47].rack == "r16"
    assert found.nodes[47].unit == 13
    assert found.nodes[47].bmc.url == "https://gpu48-idrac.example.net"
    assert found.nodes[47].bmc.tls.ca_file == Path("/site/bmc-ca.pem")
    assert found.racks[0].breakers == ("r01-a", "r01-b")


def test_every_member_of_the_inventory_is_at_least_named_in_its_sample():
    text = inventory_sample()

    inside_others = {"verify", "fingerprint", "seconds", "reason", "until"}
    assert not [s.loc for s in settings(InventoryFile) if str(s.loc[-1]) not in text and s.loc[-1] not in inside_others]


def test_every_line_fits_and_every_setting_is_explained():
    for line in (config_sample() + inventory_sample()).splitlines():
        assert len(line) <= 130, line
    assert not [setting.loc for setting in [*settings(Config), *settings(InventoryFile)] if not setting.text.endswith(".")]
