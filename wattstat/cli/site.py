"""A site as commands ask it: a refusal ends the command with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

from wattstat.cli.asking import web_url
from wattstat.cli.output import FAILED, WRONG_USE, fail
from wattstat.client import Refused, Unreachable, Wattstat


class Site:
    """The calls below a path of the web process that the options name."""

    def __init__(
        self, url: str, config: Path | None, token: str, *, below: str = "/api/power", timeout_seconds: float = 60
    ) -> None:
        self._below = below
        # An empty token is none that was given: the client then looks into the environment.
        self._client = Wattstat(web_url(url, config), token=token or None, timeout_seconds=timeout_seconds)

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """What stands at a path."""
        return self.ask("GET", path, params)

    def ask(self, method: str, path: str, params: Mapping[str, Any] | None = None, body: Any = None) -> dict[str, Any]:
        """The answer of a call. Exit code 2 where the question makes no sense, 1 where it cannot be done."""
        try:
            return self._client.ask(method, f"{self._below}/{path}", params, body)
        except (Unreachable, Refused) as err:
            _ended(err)

    def text(self, path: str) -> str:
        """What stands at a path, as it is."""
        try:
            return self._client.text("GET", f"{self._below}/{path}")
        except (Unreachable, Refused) as err:
            _ended(err)

    @staticmethod
    def policy(name: str, act: str = "") -> str:
        """The path of a policy, and of what is done with it."""
        return f"policies/{quote(name, safe='')}" + (f"/{act}" if act else "")


def _ended(err: Unreachable | Refused) -> NoReturn:
    if isinstance(err, Unreachable):
        fail(str(err))
    fail(str(err), WRONG_USE if err.status in {400, 404, 422} and "deficits" not in err.problem else FAILED)
