"""Writes the references from the code (`./run docs`); with `--check` only says which pages are stale."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import typer.core
import typer.main
from pydantic import BaseModel

from docs import rules_page
from wattstat.catalogue import GROUPS, Metric
from wattstat.cli import app
from wattstat.config import Config
from wattstat.config.describe import Setting, members, settings, summary
from wattstat.inventory.models import InventoryFile

DOCS = Path(__file__).parent
_NOTICE = "<!-- Written by `./run docs` from the code. Change the code, not this page. -->\n"

_METRICS_HEAD = """\
# Metrics

Prefix `wattstat_`, base units, `_total` on counters, ratios from 0 to 1, `_info` metrics are constantly 1. A value that was not
read has no sample: absent is never zero. Counters of a device begin anew when the device does; `rate` and `increase` know that.

The same list: `wattstat metrics`, and as JSON `wattstat metrics --json`."""

_CONFIGURATION_HEAD = """\
# Configuration

`wattstat init` writes both files with every setting, `wattstat check-config` explains what is wrong with them. Unknown keys are
refused with the nearest known one and their line; relative paths are seen from the file's folder.

## wattstat.yaml

Each setting can also come from the environment, which wins over the file: groups are joined by two underscores, lists and whole
groups are written as JSON. `web.listen` is `WATTSTAT_WEB__LISTEN`.

A password never stands in the file: `credentials.NAME` says in which file or variable it is. The variable
`WATTSTAT_CREDENTIALS__NAME__PASSWORD` holds one directly."""

_INVENTORY_HEAD = """\
## inventory.yaml

What stands in the hall. Names are unique within their kind; what one entry names must exist. The names of breakers, racks and
servers may be patterns: `r[01-16]`, `gpu[001-064,100]`."""

_COMMANDS_HEAD = """\
# Command line

Every watt and joule of a GPU cluster. `wattstat COMMAND --help` says the same as this page.

Exit codes: 0 good, 1 failed, 2 wrong use. Commands that print a table print JSON with `--json`. Logs go to standard error."""


def metrics_page() -> str:
    """Every metric, in the groups of the catalogue."""
    parts = [_METRICS_HEAD]
    for group in GROUPS:
        declared = sorted(
            (value for value in vars(group).values() if isinstance(value, Metric)), key=lambda metric: metric.name
        )
        parts += [
            f"## {_title(group.__doc__)}",
            _table(["metric", "type", "labels", "meaning", "read from"], map(_metric, declared)),
        ]
    return _page(parts)


def _metric(metric: Metric) -> list[str]:
    labels = " ".join(f"`{label}`" for label in metric.labels)
    return [f"`{metric.name}`", str(metric.kind), labels, metric.help, metric.source]


def configuration_page() -> str:
    """Every setting of wattstat.yaml and every member of inventory.yaml."""
    return _page([_CONFIGURATION_HEAD, *_groups(Config), _INVENTORY_HEAD, *_groups(InventoryFile)])


def _groups(model: type[BaseModel]) -> Iterator[str]:
    """A table for what stands at the top, and one for each group."""
    top = [setting for setting in members(model) if setting.inside is None]
    if top:
        yield _table(_SETTING, map(_setting, top))
    for group in settings(model):
        if group.inside is None:
            continue
        yield f"### {_dotted(group)}\n\n{summary(group.inside)}"
        inner = {"": group.loc, "list": (*group.loc, "[]"), "dict": (*group.loc, "NAME")}[group.many]
        single = [setting for setting in members(group.inside, inner) if setting.inside is None]
        if single:
            yield _table(_SETTING, map(_setting, single))


_SETTING = ("setting", "type", "default", "meaning")


def _setting(setting: Setting) -> list[str]:
    default = "required" if setting.required else _default(setting.default)
    return [f"`{setting.loc[-1]}`", setting.kind, default, setting.text]


def _default(value: Any) -> str:
    if value in (None, "", []):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _dotted(group: Setting) -> str:
    suffix = {"": "", "list": "[]", "dict": ".NAME"}[group.many]
    return ".".join(str(part) for part in group.loc).replace(".[]", "[]") + suffix


def command_line_page() -> str:
    """Every command with its arguments and options."""
    command = typer.main.get_command(app)
    parts = [_COMMANDS_HEAD]
    for path, each in _commands("wattstat", command):
        usage = " ".join([path, *_arguments(each), *(["[OPTIONS]"] if _options(each) else [])])
        parts += [f"## {path}", f"```\n{usage}\n```", _paragraphs(each.help)]
        if rows := [*map(_parameter, _own_parameters(each))]:
            parts.append(_table(["argument or option", "default", "meaning"], rows))
    return _page(parts)


def _commands(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    """The commands that do something, with their full names."""
    for name, each in command.commands.items():
        if each.hidden:
            continue
        if isinstance(each, typer.core.TyperGroup):
            yield from _commands(f"{path} {name}", each)
        else:
            yield f"{path} {name}", each


def _own_parameters(command: Any) -> list[Any]:
    return [each for each in command.params if each.name != "help" and not each.hidden]


def _options(command: Any) -> list[Any]:
    return [each for each in _own_parameters(command) if not isinstance(each, typer.core.TyperArgument)]


def _arguments(command: Any) -> list[str]:
    return [_argument(each) for each in _own_parameters(command) if isinstance(each, typer.core.TyperArgument)]


def _argument(parameter: Any) -> str:
    name = parameter.metavar or parameter.name.upper()
    return name if parameter.required or name.startswith("[") else f"[{name}]"


def _parameter(parameter: Any) -> list[str]:
    if isinstance(parameter, typer.core.TyperArgument):
        name = f"`{_argument(parameter)}`"
    else:
        value = "" if parameter.is_flag else f" {parameter.metavar or parameter.name.upper()}"
        spellings = [*parameter.opts, *parameter.secondary_opts]
        name = ", ".join(f"`{spelling}{value}`" for spelling in spellings)
    default = parameter.default
    is_shown = not parameter.required and default not in (None, False, "") and not callable(default)
    meaning = parameter.help or ""
    if parameter.envvar:
        meaning += f" Also `{parameter.envvar}`."
    return [name, "required" if parameter.required else f"`{default}`" if is_shown else "", meaning]


def _title(docstring: str | None) -> str:
    """The first line of a docstring without its full stop."""
    return (docstring or "").strip().splitlines()[0].rstrip(".")


def _paragraphs(text: str | None) -> str:
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in (text or "").split("\n\n"))


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    cells = ([cell.replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def _page(parts: Iterable[str]) -> str:
    return _NOTICE + "\n" + "\n\n".join(part for part in parts if part) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "reference/metrics.md": metrics_page,
    "reference/configuration.md": configuration_page,
    "reference/command-line.md": command_line_page,
    "rules.md": lambda: _page(rules_page.parts(_table)),
}


def stale() -> list[Path]:
    """The pages that differ from what the code says."""
    paths = ((DOCS / name, page()) for name, page in PAGES.items())
    return [path for path, text in paths if not path.exists() or path.read_text(encoding="utf-8") != text]


def main(arguments: Sequence[str]) -> int:
    """Write what is stale, or with `--check` only name it."""
    found = stale()
    for path in found:
        if "--check" in arguments:
            print(f"{path} is stale; run ./run docs", file=sys.stderr)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(PAGES[path.relative_to(DOCS).as_posix()](), encoding="utf-8")
            print(f"wrote {path}")
    return int(bool(found) and "--check" in arguments)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
