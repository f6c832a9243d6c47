"""Scopes as people write them: `site`, `rack/r01`, `node/gpu[001-016]`, `partition/gpu,debug`; and the word to confirm one."""

from __future__ import annotations

from typing import Any

from power.desk.refusal import Refusal
from power.policies.scope import Scope
from wattstat import explain
from wattstat.document import Document

SITE = "site"


def scope(given: Any) -> Scope:
    """The scope of what somebody wrote: words, or an object as policies have it. Raises `Refusal`."""
    if given == SITE:
        return Scope()
    if isinstance(given, str):
        kind, slash, names = given.partition("/")
        if not slash or not names or kind not in Scope.model_fields:
            expected = f"site, or KIND/NAME with {explain.alternatives(sorted(Scope.model_fields))} as KIND, such as rack/r01"
            raise Refusal(422, "No such scope", f"scope: {given[:100]!r} is none; expected {expected}")
        given = {kind: [name.strip() for name in names.split(",")]}
    if not isinstance(given, dict) or not given:
        # Nothing must not come to mean everything.
        raise Refusal(422, "No such scope", "scope: is missing; expected `site` for the whole of it, or such as rack/r01")
    found, problems = explain.model_of(Scope, Document(source="scope", data=given))
    if found is None:
        raise Refusal(422, "No such scope", "; ".join(str(problem) for problem in problems))
    if not found.given:
        raise Refusal(422, "No such scope", "scope: names nothing; expected `site` for the whole of it, or such as rack/r01")
    return found


def written(what: Scope) -> str:
    """A scope in words, as `scope` reads them where it has one kind."""
    given = what.given
    return " and ".join(f"{kind}/{','.join(names)}" for kind, names in given.items()) or SITE


def word(what: Scope) -> str:
    """What somebody must type to confirm that they mean this scope: its names."""
    return ",".join(name for names in what.given.values() for name in names) or SITE
