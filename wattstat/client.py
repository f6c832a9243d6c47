"""Wattstat for Python programs. This file needs nothing but Python 3.11: install wattstat, or copy it.

    site = Wattstat("https://wattstat.example.net")        # the token: environment variable WATTSTAT_TOKEN, or token=...
    print(site.status()["mode"])
    print(site.save(policy, dry_run=True)["preview"])       # everything that acts shows its difference first
    site.save(policy)

Answers are the API's own JSON; /api/docs of the site tells their members. What goes wrong is a `WattstatError` that says so.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

TOKEN_VARIABLE = "WATTSTAT_TOKEN"  # noqa: S105 - the name of a variable
Json = dict[str, Any]


class WattstatError(Exception):
    """Something went wrong; the message says what, and what to do."""


class Unreachable(WattstatError):
    """Nobody answers."""


class Refused(WattstatError):
    """The site did not do what it was asked. `problem` has all that it said (RFC 9457)."""

    def __init__(self, status: int, message: str, problem: Json) -> None:
        super().__init__(message)
        self.status, self.problem = status, problem


class Wattstat:
    """A site. Every call is one request; nothing is kept between them."""

    def __init__(
        self,
        url: str = "http://127.0.0.1:8050",
        *,
        token: str | None = None,
        ca_file: str | None = None,
        timeout_seconds: float = 60,
    ) -> None:
        self._url, self._timeout, self._ca_file = url.rstrip("/"), timeout_seconds, ca_file
        self._token = os.environ.get(TOKEN_VARIABLE, "") if token is None else token

    # Power: what is ------------------------------------------------------------------------------------------------

    def status(self) -> Json:
        """Mode, leader, budgets with their headroom, devices with target and confirmed cap."""
        return self.ask("GET", "/api/power/status")

    def policies(self) -> list[Json]:
        """All policies with version and state."""
        return list(self.items("/api/power/policies"))

    def policy(self, name: str, version: int | None = None) -> Json:
        """One policy, and its versions."""
        return self.ask("GET", _policy(name), {"version": version})

    def audit(self, **filters: Any) -> Iterator[Json]:
        """The trail, newest first: who did what, to which device, why. Filters: kind, device, caller."""
        return self.items("/api/power/audit", **filters)

    def verify(self) -> Json:
        """Whether the trail is as it was written."""
        return self.ask("GET", "/api/power/audit/verify")

    # Power: what shall be --------------------------------------------------------------------------------------------

    def preview(self, *policies: Json) -> Json:
        """What would be different if these policies were in force: nothing is saved."""
        return self.ask("POST", "/api/power/preview", body={"policies": policies})

    def save(self, policy: Json, *, dry_run: bool = False) -> Json:
        """Save a policy as a new version. It does nothing until somebody else approves it and it is enabled."""
        return self.ask("PUT", _policy(policy["name"]), {"dry_run": dry_run}, policy)

    def simulate(self, policy: str | Json, *, days: float = 7, timeout_seconds: float = 900) -> Json:
        """What a policy, saved or not, would have done in the site's own last days. A week of 400 GPUs takes a minute."""
        patient = Wattstat(self._url, token=self._token, ca_file=self._ca_file, timeout_seconds=timeout_seconds)
        if isinstance(policy, str):
            return patient.ask("POST", _policy(policy, "simulate"), body={"days": days})
        return patient.ask("POST", "/api/power/simulate", body={"days": days, "policies": [policy]})

    def approve(self, name: str, version: int | None = None, *, dry_run: bool = False) -> Json:
        """Approve another person's policy in the version that you have read; without one, that it be disabled or ended."""
        return self.ask("POST", _policy(name, "approve"), {"dry_run": dry_run}, {"version": version})

    def enable(self, name: str, *, dry_run: bool = False) -> Json:
        """Put an approved policy in force."""
        return self.ask("POST", _policy(name, "enable"), {"dry_run": dry_run})

    def disable(self, name: str, reason: str, *, dry_run: bool = False) -> Json:
        """Take a policy out of force."""
        return self.ask("POST", _policy(name, "disable"), {"dry_run": dry_run}, {"reason": reason})

    def expire(self, name: str, reason: str, *, dry_run: bool = False) -> Json:
        """End a policy for good."""
        return self.ask("DELETE", _policy(name), {"dry_run": dry_run, "reason": reason})

    def hold(self, scope: str, watts: float, reason: str, *, minutes: float, of: str = "gpu", dry_run: bool = False) -> Json:
        """Pin every GPU (or with `of="node"` every server) of a scope, such as `rack/r01`, at these watts."""
        body = {"scope": scope, "watts": watts, "of": of, "reason": reason, "minutes": minutes}
        return self.ask("POST", "/api/power/hold", {"dry_run": dry_run}, body)

    def release(self, hold: int, reason: str, *, dry_run: bool = False) -> Json:
        """End a hold."""
        return self.ask("DELETE", f"/api/power/hold/{hold}", {"dry_run": dry_run, "reason": reason})

    def emergency(self, scope: str, reason: str, *, confirm: str, minutes: float | None = None, dry_run: bool = False) -> Json:
        """Lowest limits at once. `confirm` is the scope's own word, typed again."""
        body = {"scope": scope, "reason": reason, "confirm": confirm, "minutes": minutes}
        return self.ask("POST", "/api/power/emergency", {"dry_run": dry_run}, body)

    def all_clear(self, emergency: int, reason: str, *, dry_run: bool = False) -> Json:
        """End an emergency; caps rise slowly."""
        return self.ask("DELETE", f"/api/power/emergency/{emergency}", {"dry_run": dry_run, "reason": reason})

    def signal(self, name: str, value: float, *, minutes: float = 15) -> Json:
        """Post a number that policies look at, such as a price; it counts for so long."""
        return self.ask("PUT", f"/api/power/signals/{quote(name, safe='')}", body={"value": value, "minutes": minutes})

    def checkpoint(self, job_id: str, *, scheduler: str = "slurm", seconds: float = 60) -> Json:
        """A job writes a checkpoint: its caps get no planned cut meanwhile."""
        return self.ask("POST", "/api/power/checkpoint", body={"job_id": job_id, "scheduler": scheduler, "seconds": seconds})

    def make(self, predefined: str, owner: str, **more: Any) -> Json:
        """A predefined policy (night-cap, demand-response, ...) to save: name, reason, mode, scope, parameters={...}."""
        made: Json = self.ask("POST", f"/api/power/predefined/{predefined}", body={"owner": owner, **more})["policy"]
        return made

    # Any call ---------------------------------------------------------------------------------------------------------

    def items(self, path: str, **params: Any) -> Iterator[Json]:
        """A list of the API, page after page."""
        cursor: str | None = ""
        while cursor is not None:
            page = self.ask("GET", path, {**params, "cursor": cursor})
            yield from page["items"]
            cursor = page["next"]

    def ask(self, method: str, path: str, params: Mapping[str, Any] | None = None, body: Any = None) -> Json:
        """The JSON that a call answers. Raises `Unreachable` and `Refused`."""
        text = self.text(method, path, params, body)
        try:
            found: Json = json.loads(text)
        except ValueError:
            raise Unreachable(f"{self._url} answers, but not as Wattstat does; expected the address of its pages") from None
        return found

    def text(self, method: str, path: str, params: Mapping[str, Any] | None = None, body: Any = None) -> str:
        """What a call answers, as it is."""
        # A switch that is off and what was not given are left out.
        given = {name: _written(value) for name, value in (params or {}).items() if value not in (None, "", False)}
        target = urlsplit(self._url).path + path + (f"?{urlencode(given)}" if given else "")
        headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {self._token}"} if self._token else {})
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            connection = self._connection()
            try:
                connection.request(method, target, None if body is None else json.dumps(body).encode(), headers)
                answer = connection.getresponse()
                status, text = answer.status, answer.read().decode("utf-8", "replace")
            finally:
                connection.close()
        except (OSError, http.client.HTTPException, ValueError) as err:
            reason = str(err) or type(err).__name__
            raise Unreachable(
                f"the web process at {self._url} does not answer ({reason}); is `wattstat serve` running there?"
            ) from err
        if status >= 300:  # a redirect is not followed: the token is for this site alone
            raise _refused(status, text)
        return text

    def _connection(self) -> http.client.HTTPConnection:
        parts = urlsplit(self._url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("that is no address; expected such as http://127.0.0.1:8050")
        if parts.scheme == "http":
            return http.client.HTTPConnection(parts.hostname, parts.port, timeout=self._timeout)
        context = ssl.create_default_context(cafile=self._ca_file)
        return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=self._timeout, context=context)


def _policy(name: str, act: str = "") -> str:
    return f"/api/power/policies/{quote(name, safe='')}" + (f"/{act}" if act else "")


def _written(value: Any) -> str:
    return "true" if value is True else str(value)


def _refused(status: int, text: str) -> Refused:
    try:
        problem = json.loads(text)
        return Refused(status, f"{problem['title']}: {problem['detail']}", problem)
    except (ValueError, KeyError, TypeError):
        return Refused(status, f"the site answered with status {status}", {})
