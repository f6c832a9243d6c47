"""Calls that tell what policies look at (a price, a job's checkpoint), and the policies that people know by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from power.desk import shapes
from power.desk.desk import Desk
from power.desk.refusal import Refusal
from power.policies.predefined import PREDEFINED, Predefined
from wattstat.access import Caller
from wattstat.api.power_bodies import CheckpointBody, MakeBody, SignalBody
from wattstat.api.times import rfc3339


@dataclass(frozen=True)
class SignalCalls:
    """Signals, checkpoints and predefined policies, for scripts and people."""

    desk: Desk

    def signals(self) -> dict[str, Any]:
        """The numbers that count now."""
        found = self.desk.posted.numbers(self.desk.clock())
        return shapes.listed({"name": name, "value": value} for name, value in sorted(found.items()))

    def signal(self, name: str, body: SignalBody, caller: Caller, *, dry_run: bool) -> dict[str, Any]:
        """Take a number that policies look at."""
        _no_dry_run(dry_run)

        def post() -> None:
            self.desk.posted.post(name, body.value, seconds=60 * body.minutes)

        self._act(caller, "post signal", f"signal {name}", post, value=body.value, minutes=body.minutes)
        return {"name": name, "value": body.value, "until": rfc3339(self.desk.clock() + 60 * body.minutes)}

    def checkpoint(self, body: CheckpointBody, caller: Caller, *, dry_run: bool) -> dict[str, Any]:
        """A job writes a checkpoint: no planned cut of its caps meanwhile."""
        _no_dry_run(dry_run)
        ends: list[float] = []

        def announce() -> None:
            ends.append(self.desk.posted.checkpoint(body.scheduler, body.job_id, body.seconds))

        self._act(caller, "announce checkpoint", f"job {body.job_id}", announce, seconds=body.seconds)
        return {"scheduler": body.scheduler, "job_id": body.job_id, "until": rfc3339(ends[0])}

    def predefined(self) -> dict[str, Any]:
        """The policies that people know by name, and what must be said to have one."""
        return shapes.listed(map(_told, PREDEFINED.values()))

    def made(self, name: str, body: MakeBody) -> dict[str, Any]:
        """A predefined policy with its numbers. Nothing is saved. Raises `Refusal` and `InvalidDocument`."""
        known = PREDEFINED.get(name)
        if known is None:
            raise Refusal(404, "No such policy", f"{name!r} is none of {', '.join(PREDEFINED)}")
        reserved = sorted(body.parameters.keys() - {each.name for each in known.parameters})
        if reserved:
            expected = ", ".join(each.name for each in known.parameters)
            raise Refusal(422, "No such parameter", f"{reserved[0]}: {name} has none such; expected {expected}")
        try:
            policy = known.policy(
                owner=body.owner,
                name=body.name,
                reason=body.reason,
                mode=body.mode,
                scope=body.scope,
                history=self.desk.history,
                **body.parameters,
            )
        except ValueError as err:
            raise Refusal(422, "Not understood", str(err)) from err
        return {"policy": policy.to_json()}

    def _act(self, caller: Caller, what: str, subject: str, do: Callable[[], None], **details: Any) -> None:
        self.desk.act(caller, what, subject, do, **details)


def _no_dry_run(dry_run: bool) -> None:
    if dry_run:
        raise Refusal(422, "No dry run", "what a number does depends on the policies that look at it; try those with a preview")


def _told(each: Predefined) -> dict[str, Any]:
    return {
        "name": each.name,
        "title": each.title,
        "text": each.text,
        "parameters": [
            {"name": one.name, "text": one.text, "default": one.default, "required": one.default is None}
            for one in each.parameters
        ],
    }
