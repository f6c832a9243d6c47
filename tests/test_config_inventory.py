"""`wattstat check-config` on an inventory that can be used, but says less, or less safely, than its writer thinks."""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from wattstat.cli import app

SECRETS = "credentials: {c: {password_env: PATH}}\n"
CLUSTER = "name: scratch, kind: ecs, url: 'https://scratch', credentials: c"


@pytest.fixture
def checked(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("WATTSTAT_")]:
        monkeypatch.delenv(name)

    def check(inventory, config=""):
        (tmp_path / "inventory.yaml").write_text(inventory)
        (tmp_path / "wattstat.yaml").write_text(SECRETS + config)
        return CliRunner().invoke(app, ["check-config"])

    return check


def only_warning_of(result) -> str:
    assert result.exit_code == 0, result.output
    (line,) = (line for line in result.output.splitlines() if line.startswith("warning: "))
    return line.removeprefix("warning: ").replace(f"{Path.cwd()}/", "")


def has_no_warning(result) -> bool:
    return result.exit_code == 0 and "warning" not in result.output


def test_readers_that_match_no_server_are_warned_of(checked):
    text = f"nodes: [{{name: gpu01}}]\nstorage: [{{{CLUSTER}, readers: [gpu*, 'dgx*']}}]\n"

    assert only_warning_of(checked(text)).startswith(
        "inventory.yaml:2:94: storage[scratch].readers[1]: 'dgx*' matches no server of the inventory; "
        "expected a server's name, or a pattern such as gpu*; correct it, or leave `readers` out"
    )
    assert has_no_warning(checked(text.replace("dgx*", "gpu[01-02]")))


def test_readers_may_be_servers_that_an_address_adds(checked):
    text = f"nodes: [{{name: gpu01}}]\nstorage: [{{{CLUSTER}, readers: ['dgx*']}}]\n"

    assert has_no_warning(checked(text, "inventory: {file: inventory.yaml, http_sd: 'http://sd/targets'}\n"))
