"""Calls about policies: list, read, try, save, approve, enable, disable, end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from power.desk import shapes
from power.desk.desk import Desk
from power.desk.refusal import Refusal
from power.model import Mode
from power.policies.model import Policy
from power.policies.reader import from_json
from power.policies.records import State, Stored
from power.policies.standing import Standing
from wattstat.access import Caller
from wattstat.api.power_bodies import Approval, PreviewBody, Why


@dataclass(frozen=True)
class PolicyCalls:
    """Policies, for people. With `dry_run` nothing is done, and what would be different is told."""

    desk: Desk

    def listed(self, state: str = "") -> dict[str, Any]:
        """All policies, or those of a state."""
        if state and state not in {each.value for each in State}:
            expected = ", ".join(each.value for each in State)
            raise Refusal(422, "Not understood", f"state: {state[:40]!r} is none; expected {expected}")
        found = [each for each in self.desk.repository.policies() if state in {"", each.state.value}]
        return shapes.listed(shapes.policy(each) for each in found)

    def shown(self, name: str, version: int | None = None) -> dict[str, Any]:
        """One policy: the version that counts unless another is asked for, and all its versions."""
        stored, versions = self.desk.repository.policy(name), self.desk.repository.versions(name)
        chosen = stored.shown if version is None else next((each for each in versions if each.version == version), None)
        if chosen is None:
            raise Refusal(404, "No such version", f"{name} has no version {version}; the newest is {versions[0].version}")
        return shapes.policy_whole(stored, versions, chosen)

    def preview(self, body: PreviewBody) -> dict[str, Any]:
        """What would be different if policies were in force, or were not. Deficits are told, not refused."""
        standings = list(self.desk.repository.standing())
        for name in body.without:
            self.desk.repository.policy(name)
            standings = [each for each in standings if each.policy.name != name]
        for position, given in enumerate(body.policies):
            standings = _with(standings, from_json(given, source=f"policies[{position}]"))
        return {"preview": shapes.preview(self.desk.steering.preview(self.desk.wish(standings=standings)))}

    def save(self, name: str, given: Any, caller: Caller, *, expected: int | None, dry_run: bool) -> dict[str, Any]:
        """Save a version. The preview shows what it does once it is enabled and enforced; what cannot be held is refused.

        What is as it was saved last is no new version, so that scripts may say again what they want.
        """
        policy = from_json(given, source="policy")
        if name and policy.name != name:
            raise Refusal(422, "Two names", f"the address names {name!r}, the policy is called {policy.name!r}")
        with self.desk.lock:
            standings = _with(self.desk.repository.standing(), policy)
            preview = self.desk.steering.preview(self.desk.wish(standings=standings))
            self.desk.fits(preview)
            self.desk.feasible(preview)
            same = self._newest(policy.name, policy)
            answer = {"dry_run": dry_run, "preview": shapes.preview(preview), "unchanged": same is not None}
            if dry_run:
                return answer | {"policy": policy.to_json()}
            if same is not None and expected is None:
                return answer | shapes.policy(same)
            saved = self._act(
                caller,
                "save policy",
                policy.name,
                lambda: self.desk.repository.save(policy, caller.name, expected=expected),
                policy=policy.to_json(),
                reason=policy.reason,
            )
        return answer | shapes.policy(saved)

    def approve(self, name: str, body: Approval, caller: Caller, *, dry_run: bool) -> dict[str, Any]:
        """Approve what waits, as another person than who asked for it."""
        stored = self.desk.repository.policy(name)
        draft, pending = stored.draft, stored.pending

        def then(each: Standing) -> Standing | None:
            if draft is not None and (pending is None or body.version is not None):
                return replace(each, policy=draft.policy, version=draft.version)
            return None if pending is not None and pending.what == "remove" else replace(each, enabled=False)

        return self._changed(
            name,
            then,
            lambda: self.desk.repository.approve(name, caller.name, version=body.version),
            caller,
            "approve policy",
            dry_run=dry_run,
            version=body.version,
        )

    def reject(self, name: str, body: Why, caller: Caller, *, dry_run: bool) -> dict[str, Any]:
        """Turn down what waits."""
        return self._changed(
            name,
            lambda each: each,
            lambda: self.desk.repository.reject(name, caller.name, body.reason),
            caller,
            "reject policy",
            dry_run=dry_run,
            reason=body.reason,
        )

    def enable(self, name: str, caller: Caller, *, dry_run: bool) -> dict[str, Any]:
        """Put an approved policy in force."""
        return self._changed(
            name,
            lambda each: replace(each, enabled=True),
            lambda: self.desk.repository.enable(name, caller.name),
            caller,
            "enable policy",
            dry_run=dry_run,
        )

    def disable(self, name: str, body: Why, caller: Caller, *, dry_run: bool) -> dict[str, Any]:
        """Take a policy out of force; one that is enforced waits for a second person."""
        return self._changed(
            name,
            lambda each: replace(each, enabled=False),
            lambda: self.desk.repository.disable(name, caller.name, body.reason),
            caller,
            "disable policy",
            dry_run=dry_run,
            reason=body.reason,
        )

    def end(self, name: str, body: Why, caller: Caller, *, dry_run: bool) -> dict[str, Any]:
        """Take a policy off the list, for good; one that is enforced waits for a second person."""
        return self._changed(
            name,
            lambda _: None,
            lambda: self.desk.repository.remove(name, caller.name, body.reason),
            caller,
            "end policy",
            dry_run=dry_run,
            reason=body.reason,
        )

    def _changed(
        self,
        name: str,
        then: Callable[[Standing], Standing | None],
        do: Callable[[], Stored],
        caller: Caller,
        what: str,
        *,
        dry_run: bool,
        **details: Any,
    ) -> dict[str, Any]:
        """One policy stands otherwise. `then` gives how it stands afterwards, None for not at all."""
        with self.desk.lock:
            self.desk.repository.policy(name)
            standings = [
                kept
                for each in self.desk.repository.standing()
                if (kept := then(each) if each.policy.name == name else each) is not None
            ]
            preview = self.desk.steering.preview(self.desk.wish(standings=standings))
            self.desk.feasible(preview)
            answer = {"dry_run": dry_run, "preview": shapes.preview(preview)}
            if dry_run:
                return answer | shapes.policy(self.desk.repository.policy(name))
            return answer | shapes.policy(self._act(caller, what, name, do, **details))

    def _newest(self, name: str, policy: Policy) -> Stored | None:
        """The stored policy, where its newest version is this one."""
        stored = next((each for each in self.desk.repository.policies() if each.name == name), None)
        newest = None if stored is None else stored.draft or stored.effective
        return stored if newest is not None and newest.policy == policy else None

    def _act(self, caller: Caller, what: str, name: str, do: Callable[[], Stored], **details: Any) -> Stored:
        done: Stored = self.desk.act(caller, what, f"policy {name}", do, **details)
        return done


def _with(standings: Sequence[Standing], policy: Policy) -> list[Standing]:
    """What stands, with this policy in force: a draft is shown as what it will do, whatever mode it has for the time being."""
    version = next((each.version for each in standings if each.policy.name == policy.name), 0) + 1
    armed = policy.model_copy(update={"mode": Mode.ENFORCE})
    return [*(each for each in standings if each.policy.name != policy.name), Standing(policy=armed, version=version)]
