"""wattstat token: what it makes lets somebody in, and only its hash is kept."""

import json

import pytest
from typer.testing import CliRunner

from wattstat.api import tokens
from wattstat.cli import app
from wattstat.config.access import Access
from wattstat.document import parse


@pytest.fixture
def run():
    return lambda *words: CliRunner().invoke(app, ["token", *map(str, words)])


def test_the_printed_entry_lets_the_printed_token_in(run):
    ended = run("ada", "--role", "author")
    made = ended.stdout.strip()
    entry = ended.stderr[ended.stderr.index("access:") :]
    settings = Access.model_validate(parse(entry, source="entry").data["access"])

    assert made.startswith(tokens.PREFIX)
    assert made not in ended.stderr
    assert tokens.Tokens(settings).find(made).name == "ada"


def test_entries_are_added_to_a_file_that_others_cannot_read(run, tmp_path):
    path = tmp_path / "tokens.yaml"
    made = [
        run("ada", "--role", "author", "--file", path).stdout.strip(),
        run("b b", "--role", "viewer", "--file", path).stdout.strip(),
    ]
    known = tokens.Tokens(Access(tokens_file=path))

    assert [known.find(each).name for each in made] == ["ada", "b b"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert not any(each in path.read_text() for each in made)
    assert [each.name for each in tmp_path.iterdir()] == ["tokens.yaml"]


def test_a_file_that_is_broken_stays_as_it_is(run, tmp_path):
    path = tmp_path / "tokens.yaml"
    path.write_text("tokens: [")

    assert run("ada", "--role", "author", "--file", path).exit_code == 1
    assert path.read_text() == "tokens: ["


def test_an_empty_list_is_begun(run, tmp_path):
    path = tmp_path / "tokens.yaml"
    path.write_text("tokens: []\n")

    assert run("ada", "--role", "author", "--file", path).exit_code == 0
    assert [each.name for each in tokens.read_file(path)] == ["ada"]


def test_scripts_get_json(run):
    told = json.loads(run("ada", "--role", "author", "--json").stdout)

    assert tokens.digest(told["token"]) == told["sha256"]


@pytest.mark.parametrize("name", ["", 'a"b', "a\nb", " ada", "-"])
def test_a_name_that_settings_would_not_keep_is_refused(run, name):
    assert run("--role", "viewer", "--", name).exit_code == 2
