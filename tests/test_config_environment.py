"""Settings from the environment."""

import re
from pathlib import Path

import pytest

from wattstat.config import Config, environment, reader
from wattstat.config.describe import settings
from wattstat.document import parse


def read(environ, text=""):
    return reader.examine(environment.override(parse(text, source="wattstat.yaml"), environ), Path("/site"))


def test_the_environment_wins_over_the_file():
    found, problems = read({"WATTSTAT_WEB__LISTEN": "127.0.0.1:1"}, "web: {listen: '127.0.0.1:2', insecure: true}")

    assert not problems
    assert found.web.listen == "127.0.0.1:1"
    assert found.web.insecure


@pytest.mark.parametrize(
    ("name", "text", "of"),
    [
        ("WATTSTAT_DATA_DIR", "kept", lambda c: c.data_dir == Path("/site/kept")),
        ("wattstat_data_dir", "/kept", lambda c: c.data_dir == Path("/kept")),
        ("WATTSTAT_WEB__INSECURE", "yes", lambda c: c.web.insecure is True),
        ("WATTSTAT_COLLECTORS__REDFISH__FAST_SECONDS", "2.5", lambda c: c.collectors.redfish.fast_seconds == 2.5),
        ("WATTSTAT_CREDENTIALS__BMC__PASSWORD_ENV", "X", lambda c: c.credentials["bmc"].password_env == "X"),
        ("WATTSTAT_INVENTORY", '{"file": null, "http_sd": "http://x"}', lambda c: c.inventory.file is None),
        ("WATTSTAT_STORE__PROMETHEUS", '{"url": "http://x"}', lambda c: c.store.prometheus.url == "http://x"),
    ],
)
def test_every_kind_of_setting_can_come_from_the_environment(name, text, of):
    found, problems = read({name: text})

    assert not problems
    assert of(found)


def test_a_group_as_json_is_laid_over_the_files_and_a_single_setting_over_both():
    found, problems = read(
        {"WATTSTAT_WEB": '{"insecure": true, "listen": "127.0.0.1:3"}', "WATTSTAT_WEB__LISTEN": "127.0.0.1:4"},
        "web: {core_url: 'http://core:9838'}",
    )

    assert not problems
    assert (found.web.core_url, found.web.insecure, found.web.listen) == ("http://core:9838", True, "127.0.0.1:4")


def test_the_defaults_are_not_touched_by_an_override():
    read({"WATTSTAT_WEB__LISTEN": "127.0.0.1:1"})

    assert Config().web.listen == "127.0.0.1:8050"


def test_a_wrong_value_names_the_variable():
    _, (problem,) = read({"WATTSTAT_WEB__LISTEN": "here"}, "web: {listen: '127.0.0.1:2'}")

    assert str(problem).startswith(
        "environment variable WATTSTAT_WEB__LISTEN: web.listen: 'here' is no address; expected host:port"
    )


def test_an_unknown_variable_names_the_nearest():
    _, (group,) = read({"WATTSTAT_WBE__LISTEN": "x"})
    _, (setting,) = read({"WATTSTAT_WEB__LISEN": "x"})

    assert group.advice == "did you mean `WATTSTAT_WEB__LISTEN`?"
    assert setting.advice == "did you mean `listen`?"
    assert not group.warning
    assert not setting.warning


def test_an_unknown_variable_without_groups_may_be_somebody_elses():
    found, (problem,) = read({"WATTSTAT_DATA_DRI": "x"})

    assert found is not None
    assert problem.warning
    assert problem.advice == "did you mean `WATTSTAT_DATA_DIR`?"


def test_our_variables_that_are_no_settings_are_left_alone():
    assert read({"WATTSTAT_CONFIG": "x", "WATTSTAT_SAMPLES": "y", "PATH": "z"})[1] == []


def test_every_variable_that_our_code_names_is_known():
    root = Path(__file__).parents[1]
    files = [path for room in ("wattstat", "collectors", "simulator") for path in (root / room).rglob("*.py")]
    names = {name for path in files for name in re.findall(r'"(WATTSTAT_[A-Z_]*[A-Z])"', path.read_text())}

    assert len(names) >= 2
    assert [str(problem) for problem in read(dict.fromkeys(names, "127.0.0.1:1"))[1]] == []


def test_json_that_is_none_is_refused():
    _, (problem,) = read({"WATTSTAT_WEB": "listen"})

    assert problem.what.startswith("is not JSON")


def test_a_password_in_the_environment_stays_there(monkeypatch):
    monkeypatch.setenv("WATTSTAT_CREDENTIALS__BMC__PASSWORD", "hunter2")
    found, problems = read({"WATTSTAT_CREDENTIALS__BMC__PASSWORD": "hunter2", "WATTSTAT_CREDENTIALS__BMC__USERNAME": "root"})

    assert not problems
    assert "hunter2" not in repr(found)
    assert found.credentials["bmc"].password().get_secret_value() == "hunter2"


def test_every_single_setting_has_a_variable_that_reaches_it():
    for setting in settings(Config):
        if setting.inside is None:
            name = environment.variable(tuple("bmc" if part == "NAME" else part for part in setting.loc))
            _, problems = read({name: "[no such value]"})

            assert all("no such setting" not in problem.what for problem in problems), name
