"""A site as commands ask it: a refusal ends the command with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from wattstat.cli.asking import web_url
from wattstat.cli.output import FAILED, WRONG_USE, fail
from wattstat.client import Refused, Unreachable, Wattstat


class Site:
    """The calls below /api/power of the web process that the options name."""

    def __init__(self, url: str, config: Path | None, token: str, *, timeout_seconds: float = 60) -> None:
        # An empty token is none that was given: the client then looks into the environment.
        self._client = Wattstat(web_url(url, config), token=token or None, timeout_seconds=timeout_seconds)

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """What stands at a path."""
        return self.ask("GET", path, params)

    def ask(self, method: str, path: str, params: Mapping[str, Any] | None = None, body: Any = None) -> dict[str, Any]:
        """The answer of a call. Exit code 2 where the question makes no sense, 1 where it cannot be done."""
        try:
            return self._client.ask(method, f"/api/power/{path}", params, body)
        except Unreachable as err:
            fail(str(err))
        except Refused as err:
            fail(str(err), WRONG_USE if err.status in {400, 404, 422} and "deficits" not in err.problem else FAILED)

    @staticmethod
    def policy(name: str, act: str = "") -> str:
        """The path of a policy, and of what is done with it."""
        return f"policies/{quote(name, safe='')}" + (f"/{act}" if act else "")
