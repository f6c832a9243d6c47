"""init, check-config, metrics, targets: what they print and how they end."""

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from typer.testing import CliRunner

from wattstat.catalogue import ALL
from wattstat.cli import app
from wattstat.cli.output import table


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("WATTSTAT_")]:
        monkeypatch.delenv(name)
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


def site(tmp_path, config="", inventory=""):
    (tmp_path / "wattstat.yaml").write_text(config)
    (tmp_path / "inventory.yaml").write_text(inventory)


def test_init_writes_files_that_check_config_finds_good(run, tmp_path):
    assert run("init", "site").exit_code == 0
    checked = run("check-config", "site/wattstat.yaml")

    assert checked.exit_code == 0
    assert "is good: 0 nodes" in checked.stdout
    assert sorted(path.name for path in (tmp_path / "site").iterdir()) == ["inventory.yaml", "wattstat.yaml"]


def test_init_does_not_overwrite_unless_forced(run, tmp_path):
    (tmp_path / "inventory.yaml").write_text("mine")
    refused = run("init")

    assert refused.exit_code == 1
    assert "inventory.yaml: already there" in refused.stderr
    assert (tmp_path / "inventory.yaml").read_text() == "mine"
    assert not (tmp_path / "wattstat.yaml").exists()
    assert run("init", "--force").exit_code == 0
    assert (tmp_path / "inventory.yaml").read_text() != "mine"


def test_init_says_where_it_cannot_write(run, tmp_path):
    (tmp_path / "file").write_text("")
    refused = run("init", "file/below")

    assert refused.exit_code == 1
    assert "cannot be written" in refused.stderr


def test_check_config_lists_the_problems_of_both_files(run, tmp_path):
    site(
        tmp_path,
        "credentials: {idrac: {password_file: absent}}\n",
        "nodes:\n  - {name: a, bmc: {url: https://a}}\n  - {name: a, agent: {url: http://a, credentials: idrak}}\n",
    )
    checked = run("check-config")

    assert checked.exit_code == 1
    assert "wattstat.yaml:1:23: credentials.idrac.password_file: the password file" in checked.stdout
    assert "inventory.yaml:2:15: nodes[a].bmc.credentials: there are no credentials 'bmc'" in checked.stdout
    assert "inventory.yaml:3:38: nodes[a].agent.credentials: there are no credentials 'idrak'" in checked.stdout
    assert "did you mean idrac?" in checked.stdout
    assert "4 problems" in checked.stdout


def test_a_wrong_configuration_does_not_hide_what_is_wrong_with_the_inventory(run, tmp_path):
    site(tmp_path, "data_dri: here\n", "nodes:\n- name: gpu01\n  hight: 6\n")

    checked = run("check-config")

    assert checked.exit_code == 1
    assert "data_dri" in checked.stdout
    assert "hight" in checked.stdout


def test_check_config_tries_the_files_of_authorities(run, tmp_path):
    (tmp_path / "empty.pem").write_text("nothing")
    site(
        tmp_path,
        "credentials: {bmc: {password_env: PATH}}\n",
        "nodes:\n"
        "  - {name: 'a[1-9]', bmc: {url: 'https://{name}', tls: {ca_file: absent.pem}}}\n"
        "  - {name: b, bmc: {url: https://b, tls: {ca_file: empty.pem}}}\n",
    )
    checked = run("check-config")

    assert checked.exit_code == 1
    assert f"nodes[a1].bmc.tls.ca_file and 8 more: {tmp_path / 'absent.pem'} cannot be read" in checked.stdout
    assert f"nodes[b].bmc.tls.ca_file: {tmp_path / 'empty.pem'} holds no certificate" in checked.stdout
    assert "2 problems" in checked.stdout


def test_check_config_prints_json(run, tmp_path):
    site(tmp_path, "web: {lisen: 1}\n")
    checked = run("check-config", "--json")
    found = json.loads(checked.stdout)

    assert checked.exit_code == 1
    assert not found["ok"]
    assert found["problems"] == [
        {
            "file": "wattstat.yaml",
            "line": 1,
            "column": 7,
            "setting": "web.lisen",
            "what": "no such setting",
            "expected": "core_url, insecure or listen",
            "advice": "did you mean `listen`?",
            "warning": False,
        }
    ]


def test_check_config_without_a_file_is_wrong_use(run):
    checked = run("check-config", "absent.yaml")

    assert checked.exit_code == 2
    assert "wattstat init" in checked.stderr
    assert run("check-config", "--nonsense").exit_code == 2


def test_check_config_warns_of_what_the_world_would_see_and_still_says_good(run, tmp_path):
    site(tmp_path, "web: {listen: '0.0.0.0:8050'}\n")
    checked = run("check-config")

    assert checked.exit_code == 0
    assert "warning: wattstat.yaml:1:7: web.listen: 0.0.0.0:8050 can be reached by others" in checked.stdout


