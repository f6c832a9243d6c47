"""Documents that cannot rot: generated pages, links, quoted commands and files."""

import ast
import configparser
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import typer.core
import typer.main
import yaml

from docs import generate
from power.policies import reader as policies
from tests.support.programs import required_program
from wattstat import inventory
from wattstat.catalogue import ALL
from wattstat.cli import app
from wattstat.config import Config, environment, reader
from wattstat.config.describe import settings
from wattstat.document import parse
from wattstat.inventory import Inventory
from wattstat.inventory.models import InventoryFile
from wattstat.store.embedded import EmbeddedStore

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "alerts/runbooks").glob("*.md")]
RULE_FILES = sorted((ROOT / "alerts/rules").glob("*.yml"))
UNITS = sorted((ROOT / "deploy/systemd").glob("*.service"))


def test_the_generated_references_are_fresh():
    assert generate.stale() == [], "run ./run docs"


def test_a_stale_page_is_found_and_written_anew(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(generate, "DOCS", tmp_path)

    assert generate.main(["--check"]) == 1
    assert "metrics.md is stale" in capsys.readouterr().err
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0


def test_the_references_name_everything_there_is():
    metrics, configuration, commands = (
        generate.PAGES[f"reference/{name}.md"]() for name in ("metrics", "configuration", "command-line")
    )

    assert not [name for name in ALL if f"`{name}`" not in metrics]
    assert not [s.loc for s in [*settings(Config), *settings(InventoryFile)] if str(s.loc[-1]) not in configuration]
    assert not [path for path, _ in every_command() if f"## {path}\n" not in commands]


def test_the_page_of_rules_has_every_alert_with_its_runbook_and_its_reason():
    lines = {
        line.split("|")[1].strip(): line.split(" | ")
        for line in (ROOT / "docs/rules.md").read_text().splitlines()
        if "](../" in line
    }
    alerts = {
        rule["alert"] for path in RULE_FILES for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]
    }

    assert {name.partition("]")[0].removeprefix("[") for name in lines} == alerts
    assert not [name for name, cells in lines.items() if len(cells) != 5 or len(cells[-1]) < 20]


def test_every_setting_command_and_option_is_explained():
    assert not [s.loc for s in [*settings(Config), *settings(InventoryFile)] if not s.text.endswith(".")]
    assert not [path for path, command in every_command() if not command.help]
    parameters = [(path, each) for path, command in every_command() for each in command.params if not each.hidden]
    assert not [(path, each.name) for path, each in parameters if not each.help]


def every_command():
    return generate._commands("wattstat", typer.main.get_command(app))


def test_links_lead_somewhere():
    broken = []
    for page in PAGES:
        targets = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
        ours = [target.partition("#")[0] for target in targets if not target.startswith(("http://", "https://", "#"))]
        broken += [f"{page.relative_to(ROOT)}: {target}" for target in ours if not (page.parent / target).exists()]

    assert broken == []


@pytest.mark.parametrize("page", [path for path in PAGES if "```yaml" in path.read_text()], ids=lambda path: path.name)
def test_yaml_in_the_documents_is_good(page):
    for block in re.findall(r"```yaml\n(.*?)```", page.read_text(), flags=re.DOTALL):
        document = parse(block, source=page.name)
        if document.data.keys() <= Inventory.model_fields.keys():
            assert inventory.loads(block, source=page.name) != Inventory()
        elif document.data.keys() == {"policies"}:
            assert policies.loads(block, source=page.name)
        else:
            # What an excerpt of a configuration leaves out (the credentials that it names) is not its mistake.
            problems = reader.examine(document, Path("/etc/wattstat"))[1]
            assert [str(problem) for problem in problems if "credentials" not in problem.what] == []


