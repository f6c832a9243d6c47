"""A policy as YAML that somebody writes: read with lines, problems of core put at their lines. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import yaml

from wattstat import document
from wattstat.document import Loc

SOURCE = "policy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What is wrong, and in which line; None where it is no line's fault."""

    what: str
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What somebody wrote: a policy, or why it is none."""

    policy: Mapping[str, Any] | None = None
    troubles: tuple[Trouble, ...] = ()
    lines: Mapping[str, int] = field(default_factory=dict)
    """Line of each setting, as core names it."""

    def located(self, problems: Iterable[str]) -> tuple[Trouble, ...]:
        """What core says of the policy, with the lines."""
        return tuple(self._located(each) for each in problems)

    def _located(self, problem: str) -> Trouble:
        found = re.match(rf"{SOURCE}: ([^\s:]+): ", problem)
        setting = found[1] if found else ""
        text = problem.removeprefix(f"{SOURCE}: ")
        while setting and setting not in self.lines:
            setting = setting.rpartition(".")[0]
        return Trouble(what=text, line=self.lines.get(setting))


def read(text: str) -> Written:
    """One policy: by itself, or as the one entry of a list under `policies`."""
    found = document.parse(text, source=SOURCE)
    if found.problems:
        troubles = (Trouble(what=_what(each), line=each.place.line) for each in found.problems)
        return Written(troubles=tuple(troubles))
    inside: Loc = ()
    policy: Any = found.data
    if isinstance(policy, dict) and "policies" in policy:
        listed = policy["policies"]
        if not isinstance(listed, list) or len(listed) != 1:
            count = len(listed) if isinstance(listed, list) else "no"
            what = f"has {count} policies; expected one; `wattstat power apply FILE` saves many"
            return Written(troubles=(Trouble(what=what, line=found.place(("policies",)).line),))
        policy, inside = listed[0], ("policies", 0)
    if not isinstance(policy, dict) or not policy:
        return Written(troubles=(Trouble(what="is no policy; expected lines such as `name: night-cap`", line=1),))
    if not isinstance(policy.get("name"), str) or not policy["name"]:
        return Written(troubles=(Trouble(what="name: is missing; expected such as `name: night-cap`", line=1),))
    lines = {
        document.dotted(loc[len(inside) :]): place.line
        for loc, place in found.places.items()
        if loc[: len(inside)] == inside and loc != inside and place.line is not None
    }
    return Written(policy=json.loads(json.dumps(policy, default=_plain)), lines=lines)


def written(policy: Mapping[str, Any]) -> str:
    """A policy as YAML, in the order in which people read it."""
    return yaml.safe_dump(dict(policy), sort_keys=False, allow_unicode=True, width=100)


def _what(problem: document.Problem) -> str:
    expected = problem.expected and f"expected {problem.expected}"
    return "; ".join(part for part in (problem.what, expected, problem.advice) if part)


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)
