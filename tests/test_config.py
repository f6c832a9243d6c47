"""wattstat.yaml: read, refused, explained."""

import json
import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattstat import config
from wattstat.config import Config, Credentials, reader
from wattstat.document import InvalidDocument, Problem, parse


def problems_of(text, environ=None) -> list[Problem]:
    found = config.environment.override(parse(text, source="wattstat.yaml"), environ or {})
    return reader.examine(found, Path("/site"))[1]


def only_problem_of(text, environ=None) -> Problem:
    (problem,) = problems_of(text, environ)
    return problem


def loaded(tmp_path, text, environ=None) -> Config:
    path = tmp_path / "wattstat.yaml"
    path.write_text(text)
    return config.load(path, environ=environ or {})


def test_no_file_gives_the_defaults():
    loaded = config.load(None, environ={})

    assert loaded.web == Config().web
    assert loaded.data_dir == Path.cwd() / "wattstat-data"


def test_an_empty_file_gives_the_defaults(tmp_path):
    assert loaded(tmp_path, "# nothing\n").collectors == Config().collectors


def test_an_unknown_key_names_its_line_and_the_nearest_key():
    problem = only_problem_of("core: {}\nweb:\n  lisen: 127.0.0.1:1\n")

    assert str(problem) == (
        "wattstat.yaml:3:3: web.lisen: no such setting; expected core_url, insecure or listen; did you mean `listen`?"
    )


def test_a_key_like_none_other_lists_what_there_is():
    problem = only_problem_of("web: {zzz: 1}")

    assert problem.expected == "core_url, insecure or listen"
    assert problem.advice == "remove the line"


def test_all_problems_are_told_at_once_in_the_order_of_their_lines():
    text = "collectors:\n  redfish: {fast_seconds: 0, requests_per_bmc: 9}\ncore: {listen: here}\nstor: {}\n"

    assert [(p.setting, p.place.line) for p in problems_of(text)] == [
        ("collectors.redfish.fast_seconds", 2),
        ("collectors.redfish.requests_per_bmc", 2),
        ("core.listen", 3),
        ("stor", 4),
    ]


@pytest.mark.parametrize(
    ("text", "what", "expected"),
    [
        ("collectors: {redfish: {fast_seconds: 0}}", "is 0", "more than 0"),
        ("collectors: {redfish: {requests_per_bmc: 1.5}}", "is 1.5", "a whole number"),
        ("collectors: {redfish: {streaming: perhaps}}", "is 'perhaps'", "true or false"),
        ("exporter: {dcgm_hostname_label: host}", "is 'host'", "'Hostname', 'hostname' or 'both'"),
        ("store: {prometheus: {url: prometheus}}", "'prometheus' is no URL", "http://host or https://host, with :port"),
        ("web: {listen: '127.0.0.1'}", "'127.0.0.1' is no address", "host:port"),
        ("web: {listen: '127.0.0.1:99999'}", "'127.0.0.1:99999' is no address", "host:port"),
        ("web: []", "is a list", "`name: value` lines"),
        ("web:", "is empty", "`name: value` lines"),
        ("core: {listen: {}}", "is a group of settings", "text"),
        ("store: {prometheus: {timeout_seconds: 3}}", "is missing", "a value"),
        ("inventory: {file: null}", "has neither file nor http_sd", "one of the two"),
    ],
)
def test_a_wrong_value_says_what_it_is_and_what_was_expected(text, what, expected):
    problem = only_problem_of(text)

    assert problem.what == what
    assert problem.expected.startswith(expected)
    assert problem.place.line == 1


def test_text_that_yaml_takes_for_something_else_gets_the_advice_to_quote_it():
    assert "quotes" in only_problem_of("agent: {node: 007}").advice
    assert "quotes" in only_problem_of("agent: {node: no}").advice


