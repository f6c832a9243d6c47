"""The commented samples that `wattstat init` writes, made of the models, so that they cannot differ from what is read.

A setting's line begins with one `#`; a comment's with `# `. Removing the `#` before all settings gives a valid file too.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from pydantic import BaseModel

from wattstat.config.describe import Setting, members
from wattstat.config.settings import Config
from wattstat.inventory.models import InventoryFile

_CONFIG_HEAD = """\
# Wattstat's configuration. Every setting stands here with its default, commented out: remove the # before its name, and before
# the names of the groups it is in, to change it. `wattstat check-config wattstat.yaml` says whether the file is right.
# Environment variables win over the file: web.listen is WATTSTAT_WEB__LISTEN.
# Relative paths are seen from this file's folder. Passwords never stand here: they come from files or from the environment.
"""
_INVENTORY_HEAD = """\
# What stands in the hall. The entries below are an example, commented out: remove the # before their names and make them yours.
# `wattstat check-config wattstat.yaml` checks this file too.
# A name may be a pattern: gpu[01-64] stands for 64 servers. {name}, {n} (the number as written), {i} (without leading zeros)
# and {i+100} put it into the other members.
"""


def config_sample() -> str:
    """A `wattstat.yaml` with every setting, its meaning and its default."""
    return _CONFIG_HEAD + "".join(f"\n{block}" for block in _blocks(Config))


def inventory_sample() -> str:
    """An `inventory.yaml` with an example of everything that it may hold."""
    return _INVENTORY_HEAD + "".join(f"\n{block}" for block in _blocks(InventoryFile))


def uncommented(sample: str) -> str:
    """A sample with all its settings in force."""
    return "".join(line[1:] if _is_setting(line) else line for line in sample.splitlines(keepends=True))


def _is_setting(line: str) -> bool:
    return line.startswith("#") and (not line.startswith("# ") or line.startswith("#  "))


def _blocks(model: type[BaseModel]) -> Iterator[str]:
    for setting in members(model):
        yield "".join(f"#{line}\n" if not line.startswith("# ") else f"{line}\n" for line in _lines(setting, 0, None))


def _lines(setting: Setting, indent: int, example: Any) -> Iterator[str]:
    """A setting's comment and value; a group's with all its members."""
    pad = "  " * indent
    yield from _comment(setting.text, pad)
    name = setting.loc[-1]
    if setting.many == "list" and setting.default == [] and len(setting.loc) > 1:  # in the configuration: none is the default
        if setting.example is not None:
            yield from _comment(f"For example: {_flow(setting.example)}", pad)
        assert setting.inside is not None  # noqa: S101 - a list of entries has a model
        yield from _comment(f"Each with {', '.join(str(member.loc[-1]) for member in members(setting.inside))}.", pad)
        yield f"{pad}{name}: []"
        return
    if setting.many == "list":
        yield f"{pad}{name}:"
        for position, entry in enumerate(setting.example or ()):
            lines = _entry(setting, entry, indent + 1)
            yield from lines if position == 0 else (line for line in lines if not line.lstrip().startswith("#"))
        return
    if setting.inside is None or setting.many or (setting.default is None and example is None):
        if setting.example is not None:
            yield from _comment(f"For example: {_flow(setting.example)}", pad)
        yield f"{pad}{name}: {_flow(setting.default if example is None else example)}"
        return
    yield f"{pad}{name}:"
    for member in members(setting.inside, setting.loc):
        value = None if example is None else example.get(member.loc[-1])
        if example is None or value is not None:
            yield from _lines(member, indent + 1, value)


def _entry(setting: Setting, entry: Mapping[str, Any], indent: int) -> Iterator[str]:
    """One entry of a list: the members that the example has; the rest by name."""
    assert setting.inside is not None  # noqa: S101 - a list of entries has a model
    pad = "  " * indent
    given = {str(member.loc[-1]): member for member in members(setting.inside, setting.loc)}
    lines = [line for name, value in entry.items() for line in _lines(given[name], 0, value)]
    first = next(position for position, line in enumerate(lines) if not line.startswith("#"))
    for position, line in enumerate(lines):
        dash = "- " if position == first else "  "
        yield f"{pad}{dash}{line}" if position >= first else f"{pad}{line}"
    if rest := [name for name in given if name not in entry]:
        yield f"{pad}  # Also: {', '.join(rest)}."


def _comment(text: str, pad: str) -> Iterator[str]:
    return (f"{pad}# {line}" for line in textwrap.wrap(text, 124 - len(pad), break_long_words=False))


def _flow(value: Any) -> str:
    """A value on one line of YAML."""
    return yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False).removesuffix("...\n").strip()