def test_a_missing_inventory_is_a_problem_only_when_it_was_named(run, tmp_path):
    (tmp_path / "wattstat.yaml").write_text("")
    assert run("check-config").exit_code == 0
    (tmp_path / "wattstat.yaml").write_text("inventory: {file: hall.yaml}")
    checked = run("check-config")

    assert checked.exit_code == 1
    assert f"there is no {tmp_path / 'hall.yaml'}" in checked.stdout


def test_check_config_never_prints_a_secret(run, tmp_path):
    (tmp_path / "pw").write_text("hunter2")
    site(tmp_path, "credentials: {bmc: {password_file: pw}}\nwbe: 1", "nodes: [{name: a, bmc: {url: https://a}}]")
    checked = run("check-config")

    assert "hunter2" not in checked.stdout + checked.stderr
    assert "everybody on this machine may read" not in checked.stdout or "warning" in checked.stdout


def test_metrics_lists_the_whole_catalogue(run):
    listed = run("metrics")
    items = json.loads(run("metrics", "--json").stdout)["items"]

    assert all(name in listed.stdout for name in ALL)
    assert {item["name"] for item in items} == set(ALL)
    assert items[0].keys() == {"name", "type", "labels", "help", "source"}
    assert [item["name"] for item in json.loads(run("metrics", "xid_errors", "--json").stdout)["items"]] == [
        "wattstat_gpu_xid_errors_total"
    ]


def test_targets_says_that_core_does_not_answer(run):
    asked = run("targets", "--core", "http://127.0.0.1:1")

    assert asked.exit_code == 1
    assert "is `wattstat serve` running?" in asked.stderr


STATES = [
    {
        "collector": "redfish", "target": "gpu1", "tier": "fast", "every_seconds": 10, "success": True, "supported": True,
        "duration_seconds": 0.21, "last_success": time.time(), "failing_since": None, "error": "",
        "resource_errors": {"Thermal": "no JSON"}, "samples": 12, "circuit_open_until": None,
    },
    {
        "collector": "redfish", "target": "gpu2", "tier": "fast", "every_seconds": 10, "success": False, "supported": True,
        "duration_seconds": 4, "last_success": None, "failing_since": 1.0, "error": "no connection",
        "resource_errors": {}, "samples": 0, "circuit_open_until": 1800000000.0,
    },
    {
        "collector": "agent", "target": "gpu1", "tier": "fast", "every_seconds": 5, "success": True, "supported": True,
        "duration_seconds": 0.01, "last_success": time.time(), "failing_since": None, "error": "",
        "resource_errors": {}, "samples": 400, "circuit_open_until": None,
    },
]  # fmt: skip


async def test_targets_prints_what_each_collector_sees(tmp_path):
    server = TestServer(web.Application())
    server.app.router.add_get("/live/collectors", _answer)
    await server.start_server()
    try:
        url = str(server.make_url("/"))
        shown = await _command(tmp_path, "targets", "--core", url)
        failing = json.loads(await _command(tmp_path, "targets", "--core", url, "--failing", "--json"))
    finally:
        await server.close()

    lines = shown.splitlines()
    assert lines[0].split() == ["COLLECTOR", "TARGET", "TIER", "STATE", "AGE", "TOOK", "SAMPLES", "ERROR"]
    assert lines[1].startswith("agent      gpu1    fast  well")
    assert "in part" in lines[2]
    assert "Thermal: no JSON" in lines[2]
    assert "left alone until 08:00:00Z" in lines[3]
    assert "no connection" in lines[3]
    assert [item["target"] for item in failing["items"]] == ["gpu1", "gpu2"]


async def _answer(_):
    return web.json_response({"items": STATES})


async def _command(folder, *arguments):
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "wattstat",
        *arguments,
        cwd=folder,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    return out.decode()


def test_a_configuration_that_cannot_be_used_ends_a_command_with_its_problems(tmp_path):
    (tmp_path / "wattstat.yaml").write_text("web: {lisen: 1}")
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    ended = subprocess.run(
        [sys.executable, "-m", "wattstat", "targets"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )

    assert ended.returncode == 1
    assert (
        ended.stderr
        == "wattstat.yaml:1:7: web.lisen: no such setting; expected core_url, insecure or listen; did you mean `listen`?\n"
    )


def test_a_table_aligns_numbers_to_the_right_and_leaves_absent_cells_empty():
    assert table(("name", "watts"), [("gpu1", 700), ("gpu22", None), ("g", 7)]) == [
        "NAME   WATTS",
        "gpu1     700",
        "gpu22",
        "g          7",
    ]


def test_a_table_is_cut_to_the_terminal():
    assert table(("text",), [("x" * 50,)], width=10)[1] == "xxxxxxxxx…"
