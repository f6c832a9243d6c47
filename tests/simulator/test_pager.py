"""The simulated pager keeps what Apprise sends it, and counts what the dead-man's switch says."""

import asyncio

import aiohttp
import apprise
from aiohttp import web

from simulator.pager import Pager


async def test_a_message_by_apprise_is_kept_with_its_time_and_heartbeats_are_counted():
    application = web.Application()
    application.add_routes(Pager(clock=lambda: 1000.0).routes())
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address = f"127.0.0.1:{runner.addresses[0][1]}"
    try:
        told = apprise.Apprise()
        assert told.add(f"json://{address}/pager")
        assert await asyncio.to_thread(told.notify, title="[CRIT] GpuLost", body="gpu-017")
        async with aiohttp.ClientSession() as session:
            for _ in range(2):
                await (await session.get(f"http://{address}/heartbeat")).read()
            messages = await (await session.get(f"http://{address}/pager")).json()
            beats = await (await session.get(f"http://{address}/heartbeats")).json()
    finally:
        await runner.cleanup()

    assert messages["items"] == [{"at": 1000.0, "title": "[CRIT] GpuLost", "message": "gpu-017"}]
    assert beats == {"beats": 2, "last": 1000.0}