def quoted_commands():
    """Every `wattstat …` of the documents and the units."""
    for page in PAGES:
        if "reference" in page.parts:
            continue
        text = page.read_text()
        lines = [line for block in re.findall(r"```\n(.*?)```", text, flags=re.DOTALL) for line in block.splitlines()]
        for line in [*lines, *re.findall(r"`(wattstat [^`]*)`", text)]:
            if line.startswith("wattstat "):
                yield page.name, line.partition("#")[0]
    for unit in UNITS:
        yield unit.name, unit_section(unit)["ExecStart"].removeprefix("/opt/wattstat/bin/")


def unit_section(unit, section="Service"):
    found = configparser.RawConfigParser(strict=False)
    found.optionxform = str
    found.read(unit)
    return dict(found[section])


def test_quoted_commands_and_their_options_exist():
    commands = dict(every_command())
    wrong = []
    for where, line in quoted_commands():
        words = shlex.split(line)
        name = next((" ".join(words[:count]) for count in (3, 2) if " ".join(words[:count]) in commands), " ".join(words[:2]))
        arguments = words[len(name.split()) :]
        if name == "wattstat COMMAND":
            continue
        options = {option for each in commands[name].params for option in each.opts} if name in commands else set()
        unknown = [argument for argument in arguments if argument.startswith("-") and argument.partition("=")[0] not in options]
        if name not in commands or unknown:
            wrong.append(f"{where}: {line}")

    assert len(list(quoted_commands())) > 10
    assert wrong == []


def test_variables_in_the_units_are_settings():
    lines = [line for unit in UNITS for line in unit.read_text().splitlines()]
    variables = dict(line.removeprefix("Environment=").split("=", 1) for line in lines if line.startswith("Environment="))
    overridden = environment.override(parse("", source="unit"), variables)

    assert len(variables) >= 2
    assert [str(problem) for problem in reader.examine(overridden, Path("/etc/wattstat"))[1]] == []


def test_the_units_stop_as_the_processes_want_it():
    for unit in UNITS:
        service = unit_section(unit)

        assert service["KillMode"] == "mixed"  # SIGTERM to the supervisor, which stops its own
        assert service["DynamicUser"] == "yes"
        assert service["NoNewPrivileges"] == "yes"


@pytest.mark.debian
def test_prometheus_takes_our_configuration():
    promtool = required_program("promtool", package="prometheus")
    checked = subprocess.run(
        [promtool, "check", "config", ROOT / "deploy/prometheus/prometheus.yml"], capture_output=True, text=True, check=False
    )

    assert checked.returncode == 0, checked.stderr


# Docstrings ------------------------------------------------------------------------------------------------------------


# What every collector has, with the same meaning: collectors/frame/source.py says which.
CONTRACT = {"fetch", "parse", "samples", "sources"}


def undocumented(path: Path):
    """The module, and its public classes and functions that say more than their names do, where they lack a docstring."""
    tree = ast.parse(path.read_text())
    if tree.body and ast.get_docstring(tree) is None and path.name != "__main__.py":
        yield "the module"
    for item in tree.body:
        if isinstance(item, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(item) is None:
            # A one-line function, or an error that only has a name, says what it is.
            is_trivial = len(list(ast.walk(item))) < 40
            if not is_trivial and not item.name.startswith("_") and item.name not in CONTRACT:
                yield item.name


def test_public_things_have_docstrings():
    modules = [path for room in ("wattstat", "collectors") for path in sorted((ROOT / room).rglob("*.py"))]
    found = [f"{path.relative_to(ROOT)}: {name}" for path in modules for name in undocumented(path)]

    assert len(modules) > 30
    assert found == []


RECIPES = re.findall(r"```promql\n(.+?)\n```", (ROOT / "docs/queries.md").read_text(), re.DOTALL)


@pytest.mark.parametrize("recipe", RECIPES)
async def test_every_recipe_is_understood_and_names_real_metrics(recipe, tmp_path):
    store = EmbeddedStore(tmp_path / "history.duckdb")
    try:
        answer = await store.query(recipe)
    finally:
        await store.close()

    assert answer.kind == "vector"
    assert set(re.findall(r"wattstat_\w+", recipe)) <= set(ALL)
