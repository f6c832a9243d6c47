"""The wheel: built without a network, installed away from the source tree, and at work there."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from hatchling.builders.wheel import WheelBuilder

from tests.support.processes import ROOT, free_port, http_get, running, wait_for

PACKAGES = ("wattstat", "alerts", "collectors", "dashboard", "energy", "power", "simulator")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    (path,) = WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    return Path(path)


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-compile"]
    subprocess.run([*pip, "--disable-pip-version-check", "--target", str(folder), str(wheel)], check=True, timeout=60)
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    core, web = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    settings = {"data_dir": str(folder / "data"), "core": {"listen": core}, "web": {"listen": web}}
    (folder / "wattstat.yaml").write_text(yaml.safe_dump(settings))
    (folder / "inventory.yaml").write_text("site: {name: hall}\n")
    return folder


def environment(installed):
    """In which what was installed is found, and not the folder where a process stands."""
    return {**os.environ, "PYTHONPATH": str(installed), "PYTHONSAFEPATH": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def said(installed, site, *arguments):
    command = [sys.executable, "-m", "wattstat", *arguments]
    done = subprocess.run(
        command, cwd=site, env=environment(installed), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_everything_that_stands_beside_the_code_is_in_it(wheel):
    with zipfile.ZipFile(wheel) as archive:
        found = set(archive.namelist())

    wanted = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert wanted - found == set()
    kinds = ("alerts/rules/gpu.yml", "alerts/runbooks/GpuLost.md", "alerts/delivery/routing.yml", "dashboard/assets/")
    assert all(any(name.startswith(kind) for name in wanted) for kind in kinds)


def test_a_configuration_is_checked_by_what_was_installed(installed, site):
    where = "import alerts, wattstat; print(alerts.__file__, wattstat.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", where], cwd=site, env=environment(installed), capture_output=True, text=True, check=True
    )
    assert all(each.startswith(str(installed)) for each in done.stdout.split())

    assert "is good" in said(installed, site, "check-config", "wattstat.yaml")


def test_what_was_installed_evaluates_its_rules_and_serves_its_pages(installed, site):
    settings = yaml.safe_load((site / "wattstat.yaml").read_text())
    web = f"http://{settings['web']['listen']}"
    command = [sys.executable, "-m", "wattstat", "web", "--config", str(site / "wattstat.yaml")]
    with running(command, site / "web.log", **environment(installed)):
        wait_for("the API", lambda: http_get(f"{web}/api/alerts/status"))
        rules = said(installed, site, "alerts", "rules", "--url", web)
        runbook = http_get(f"{web}/api/alerts/runbooks/GpuLost")
        page = http_get(f"{web}/alerts") or ""
        style = re.search(r'href="(/assets/[^"]+[.]css[^"]*)"', page)
        assert style is not None
        assert http_get(f"{web}{style[1]}")

    assert "GpuLost" in rules
    assert "## Mitigation" in (runbook or "")
