"""check-config tries what a configuration names: files, programs, servers."""

import os

import pytest
from typer.testing import CliRunner

from wattstat.cli import app

INVENTORY = "nodes: [{name: gpu01, agent: {url: 'http://gpu01:9837'}}, {name: login1, agent: {url: 'http://login1:9837'}}]"
GOOD_CSV = "time,grams_per_kwh\n2026-01-31T13:00:00Z,321.5\n"


@pytest.fixture
def checked(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("WATTSTAT_")]:
        monkeypatch.delenv(name)
    (tmp_path / "inventory.yaml").write_text(INVENTORY)

    def check(config):
        (tmp_path / "wattstat.yaml").write_text(config)
        return CliRunner().invoke(app, ["check-config"])

    return check


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ("energy: {carbon: {file: absent.csv}}", ("energy.carbon.file: ", "absent.csv cannot be read", "check the path")),
        ("energy: {carbon: {file: bad.csv}}", ("energy.carbon.file: ", "bad.csv, line 1", "expected a header with time")),
        ("energy: {database: 'mysql://db/x'}", ("energy.database: names mysql", "expected sqlite or postgresql")),
        ("energy: {database: 'sqlite://'}", ("energy.database: names no file", "expected such as sqlite:////")),
        ("schedulers: {slurm: [{url: 'https://s', tls: {ca_file: no.pem}}]}", ("slurm[0].tls.ca_file: ", "no.pem cannot be")),
        ("schedulers: {kubernetes: [{tls: {ca_file: bad.csv}}]}", ("kubernetes[0].tls.ca_file: ", "holds no certificate")),
        ("schedulers: {commands: [{name: pbs, command: []}]}", ("commands[pbs].command: names no program", "a list")),
        ("schedulers: {commands: [{name: pbs, command: [qstat-no]}]}", ("there is no program 'qstat-no'", "chmod +x")),
        ("schedulers: {commands: [{name: pbs, command: [./bad.csv]}]}", ("there is no program './bad.csv'", "chmod +x")),
        ("schedulers: {slurm: [{cluster: a}, {cluster: a}]}", ("slurm[1].cluster: the cluster 'a' stands twice", "each once")),
        ("schedulers: {slurm: [{}, {}]}", ("slurm[1].cluster: a second cluster without a name", "each once")),
        (
            "collectors: {ufm: [{name: ufm, url: 'https://u', credentials: nobody}]}",
            ("ufm[ufm].credentials: ", "nobody"),
        ),
        (
            "collectors: {ufm: [{name: u, url: 'https://u', credentials: a, tls: {ca_file: no.pem}}]}",
            ("ufm[u].tls.ca_file: ", "no.pem cannot be"),
        ),
        (
            "collectors: {ufm: [{name: u, url: 'https://u', credentials: a}, {name: u, url: 'https://v', credentials: a}]}",
            ("ufm[u].name: 'u' stands twice", "each once"),
        ),
        (
            "collectors: {in_band: {switches: {ib-leaf-x: lid-7}, program: no-ibswinfo}}",
            ("in_band.program: there is no program 'no-ibswinfo'", "in_band.switches.ib-leaf-x: the inventory lists no switch"),
        ),
        (
            "collectors: {in_band: {switches: {}, ports: true}, ufm: [{name: u, url: 'https://u', credentials: a}]}",
            ("in_band.ports: a UFM tells of the ports already", "remove it"),
        ),
        (
            "collectors: {inference: [{name: chat, url: 'http://c', gpus: [0]}]}",
            ("inference[chat].gpus: GPUs are named, but not the server", "add `node:`"),
        ),
        ("core: {listen: '127.0.0.1:0'}", ("core.listen: port 0", "web could not find core", "9838")),
    ],
)
def test_what_would_fail_is_refused_with_what_where_and_what_to_do(checked, tmp_path, config, told):
    (tmp_path / "bad.csv").write_text("hour,grams\n1,2\n")
    result = checked(config)

    assert result.exit_code == 1, result.output
    assert "error: wattstat.yaml:1:" in result.output
    assert [part for part in told if part not in result.output] == [], result.output


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ("schedulers: {slurm: [{every_seconds: 151}]}", ("slurm[0].every_seconds: ", "MinJobAge", "at most 150")),
        ("schedulers: {slurm: [{nodes: {n1: gpu1}}]}", ("slurm[0].nodes.n1: the inventory lists no server 'gpu1'", "gpu01")),
        ("schedulers: {kubernetes: [{nodes: {n1: z}}]}", ("kubernetes[0].nodes.n1: the inventory lists no server 'z'",)),
        ("schedulers: {commands: [{name: x, command: [sh], nodes: {n1: z}}]}", ("commands[x].nodes.n1: the inventory lists",)),
        ("collectors: {inference: [{name: c, url: 'http://c', node: z}]}", ("inference[c].node: the inventory lists no",)),
        ("energy: {overhead_nodes: [login*, mgmt*]}", ("overhead_nodes[1]: 'mgmt*' matches no server", "such as login*")),
    ],
)
def test_what_would_do_nothing_is_warned_of(checked, config, told):
    result = checked(config)

    assert result.exit_code == 0, result.output
    assert result.output.count("warning: wattstat.yaml:1:") == 1, result.output
    assert [part for part in told if part not in result.output] == [], result.output


def test_what_is_there_is_good(checked, tmp_path):
    (tmp_path / "carbon.csv").write_text(GOOD_CSV)
    result = checked(
        "energy: {carbon: {file: carbon.csv}, database: 'postgresql://db/wattstat', overhead_nodes: ['login?']}\n"
        "schedulers:\n"
        "  slurm: [{cluster: a, every_seconds: 150, nodes: {n1: gpu01}}, {cluster: b}]\n"
        "  commands: [{name: pbs, command: [sh, -c, 'true']}]\n"
        "collectors: {inference: [{name: a, url: 'http://c', node: gpu01}, {name: c, url: 'http://c', node: gpu01, gpus: [0]}]}"
    )

    assert result.exit_code == 0
    assert "warning" not in result.output
    assert "error" not in result.output


def test_servers_that_an_address_adds_are_not_missed(checked):
    result = checked(
        "inventory: {file: inventory.yaml, http_sd: 'http://sd/targets'}\nenergy: {overhead_nodes: [mgmt*]}\n"
        "schedulers: {slurm: [{nodes: {n1: elsewhere}}]}\n"
    )

    assert result.exit_code == 0
    assert "warning" not in result.output


def test_a_site_without_a_ledger_needs_no_file_for_it(checked):
    assert checked("energy: {enabled: false, carbon: {file: absent.csv}, database: 'mysql://db/x'}").exit_code == 0


def test_a_switch_is_read_one_way(checked, tmp_path):
    rest = "rest: {url: 'https://leaf', credentials: fabric}"
    (tmp_path / "inventory.yaml").write_text(f"switches: [{{name: ib-leaf-1, fabric: infiniband, {rest}}}]")
    program = tmp_path / "ibswinfo"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    result = checked(f"collectors: {{in_band: {{switches: {{ib-leaf-1: lid-7}}, program: {program}}}}}")

    assert "in_band.switches.ib-leaf-1: ib-leaf-1 is read by its `rest` already" in result.output.replace("\n", " ")
