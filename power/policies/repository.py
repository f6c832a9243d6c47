"""Policies with their versions and states, holds and emergencies, in a database. Whole at every moment, killed or not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from power.model import Mode
from power.policies import database as tables
from power.policies.database import StoreError, transaction
from power.policies.model import Policy
from power.policies.pins import Pins
from power.policies.raising import why_raising
from power.policies.reader import from_json
from power.policies.records import FROM_API, FROM_FILE, Act, Conflict, NeedsSecond, Pending, State, Stored, Unknown, Version
from power.policies.standing import Standing
from wattstat.document import InvalidDocument


class Repository:
    """The policies of a site. Every method is one transaction; what it returned is on the disk."""

    def __init__(self, engine: sa.Engine, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._clock = clock
        self.pins = Pins(engine, clock)
        """Holds and emergencies."""
        self._read: dict[tuple[str, int, str], Policy] = {}
        self.changes = 0
        """Counts what was written by this process, so that a reader sees that something did."""

    def policies(self) -> tuple[Stored, ...]:
        """All policies but the removed ones, by name."""
        with transaction(self._engine) as connection:
            rows = connection.execute(
                sa.select(tables.policies).where(~tables.policies.c.removed).order_by(tables.policies.c.name)
            ).mappings()
            versions = self._versions_of(connection, shown_only=True)
            return tuple(self._stored(row, versions) for row in rows)

    def policy(self, name: str) -> Stored:
        """One policy. Raises `Unknown`."""
        with transaction(self._engine) as connection:
            return self._one(connection, name)

    def versions(self, name: str) -> tuple[Version, ...]:
        """All versions of a policy, removed or not, the newest first. Raises `Unknown`."""
        with transaction(self._engine) as connection:
            found = [version for (owner, _), version in self._versions_of(connection, name).items() if owner == name]
        if not found:
            raise Unknown(f"there is no policy {name!r}")
        return tuple(sorted(found, key=lambda version: -version.version))

    def standing(self) -> tuple[Standing, ...]:
        """What resolves: the version that counts of each policy, and whether it is enabled. A mere draft only shows."""
        found = []
        for stored in self.policies():
            shown = stored.shown
            found.append(Standing(policy=shown.policy, version=shown.version, enabled=stored.state is State.ENABLED))
        return tuple(found)

    def save(self, policy: Policy, by: str, *, expected: int | None = None) -> Stored:
        """Save a new policy, or a new version of one.

        `expected` is the newest version that the author has seen. A version that may let something draw more than the one in
        force waits for a second person; any other is approved at once. Raises `Conflict`.
        """
        with transaction(self._engine) as connection:
            row = connection.execute(sa.select(tables.policies).where(tables.policies.c.name == policy.name)).mappings().first()
            if row is not None and not row["removed"]:
                _refuse_file(row)
                if expected is not None and expected != row["latest"]:
                    raise Conflict(
                        f"{policy.name} is at version {row['latest']} and was changed from version {expected}; "
                        "look at what changed, then save again"
                    )
            elif expected:
                raise Conflict(f"there is no policy {policy.name!r} any more, which was changed from version {expected}")
            self._save(connection, policy, by, row, source=FROM_API)
            return self._one(connection, policy.name)

    def approve(self, name: str, by: str, *, version: int | None = None) -> Stored:
        """Approve what waits of a policy: a version, or that it is disabled or removed. Not by who asked for it.

        Raises `Unknown`, `Conflict` where nothing waits, `NeedsSecond` for the author.
        """
        with transaction(self._engine) as connection:
            stored = self._one(connection, name)
            draft, pending = stored.draft, stored.pending
            if draft is not None and (pending is None or version is not None):
                if version is not None and version != draft.version:
                    raise Conflict(f"version {version} of {name} does not wait for approval; version {draft.version} does")
                _refuse_same(by, draft.author, f"version {draft.version} of {name}")
                self._approve(connection, name, draft.version, by)
            elif pending is not None:
                _refuse_same(by, pending.by, f"that {name} be {pending.what}d")
                self._end(connection, name, by, pending.what, f"asked by {pending.by}: {pending.reason}")
            else:
                raise Conflict(f"nothing of {name} waits for approval")
            return self._one(connection, name, removed=True)

    def reject(self, name: str, by: str, reason: str) -> Stored:
        """Turn down what waits of a policy. A draft that never counted is removed with it."""
        with transaction(self._engine) as connection:
            stored = self._one(connection, name)
            if stored.pending is not None:
                self._set(connection, name, pending=None)
            elif stored.draft is not None and stored.effective is not None:
                self._set(connection, name, latest=stored.effective.version)
            elif stored.draft is not None:
                self._set(connection, name, removed=True)
            else:
                raise Conflict(f"nothing of {name} waits for approval")
            self._act(connection, by, "reject", name, version=stored.draft.version if stored.draft else None, detail=reason)
            return self._one(connection, name, removed=True)

    def enable(self, name: str, by: str) -> Stored:
        """Let it hold from now on. Raises `Conflict` for a draft and for one that has expired."""
        with transaction(self._engine) as connection:
            stored = self._one(connection, name)
            if stored.source == FROM_FILE:
                _refuse_file({"name": name, "source": stored.source})
            if stored.effective is None:
                raise Conflict(f"{name} is a draft; let a second person approve it first")
            if stored.state is State.EXPIRED:
                raise Conflict(f"{name} has expired; save it with a later expiry")
            if stored.state is not State.ENABLED:
                self._set(connection, name, enabled=True)
                self._act(connection, by, "enable", name, version=stored.effective.version)
            return self._one(connection, name)

    def disable(self, name: str, by: str, reason: str) -> Stored:
        """Let it hold no more. Where it is enforced, this waits for a second person."""
        return self._ask_to_end(name, by, "disable", reason)

    def remove(self, name: str, by: str, reason: str) -> Stored:
        """Take it off the list; its versions are kept. Where it is enforced, this waits for a second person."""
        return self._ask_to_end(name, by, "remove", reason)

    def take_over(self, policies: Iterable[Policy], source: str) -> tuple[Stored, ...]:
        """Make the policies of a file count, those that it has no more not: who writes the file is trusted.

        A policy of that name that was made through the API becomes the file's. Returns what changed.
        """
        wanted = {policy.name: policy for policy in policies}
        changed: list[str] = []
        with transaction(self._engine) as connection:
            rows = {row["name"]: row for row in connection.execute(sa.select(tables.policies)).mappings()}
            versions = self._versions_of(connection, shown_only=True)
            for name, policy in wanted.items():
                row = rows.get(name)
                stands = row is not None and not row["removed"] and row["source"] == FROM_FILE and row["enabled"]
                if row is None or not stands or versions[name, row["latest"]].policy != policy:
                    self._save(connection, policy, source, row, source=FROM_FILE)
                    self._set(connection, name, enabled=True, pending=None)
                    changed.append(name)
            for name, row in rows.items():
                if row["source"] == FROM_FILE and not row["removed"] and name not in wanted:
                    self._end(connection, name, source, "remove", "it is not in the file any more")
                    changed.append(name)
            return tuple(self._one(connection, name, removed=True) for name in changed)

    def acts(self, subject: str | None = None, *, limit: int = 200) -> tuple[Act, ...]:
        """What was done, the newest first."""
        table = tables.policy_acts
        asked = sa.select(table).order_by(table.c.id.desc()).limit(limit)
        with transaction(self._engine) as connection:
            found = connection.execute(asked if subject is None else asked.where(table.c.subject == subject))
            return tuple(Act(**row) for row in found.mappings())

    def _save(self, connection: sa.Connection, policy: Policy, by: str, row: Mapping[Any, Any] | None, *, source: str) -> None:
        version = 1 + max((number for _, number in self._versions_of(connection, policy.name)), default=0)
        needs_second = ""
        if row is not None and source == FROM_API and row["enabled"] and not row["removed"] and row["effective"] is not None:
            before = self._versions_of(connection, policy.name)[policy.name, row["effective"]].policy
            if self._clock() < before.expires_unix:
                needs_second = why_raising(before, policy)
        values = {"latest": version, "source": source, "removed": False}
        if row is None:
            connection.execute(sa.insert(tables.policies).values(name=policy.name, enabled=False, **values))
        else:
            if row["removed"]:
                values |= {"enabled": False, "effective": None, "pending": None}
            self._set(connection, policy.name, **values)
        connection.execute(
            sa.insert(tables.policy_versions).values(
                name=policy.name,
                version=version,
                body=json.dumps(policy.to_json()),
                author=by,
                saved_at=self._clock(),
                needs_second=needs_second,
            )
        )
        self._act(connection, by, "save", policy.name, version=version, detail=needs_second)
        if not needs_second:
            self._approve(connection, policy.name, version, None)

    def _approve(self, connection: sa.Connection, name: str, version: int, by: str | None) -> None:
        table = tables.policy_versions
        if by is not None:
            connection.execute(
                sa.update(table)
                .where(table.c.name == name, table.c.version == version)
                .values(approved_by=by, approved_at=self._clock())
            )
            self._act(connection, by, "approve", name, version=version)
        self._set(connection, name, effective=version)

    def _ask_to_end(self, name: str, by: str, what: str, reason: str) -> Stored:
        with transaction(self._engine) as connection:
            stored = self._one(connection, name)
            if stored.source == FROM_FILE:
                _refuse_file({"name": name, "source": stored.source})
            enforced = stored.state is State.ENABLED and stored.shown.policy.mode is Mode.ENFORCE
            if enforced:
                body = {"what": what, "by": by, "reason": reason, "at": self._clock()}
                self._set(connection, name, pending=json.dumps(body))
                self._act(connection, by, f"ask to {what}", name, version=stored.shown.version, detail=reason)
            else:
                self._end(connection, name, by, what, reason)
            return self._one(connection, name, removed=True)

    def _end(self, connection: sa.Connection, name: str, by: str, what: str, detail: str) -> None:
        self._set(connection, name, enabled=False, pending=None, **({"removed": True} if what == "remove" else {}))
        self._act(connection, by, what, name, detail=detail)

    def _one(self, connection: sa.Connection, name: str, *, removed: bool = False) -> Stored:
        row = connection.execute(sa.select(tables.policies).where(tables.policies.c.name == name)).mappings().first()
        if row is None or (row["removed"] and not removed):
            raise Unknown(f"there is no policy {name!r}")
        return self._stored(row, self._versions_of(connection, name))

    def _stored(self, row: Mapping[Any, Any], versions: Mapping[tuple[str, int], Version]) -> Stored:
        name = row["name"]
        effective = versions.get((name, row["effective"]))
        draft = versions[name, row["latest"]] if row["latest"] != row["effective"] else None
        if effective is None:
            state = State.DRAFT
        elif self._clock() >= effective.policy.expires_unix:
            state = State.EXPIRED
        else:
            state = State.ENABLED if row["enabled"] else State.APPROVED
        pending = None if row["pending"] is None else Pending(**json.loads(row["pending"]))
        return Stored(name=name, state=state, source=row["source"], effective=effective, draft=draft, pending=pending)

    def _versions_of(
        self, connection: sa.Connection, name: str | None = None, *, shown_only: bool = False
    ) -> dict[tuple[str, int], Version]:
        table, owners = tables.policy_versions, tables.policies
        asked = sa.select(table) if name is None else sa.select(table).where(table.c.name == name)
        if shown_only:  # of the others there may be thousands
            shown = sa.or_(table.c.version == owners.c.effective, table.c.version == owners.c.latest)
            asked = asked.join(owners, owners.c.name == table.c.name).where(shown)
        return {
            (row["name"], row["version"]): Version(
                policy=self._policy(row),
                version=row["version"],
                author=row["author"],
                saved_at=row["saved_at"],
                needs_second=row["needs_second"],
                approved_by=row["approved_by"],
                approved_at=row["approved_at"],
            )
            for row in connection.execute(asked).mappings()
        }

    def _policy(self, row: Mapping[Any, Any]) -> Policy:
        """The policy of a version, read once: versions never change, and who compares them finds the same object."""
        key = (row["name"], row["version"], row["body"])
        known = self._read.get(key)
        if known is None:
            source = f"{row['name']} version {row['version']}"
            try:
                known = self._read[key] = from_json(json.loads(row["body"]), source=source)
            except InvalidDocument as err:
                raise StoreError(f"{source} was saved by another Wattstat and cannot be read: {err}; install that one") from err
        return known

    def _set(self, connection: sa.Connection, name: str, **values: Any) -> None:
        connection.execute(sa.update(tables.policies).where(tables.policies.c.name == name).values(**values))
        self.changes += 1

    def _act(
        self, connection: sa.Connection, who: str, what: str, subject: str, *, version: int | None = None, detail: str = ""
    ) -> None:
        connection.execute(
            sa.insert(tables.policy_acts).values(
                at=self._clock(), who=who, what=what, subject=subject, version=version, detail=detail
            )
        )


def _refuse_file(row: Mapping[Any, Any]) -> None:
    if row["source"] == FROM_FILE:
        raise Conflict(f"{row['name']} is from the file of policies; change it there")


def _refuse_same(by: str, author: str, what: str) -> None:
    if by.strip().casefold() == author.strip().casefold():
        raise NeedsSecond(f"{author} asked for {what} and cannot approve it; let a second person do that")
