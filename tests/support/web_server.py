"""An ASGI application behind a real socket."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

import uvicorn


@asynccontextmanager
async def serving(application: Any, *, lifespan: Literal["auto", "off"] = "off") -> AsyncIterator[str]:
    """Serve while the body runs; gives the URL. Dash answers pages only where its lifespan begins."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(application, log_level="warning", lifespan=lifespan))
        running = asyncio.ensure_future(server._serve([bound]))
        async with asyncio.timeout(60):
            while not server.started:
                await asyncio.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{bound.getsockname()[1]}"
        finally:
            server.should_exit = True
            await running