def test_a_key_that_stands_twice_is_refused_with_both_lines():
    problem = only_problem_of("web: {}\ncore: {}\nweb: {}\n")

    assert str(problem) == "wattstat.yaml:3:1: web: stands twice, first on line 1; keep one of the two"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("web:\n\tlisten: 1\n", "indent with spaces"),
        ("web: {listen: 1\n", "not YAML"),
        ("- web\n", "holds no settings"),
        ("just words", "holds no settings"),
        ("a: *nothing\n", "not YAML"),
        ("a: &a [*a]\n", "not YAML"),
        ("a: !!python/object:os.system {}\n", "no such setting"),
        ("web: {listen: !mine x}\n", "cannot be read"),
        ("web: 1\n---\nweb: 2\n", "not YAML"),
        ("web: \x01\n", "not YAML"),
        ("agent: {node: 2024-13-45}\n", "write it in quotes"),
    ],
)
def test_what_is_no_usable_yaml_is_explained(text, told):
    assert told in "\n".join(str(problem) for problem in problems_of(text))


def test_a_file_that_is_not_there_or_not_text_is_explained(tmp_path):
    with pytest.raises(InvalidDocument, match="no such file"):
        config.load(tmp_path / "absent.yaml", environ={})
    (tmp_path / "bytes.yaml").write_bytes(b"web: \xff\xfe")
    with pytest.raises(InvalidDocument, match="save the file as UTF-8"):
        config.load(tmp_path / "bytes.yaml", environ={})
    with pytest.raises(InvalidDocument, match="cannot be read"):
        config.load(tmp_path, environ={})


def test_relative_paths_are_seen_from_the_files_folder(tmp_path):
    text = (
        "data_dir: kept\nagent: {token_file: ../token, sysfs: /host/sys}\nstore: {embedded: {path: h.duckdb}}\n"
        "alerts: {rules: [rules/*.yml], routing: routing.yml}\n"
    )
    found = loaded(tmp_path, text)

    assert found.data_dir == tmp_path / "kept"
    assert found.agent.token_file == tmp_path / ".." / "token"
    assert found.agent.sysfs == Path("/host/sys")
    assert found.store.embedded.path == tmp_path / "h.duckdb"
    assert found.inventory.file == tmp_path / "inventory.yaml"
    assert found.alerts.rules == (tmp_path / "rules" / "*.yml",)
    assert found.alerts.routing == tmp_path / "routing.yml"


def test_merge_keys_and_anchors_work(tmp_path):
    found = loaded(
        tmp_path,
        "credentials:\n  bmc: &bmc {username: root, password_env: BMC}\n  pdu: {<<: *bmc, username: admin}\n",
    )

    assert found.credentials["pdu"] == Credentials(username="admin", password_env="BMC")


def test_credentials_that_nobody_declared_are_refused_with_the_nearest():
    text = "credentials: {prom: {password_env: P}}\nstore: {prometheus: {url: http://p, credentials: prm}}\n"
    problem = only_problem_of(text)

    assert problem.setting == "store.prometheus.credentials"
    assert problem.advice == "did you mean prom?"


words = st.text(alphabet="ab:/.-_\0{}é 1", max_size=8)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=5,
)
groups = st.sampled_from(["web", "core", "store", "credentials", "inventory", "agent", "collectors", "data_dir", "exporter"])
deep = st.dictionaries(
    groups, st.dictionaries(st.sampled_from(["listen", "url", "file", "redfish", "bmc"]), json_values) | json_values
)


@given(deep)
def test_no_content_is_met_with_anything_but_problems_that_have_a_place_and_a_remedy(data):
    found, problems = reader.examine(parse(json.dumps(data), source="x.yaml"), Path("/site"))

    assert found is not None or problems
    for problem in problems:
        assert problem.place.source == "x.yaml"
        assert problem.what
        assert problem.expected or problem.advice


@given(st.text(alphabet="abc:[]{}-#'\"&*!|>%@`,?\n\t 012~", max_size=60))
def test_no_text_is_met_with_anything_but_problems(text):
    reader.examine(parse(text, source="x.yaml"), Path("/site"))


# Secrets -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["password", "Password", "token", "secret"])
def test_a_secret_in_the_file_is_refused_and_not_repeated(key):
    problem = only_problem_of(f"credentials:\n  bmc: {{username: root, {key}: hunter2}}\n")

    assert "a secret never stands in the file" in problem.what
    assert problem.expected == "password_file or password_env"
    assert "hunter2" not in str(problem)


