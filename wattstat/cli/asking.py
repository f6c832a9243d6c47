"""How commands ask the running web process, and what they say when it does not answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from wattstat.cli.options import config_path
from wattstat.cli.output import FAILED, WRONG_USE, fail

UrlOption = Annotated[
    str, typer.Option("--url", metavar="URL", help="Address of the web process; the configuration's `web.listen` unless given.")
]

TIMEOUT_SECONDS = 60


class NobodyAnswers(Exception):
    """The web process cannot be reached. The message says where it was asked and what to do."""


class Refused(Exception):
    """The web process did not do what it was asked; the message is its own."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def web_url(url: str, config: Path | None) -> str:
    """Where to ask: what was given, or where the configuration has the web process listen."""
    if url:
        return url.rstrip("/")
    from wattstat.config import load
    from wattstat.values import local_url

    return local_url(load(config_path(config)).web.listen)


def get(url: str, path: str, params: Mapping[str, Any] | None = None) -> Any:
    """The JSON at a path. Raises `NobodyAnswers` and `Refused`."""
    text = asyncio.run(_get(url, path, params or {}))
    try:
        return json.loads(text)
    except ValueError:
        raise NobodyAnswers(f"{url} answers, but not as Wattstat's web process does; expected its address as --url") from None


def get_text(url: str, path: str, params: Mapping[str, Any] | None = None) -> str:
    """What stands at a path, as it is. Raises `NobodyAnswers` and `Refused`."""
    return asyncio.run(_get(url, path, params or {}))


def asked(url: str, path: str, params: Mapping[str, Any] | None = None) -> Any:
    """The JSON at a path; where there is none, the command ends with the reason."""
    try:
        return get(url, path, params)
    except NobodyAnswers as err:
        fail(str(err))
    except Refused as err:
        fail(str(err), WRONG_USE if err.status in {400, 422} else FAILED)


def pages(url: str, path: str, params: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A list, page after page."""
    cursor: str | None = ""
    while cursor is not None:
        page = asked(url, path, {**params, "cursor": cursor})
        yield page
        cursor = page["next"]


async def _get(url: str, path: str, params: Mapping[str, Any]) -> str:
    import aiohttp
    from yarl import URL

    given = {name: str(value) for name, value in params.items() if value not in (None, "")}
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    try:
        # The path is quoted already: an id's plus signs and slashes must arrive as they are.
        address = URL(url + path, encoded=True).extend_query(given)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(address) as answer:
            text = await answer.text()
            if answer.status >= 400:
                raise Refused(answer.status, _reason(answer.status, text))
            return text
    except (aiohttp.ClientError, TimeoutError, ValueError) as err:
        reason = str(err) or type(err).__name__
        raise NobodyAnswers(
            f"the web process at {url} does not answer ({reason}); is `wattstat serve` running? --url names another address"
        ) from err


def _reason(status: int, text: str) -> str:
    try:
        problem = json.loads(text)
        return f"{problem['title']}: {problem['detail']}"
    except (ValueError, KeyError, TypeError):
        return f"the web process answered with status {status}"
