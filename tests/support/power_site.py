"""A whole site in a thread: web process with its gate, core's door, desk and an obedient hall; for commands and clients."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastapi import FastAPI

from power.desk.desk import Desk
from tests.support.power_desk import KEY, core_of
from tests.support.web_server import serving
from wattstat.api import access, power_routes, problems, tokens
from wattstat.api.power_calls import PowerCalls
from wattstat.config.access import Access

PEOPLE = {"vera": "viewer", "olga": "operator", "ada": "author", "bert": "approver"}


def token(name: str) -> str:
    """The token of somebody."""
    return f"wst_{name}"


def settings(**more: object) -> Access:
    """Access as this site has it: a token for each of the people."""
    listed = [{"name": name, "role": role, "sha256": tokens.digest(token(name))} for name, role in PEOPLE.items()]
    return Access.model_validate({"tokens": listed, **more})


async def rehearse(policies, days):
    """Stands for the rehearsal: says what it was asked."""
    return {"policies": [each["name"] for each in policies], "days": days}


@contextmanager
def running(desk: Desk, folder: Path) -> Iterator[str]:
    """The site while the body runs; gives the URL of its web process."""
    key = folder / "core.key"
    key.write_text(KEY.hex())
    key.chmod(0o600)
    up, stop, found = threading.Event(), threading.Event(), []

    async def serve() -> None:
        async with core_of(desk) as core:
            calls = PowerCalls(core, key)
            app = FastAPI()
            problems.install(app)
            who = access.identity(settings(), folder)
            access.add_routes(app, who)
            app.include_router(power_routes.router(calls, rehearse))
            access.guard(app, who)
            async with serving(app) as url:
                found.append(url)
                up.set()
                await asyncio.to_thread(stop.wait)
            await calls.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert up.wait(60)
        yield found[0]
    finally:
        stop.set()
        thread.join()