@pytest.mark.parametrize(
    "text",
    [
        "credentials: {bmc: hunter2}",
        "credentials: {bmc: {username: [hunter2]}}",
        "credentials: {bmc: {password_env: 'hunter2!'}}",
        "store: {prometheus: {url: 'http://admin:hunter2@host'}}",
        "store: {prometheus: {url: 'ftp://hunter2@host'}}",
    ],
)
def test_a_secret_in_a_wrong_place_is_not_repeated(text):
    told = "\n".join(str(problem) for problem in problems_of(text))

    assert told
    assert "hunter2" not in told


def test_a_password_comes_from_a_file_without_its_line_end(tmp_path):
    (tmp_path / "pw").write_text("hunter2\n")
    (tmp_path / "pw").chmod(0o600)
    found = loaded(tmp_path, "credentials: {bmc: {username: root, password_file: pw}}")

    assert found.credentials["bmc"].password().get_secret_value() == "hunter2"


def test_a_password_is_in_no_representation(tmp_path, monkeypatch):
    (tmp_path / "pw").write_text("hunter2\n")
    monkeypatch.setenv("BMC", "hunter2")
    found = loaded(tmp_path, "credentials: {a: {password_file: pw}, b: {password_env: BMC}}")
    shown = [repr(found), str(found), found.model_dump_json(), json.dumps(found.model_dump(), default=str)]
    shown += [repr(entry.password()) + str(entry.password()) + f"{entry.password()}" for entry in found.credentials.values()]

    assert not [text for text in shown if "hunter2" in text]


def test_refusals_of_pydantic_itself_do_not_repeat_values():
    with pytest.raises(ValueError, match="extra_forbidden") as caught:
        Credentials.model_validate({"password": "hunter2"})

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        (Credentials(password_file=Path("/nowhere/pw")), "cannot be read"),
        (Credentials(password_env="WATTSTAT_TEST_UNSET"), "is not set"),
        (Credentials(username="root"), "neither password_file nor password_env"),
    ],
)
def test_a_password_that_cannot_be_had_says_what_to_do(entry, told):
    with pytest.raises(ValueError, match=told):
        entry.password()


def test_an_empty_password_file_is_refused(tmp_path):
    (tmp_path / "pw").write_text("\n")

    with pytest.raises(ValueError, match="is empty"):
        Credentials(password_file=tmp_path / "pw").password()


def test_a_password_file_that_everybody_reads_is_warned_about_but_works(tmp_path, caplog):
    (tmp_path / "pw").write_text("hunter2")
    (tmp_path / "pw").chmod(0o644)
    with caplog.at_level(logging.WARNING):
        found = loaded(tmp_path, "credentials: {bmc: {password_file: pw}}")

    assert found.credentials["bmc"].password().get_secret_value() == "hunter2"
    assert f"everybody on this machine may read {tmp_path / 'pw'}; chmod 600 {tmp_path / 'pw'}" in caplog.text
    assert "hunter2" not in caplog.text


def test_a_password_file_of_ones_own_is_not_warned_about(tmp_path, caplog):
    (tmp_path / "pw").write_text("hunter2")
    (tmp_path / "pw").chmod(0o600)
    loaded(tmp_path, "credentials: {bmc: {password_file: pw}}")

    assert not caplog.text


def test_credentials_name_one_place_of_the_password():
    both = only_problem_of("credentials: {bmc: {password_file: a, password_env: B}}")
    none = only_problem_of("credentials: {bmc: {username: root}}")

    assert "both password_file and password_env" in both.what
    assert none.what == "has no password"


def test_what_schedulers_and_services_name_must_be_there_and_have_a_name_of_its_own():
    service = "{name: chat, url: 'http://x/metrics'}"
    text = (
        "credentials: {slurm: {password_env: TOKEN}}\n"
        "schedulers:\n  slurm: [{url: 'http://x', credentials: slrum}]\n"
        f"collectors:\n  inference: [{service}, {service}]\n"
    )
    told = [str(problem) for problem in reader.examine(parse(text, source="w.yaml"), Path())[1]]

    assert len(told) == 2
    assert "schedulers.slurm[0].credentials: there are no credentials 'slrum'" in told[0]
    assert "did you mean slurm?" in told[0]
    assert "collectors.inference[chat].name: 'chat' stands twice" in told[1]
