"""The login page: a token becomes a session of the browser. Plain HTML, no script."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from wattstat.access import Caller
from wattstat.api.identity import Identity
from wattstat.api.problems import Problem
from wattstat.api.sessions import COOKIE
from wattstat.api.tokens import digest

MOST_FORM_BYTES = 4096

_STYLE = """
:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}
main{max-width:24rem;margin:15vh auto;padding:0 1rem}
input,button{font:inherit;width:100%;padding:.5rem .7rem;box-sizing:border-box;margin:.3rem 0 1rem}
[role=alert]{border-left:4px solid #c62828;padding-left:.7rem}
"""


def router(identity: Identity, caller: Callable[[], Caller]) -> APIRouter:
    """Login, logout, and who one is."""
    routes = APIRouter(tags=["access"])

    @routes.get("/login", include_in_schema=False)
    async def page(request: Request) -> Response:
        return HTMLResponse(_page(local_path(request.query_params.get("next", "/"))))

    @routes.post("/login", include_in_schema=False)
    async def login(request: Request) -> Response:
        form = await _form(request)
        shown, following = form.get("token", "").strip(), form.get("next", "/")
        try:
            identity.of_token(shown, identity.address(request))
        except Problem as problem:
            return HTMLResponse(
                _page(local_path(following), f"{problem.title}: {problem.detail}"), problem.status, problem.headers
            )
        answer = RedirectResponse(local_path(following), status_code=303)
        sessions = identity.sessions
        answer.set_cookie(
            COOKIE,
            sessions.begin(digest(shown)),
            max_age=sessions.seconds,
            httponly=True,
            samesite="strict",
            secure=identity.is_encrypted(request),
        )
        return answer

    @routes.post("/logout", include_in_schema=False)
    async def logout(request: Request) -> Response:
        if (value := identity.cookie(request)) is not None:
            identity.sessions.end(value)
        answer = RedirectResponse("/login", status_code=303)
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=identity.is_encrypted(request))
        return answer

    @routes.get("/api/access/me", summary="Who the caller is, and what they may")
    async def me() -> Response:
        return JSONResponse(told(caller()))

    return routes


async def _form(request: Request) -> dict[str, str]:
    """The members of a posted form. Raises `Problem` for one that is too long to be ours."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_FORM_BYTES:
            raise Problem(413, "Too long", f"a login has at most {MOST_FORM_BYTES} bytes")
    return dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))


def told(who: Caller) -> dict[str, Any]:
    """A caller as JSON."""
    return {"name": who.name, "role": who.role.name.lower(), "via": who.via}


def local_path(path: str) -> str:
    """A path of this site to go on to; anything that could lead elsewhere becomes the front page."""
    is_ours = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() and "\\" not in path
    return path if is_ours else "/"


def _page(following: str, error: str = "") -> str:
    alert = f"<p role=alert>{escape(error)}</p>" if error else ""
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>Log in · Wattstat</title><style>{_STYLE}</style><main><h1>Wattstat</h1>{alert}"
        f"<form method=post action=/login><input type=hidden name=next value='{escape(following)}'>"
        "<label for=token>Token</label>"
        "<input id=token name=token type=password autocomplete=current-password autofocus required>"
        f"<button>Log in</button></form>"
        f"<p>Tokens are made with <code>wattstat token NAME --role ROLE</code>.</p></main></html>"
    )
