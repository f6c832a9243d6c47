"""A policy: who wants what, of which devices, when, and why. From YAML with lines, from JSON with the same words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import AfterValidator, model_validator

from power.model import Mode
from power.policies.ask import Ask
from power.policies.part import Moment, Part
from power.policies.scope import OF_JOBS, Scope
from power.policies.when import When


def _name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?", value):
        raise ValueError(
            f"{value[:70]!r} is no name of a policy; expected small letters, digits, dashes, dots and underscores, at most 64, "
            "such as night-cap"
        )
    return value


def _said(value: str) -> str:
    if not value.strip():
        raise ValueError("is empty; expected a few words: who comes after you will ask why")
    if len(value) > 500:
        raise ValueError(f"has {len(value)} letters; expected at most 500")
    return value.strip()


Name = Annotated[str, AfterValidator(_name)]
Said = Annotated[str, AfterValidator(_said)]


class Policy(Part):
    """What somebody wants."""

    name: Name
    """Unique; what binds a device is called by it."""
    owner: Said
    """Who answers for it: a person or a team."""
    reason: Said
    """Why."""
    mode: Mode = Mode.OBSERVE
    """observe: it is computed what it would do; advise: that is shown as advice too; enforce: it is done."""
    expires: Moment | None = None
    """Until when, such as 2026-12-31T23:00:00Z; without it until somebody ends it."""
    scope: Scope = Scope()
    """For which devices."""
    ask: Ask
    """What is asked."""
    when: When = When()
    """When it holds."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for refuse in (_refuse_limit, _refuse_baseline, _refuse_energy, _refuse_jobs):
            refuse(self)
        return self

    @property
    def expires_unix(self) -> float:
        """When it expires as Unix time, infinite where it does not."""
        return float("inf") if self.expires is None else self.expires.timestamp()

    def to_json(self) -> dict[str, Any]:
        """As plain data, without what is as it is by default; reads back to the same policy."""
        return self.model_dump(mode="json", exclude_defaults=True)


_PLACE = "a scope of one kind of feed, breaker, row, rack, group or node, or none for the site"


class PolicyFile(Part):
    """All of `policies.yaml`."""

    policies: tuple[Policy, ...] = ()
    """The policies."""


def _refuse_limit(policy: Policy) -> None:
    ask = policy.ask.limit
    if ask is None or policy.scope.place is not None:
        return
    if ask.percent is not None and ask.of != "baseline":
        raise ValueError(
            f"asks for a share of the {ask.of.replace('_', '-')} of {policy.scope}, which has none; expected watts, or {_PLACE}"
        )
    if "basis" in ask.model_fields_set and ask.basis == "measured":
        raise ValueError(
            f"a limit on {policy.scope} is an equal cap for each of its GPUs, which is guaranteed; expected no basis, "
            f"or {_PLACE}"
        )


def _refuse_baseline(policy: Policy) -> None:
    ask = policy.ask.limit
    if ask is not None and ask.percent is not None and ask.of == "baseline":
        if policy.when.event is None:
            raise ValueError(
                "asks for a share of the baseline without an event; expected `when.event`, before which it is measured"
            )
        if policy.scope.place is None:
            raise ValueError(f"asks for a share of what {policy.scope} drew before; expected {_PLACE}")


def _refuse_energy(policy: Policy) -> None:
    if policy.ask.energy is None:
        return
    place = policy.scope.place
    if place is None or len(place[1]) > 1:
        raise ValueError(
            f"an amount of energy is for one line of the electrical tree, not for {policy.scope}; expected the site, or one "
            "feed, breaker, row, rack, group or node; make a policy of each"
        )
    if policy.when.given:
        raise ValueError("an amount of energy counts at all times of its period; expected no `when`")


def _refuse_jobs(policy: Policy) -> None:
    kind = policy.ask.kind
    if kind in {"node_cap", "emergency"} and policy.scope.follows_jobs:
        given: Mapping[str, object] = policy.scope.given
        member = next(name for name in OF_JOBS if name in given)
        raise ValueError(
            f"asks for {kind} of whole servers by {member}, where other jobs may run beside it; expected no {member}; use a "
            "gpu_cap for jobs"
        )
