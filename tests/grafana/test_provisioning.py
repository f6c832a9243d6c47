"""The files that Grafana reads at its start, held against what they speak of: addresses, paths, each other."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from tests.support.processes import ROOT
from wattstat.config import Config

PROVISIONING = ROOT / "grafana/provisioning"
SOURCES = sorted((PROVISIONING / "datasources").glob("*.yaml"))
PAGE = ROOT / "docs/grafana.md"


def sources() -> dict[str, dict[str, Any]]:
    """All data sources by uid."""
    return {each["uid"]: each for path in SOURCES for each in yaml.safe_load(path.read_text())["datasources"]}


def provider() -> dict[str, Any]:
    (found,) = yaml.safe_load((PROVISIONING / "dashboards/wattstat.yaml").read_text())["providers"]
    return found


@pytest.mark.parametrize("path", [*SOURCES, PROVISIONING / "dashboards/wattstat.yaml"], ids=lambda path: path.name)
def test_every_file_says_which_version_of_the_format_it_is(path):
    assert yaml.safe_load(path.read_text())["apiVersion"] == 1


def test_data_sources_are_where_the_deployed_files_put_the_servers():
    prometheus = (ROOT / "deploy/prometheus/prometheus.yml").read_text()
    found = {uid: source["url"].removeprefix("http://") for uid, source in sources().items()}

    assert found["wattstat"] == Config().web.listen
    assert found["alertmanager"] in prometheus
    assert {"wattstat", "prometheus", "alertmanager"} == found.keys()


def test_rates_are_taken_over_the_interval_that_is_scraped():
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    intervals = {uid: source["jsonData"].get("timeInterval") for uid, source in sources().items()}

    assert intervals["prometheus"] == config["global"]["scrape_interval"]
    assert intervals["wattstat"] == f"{Config().store.embedded.scrape_seconds:g}s"


def test_no_data_source_names_another_that_is_not_there():
    named = [source["jsonData"]["alertmanagerUid"] for source in sources().values() if "alertmanagerUid" in source["jsonData"]]

    assert set(named) <= sources().keys()
    assert named


def test_no_file_holds_a_secret():
    assert not [uid for uid, source in sources().items() if "secureJsonData" in source]


def test_dashboards_cannot_be_changed_where_the_change_would_be_lost():
    assert (provider()["allowUiUpdates"], provider()["type"]) == (False, "file")


def test_the_page_puts_the_files_where_grafana_and_the_provider_look():
    text = PAGE.read_text()
    placed = dict(re.findall(r"install .*-t (\S+) (grafana/\S+)", text))

    assert placed[provider()["options"]["path"]] == "grafana/dashboards/*.json"
    for folder, pattern in placed.items():
        assert folder.startswith(("/etc/grafana/provisioning/", "/var/lib/grafana/"))
        assert pattern.startswith("grafana/dashboards/") or (ROOT / pattern).exists()
