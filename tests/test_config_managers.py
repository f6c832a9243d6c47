"""check-config looks at cluster managers: who asks them, which of them the inventory means, and the files that they need."""

import os

import pytest
from typer.testing import CliRunner

from wattstat.cli import app


@pytest.fixture
def checked(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("WATTSTAT_")]:
        monkeypatch.delenv(name)
    (tmp_path / "inventory.yaml").write_text("nodes: [{name: gpu01}]")
    (tmp_path / "bcm.pem").write_text("a certificate")
    (tmp_path / "bcm.key").touch(mode=0o600)

    def check(entries, inventory=""):
        more = f"inventory: {{{inventory}}}\n" if inventory else ""
        (tmp_path / "wattstat.yaml").write_text(f"{more}collectors: {{bcm: [{entries}]}}\n")
        return CliRunner().invoke(app, ["check-config"])

    return check


GOOD = "{name: bcm, url: 'https://head:8081', certificate: bcm.pem, key: bcm.key}"


def test_a_manager_with_a_certificate_is_good(checked):
    result = checked(GOOD, "bcm: bcm")

    assert result.exit_code == 0, result.output
    assert "warning" not in result.output


@pytest.mark.parametrize(
    ("entries", "inventory", "told"),
    [
        ("{name: bcm, url: 'https://head:8081'}", "", ("collectors.bcm[bcm]: says nowhere who asks", "certificate and key")),
        ("{name: bcm, url: 'https://head:8081', credentials: x}", "", ("bcm[bcm].credentials", "'x'")),
        (f"{GOOD}, {GOOD}", "", ("bcm[bcm].name: 'bcm' stands twice", "each once")),
        (GOOD, "bcm: bmc", ("inventory.bcm: there is no manager 'bmc'", "did you mean bcm?")),
        (GOOD, "bcm: other", ("there is no manager 'other'", "list it under collectors.bcm")),
        (GOOD.replace("bcm.pem", "no.pem"), "", ("bcm[bcm].certificate", "no.pem cannot be read")),
        (GOOD.replace("bcm.key", "no.key"), "", ("bcm[bcm].key", "no.key cannot be read")),
        (GOOD[:-1] + f", tls: {{fingerprint: {'ab' * 32}}}}}", "", ("tls.fingerprint: does not go together", "as ca_file")),
        (GOOD[:-1] + ", tls: {ca_file: no.pem}}", "", ("tls.ca_file", "no.pem cannot be")),
        (
            GOOD.replace("https", "http"),
            "",
            (
                "error: wattstat.yaml:1:",
                "bcm[bcm].url: http://head:8081 is not encrypted; expected https://",
                "switch HTTPS on",
            ),
        ),
    ],
)
def test_what_would_fail_is_refused_with_what_where_and_what_to_do(checked, entries, inventory, told):
    result = checked(entries, inventory)

    assert result.exit_code == 1, result.output
    assert [part for part in told if part not in result.output] == [], result.output


def test_a_name_that_the_inventory_does_not_have_is_warned_of(checked):
    result = checked(GOOD[:-1] + ", nodes: {node001: gpu1}}")

    assert result.exit_code == 0, result.output
    assert "the inventory lists no server 'gpu1'" in result.output


def test_a_key_that_everybody_may_read_is_warned_of(checked, tmp_path):
    (tmp_path / "bcm.key").chmod(0o644)
    result = checked(GOOD)

    assert result.exit_code == 0, result.output
    assert "everybody on this machine may read" in result.output


def test_a_fabric_manager_is_not_sent_its_password_in_the_clear(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    entry = "credentials: {c: {password_env: PATH}}\ncollectors: {ufm: [{name: u, url: 'http://ufm', credentials: c}]}\n"
    (tmp_path / "wattstat.yaml").write_text(entry)
    result = CliRunner().invoke(app, ["check-config"])

    assert result.exit_code == 1
    assert "error: wattstat.yaml:2:30: collectors.ufm[u].url: http://ufm is not encrypted; expected https://" in result.output
    (tmp_path / "wattstat.yaml").write_text(entry.replace("//ufm", "//127.85.0.9:8080"))
    assert CliRunner().invoke(app, ["check-config"]).exit_code == 0
