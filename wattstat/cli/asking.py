"""How commands ask the running web process, and what they say when it does not answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from wattstat.cli.options import config_path
from wattstat.cli.output import FAILED, WRONG_USE, fail
from wattstat.client import TOKEN_VARIABLE, Refused, Wattstat
from wattstat.client import Unreachable as NobodyAnswers

__all__ = ["NobodyAnswers", "Refused", "TokenOption", "UrlOption", "asked", "get", "get_text", "pages", "web_url"]

UrlOption = Annotated[
    str, typer.Option("--url", metavar="URL", help="Address of the web process; the configuration's `web.listen` unless given.")
]

TokenOption = Annotated[
    str,
    typer.Option(
        "--token",
        envvar=TOKEN_VARIABLE,
        metavar="TOKEN",
        show_envvar=False,
        help="Bearer token; better in the environment, where no list of processes shows it.",
    ),
]


def web_url(url: str, config: Path | None) -> str:
    """Where to ask: what was given, or where the configuration has the web process listen."""
    if url:
        return url.rstrip("/")
    from wattstat.config import load
    from wattstat.values import local_url

    return local_url(load(config_path(config)).web.listen)


def get(url: str, path: str, params: Mapping[str, Any] | None = None) -> Any:
    """The JSON at a path. Raises `NobodyAnswers` and `Refused`."""
    return Wattstat(url).ask("GET", path, params)


def get_text(url: str, path: str, params: Mapping[str, Any] | None = None) -> str:
    """What stands at a path, as it is. Raises `NobodyAnswers` and `Refused`."""
    return Wattstat(url).text("GET", path, params)


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
