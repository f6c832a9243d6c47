"""Settings from the environment: `WATTSTAT_WEB__LISTEN` is `web.listen`, and wins over the file.

Names and values are those of pydantic-settings with the prefix `WATTSTAT_` and the delimiter `__`: upper or lower case, groups
and lists as JSON. Reading them ourselves lets a refusal name the variable that it is about.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from wattstat.config.settings import Config
from wattstat.document import Document, Loc, Place, Problem
from wattstat.explain import alternatives, is_structured, nearest

PREFIX = "WATTSTAT_"
DELIMITER = "__"

# Variables of the same prefix that are no settings.
_OTHERS = frozenset(
    f"{PREFIX}{name}" for name in ("CONFIG", "GOLDEN", "SAMPLES", "SIM_NVML_STATE", "SUPERVISOR_PID", "TOKEN", "VENV")
)


def variable(loc: Loc) -> str:
    """The variable that overrides a setting."""
    return PREFIX + DELIMITER.join(str(part).upper() for part in loc)


def override(document: Document, environ: Mapping[str, str]) -> Document:
    """The document with the environment's settings over its own."""
    data, places = _copy(document.data), dict(document.places)
    problems = list(document.problems)
    for name, loc in sorted(_ours(environ), key=lambda item: len(item[1])):
        place = Place(f"environment variable {name}")
        if loc[0] not in Config.model_fields:
            problems.append(_unknown(place, loc))
            continue
        # A password itself stays where it is: what is kept is the name of its variable.
        value: Any = name if loc[-1] == "password_env" and not name.upper().endswith("_ENV") else environ[name]
        if is_structured(Config, loc):
            try:
                value = json.loads(value)
            except json.JSONDecodeError as err:
                what = f"is not JSON: {err.msg} at character {err.pos + 1}"
                problems.append(
                    Problem(place=place, setting="", what=what, expected='JSON, such as {"listen": "127.0.0.1:8050"}')
                )
                continue
        for inner, leaf in _leaves(value, loc):
            _put(data, inner, leaf)
            places[inner] = place
    return replace(document, data=data, places=places, problems=tuple(problems))


def _ours(environ: Mapping[str, str]) -> Iterator[tuple[str, Loc]]:
    for name in environ:
        if name.upper().startswith(PREFIX) and name not in _OTHERS:
            loc = tuple(name[len(PREFIX) :].lower().split(DELIMITER))
            is_password = loc[0] == "credentials" and loc[-1] == "password"
            yield name, (*loc[:-1], "password_env") if is_password else loc


def _unknown(place: Place, loc: Loc) -> Problem:
    known = sorted(Config.model_fields)
    meant = nearest(str(loc[0]), known)
    return Problem(
        place=place,
        setting="",
        what="names no setting",
        expected=PREFIX + " and one of " + alternatives([name.upper() for name in known]),
        advice=f"did you mean `{variable((meant, *loc[1:]))}`?" if meant else "unset it",
        # A name without groups may belong to another program; one with the delimiter can only be meant for us.
        warning=len(loc) == 1,
    )


def _leaves(value: Any, loc: Loc) -> Iterator[tuple[Loc, Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(inner, (*loc, key))
    else:
        yield loc, value


def _put(data: dict[Any, Any], loc: Loc, value: Any) -> None:
    for part in loc[:-1]:
        inner = data.get(part)
        if not isinstance(inner, dict):
            inner = data[part] = {}
        data = inner
    data[loc[-1]] = value


def _copy(value: Any) -> Any:
    return {key: _copy(inner) for key, inner in value.items()} if isinstance(value, dict) else value
