"""One question by HTTP: what comes back, and what each refusal means."""

import asyncio
import contextlib

import pytest
from aiohttp import web

from collectors.frame import AuthFailed, BadPayload, NotSupported, Throttled, Unreachable
from collectors.frame import web as frame_web
from collectors.frame.web import Web


@contextlib.asynccontextmanager
async def device(handler, **more):
    """A session with a device whose every answer is the handler's."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    session = Web(url=f"http://127.0.0.1:{runner.addresses[0][1]}", timeout_seconds=2, **more)
    try:
        yield session
    finally:
        await session.close()
        await runner.cleanup()


def answering(status=200, text="{}", content_type="application/json", **headers):
    async def handler(_):
        return web.Response(status=status, text=text, content_type=content_type, headers=headers)

    return handler


async def test_a_document_comes_back_and_what_was_sent_arrived():
    async def echo(request):
        return web.json_response(
            {"body": await request.json(), "said": request.headers["X-Told"], "asked": dict(request.query)}
        )

    async with device(echo, headers={"X-Told": "a"}) as session:
        answer = await session.ask("POST", "/x", params={"q": "1"}, body={"n": 2})

    assert await answer.document() == {"body": {"n": 2}, "said": "a", "asked": {"q": "1"}}


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, AuthFailed), (403, AuthFailed), (404, NotSupported), (405, NotSupported), (429, Throttled), (503, Throttled),
     (500, BadPayload), (302, BadPayload)],
)  # fmt: skip
async def test_a_refusal_is_told_apart_by_its_status(status, error):
    async with device(answering(status, Location="/elsewhere")) as session:
        with pytest.raises(error, match=f"HTTP {status}"):
            await session.get("/x")


async def test_a_device_that_asks_for_patience_names_the_time():
    async with device(answering(503, **{"Retry-After": "30"})) as session:
        with pytest.raises(Throttled) as caught:
            await session.get("/x")

    assert caught.value.retry_after_seconds == 30


async def test_what_a_refusal_says_in_json_is_repeated_and_a_page_of_html_is_not():
    async with device(answering(500, '{"code": 6401}')) as session:
        with pytest.raises(BadPayload, match="6401"):
            await session.get("/x")
    async with device(answering(500, "<html>secret</html>", "text/html")) as session:
        with pytest.raises(BadPayload) as caught:
            await session.get("/x")

    assert "secret" not in str(caught.value)


async def test_a_body_that_is_cut_is_no_document():
    async with device(answering(text='{"a": [1, 2')) as session:
        with pytest.raises(BadPayload, match="no JSON"):
            await session.get("/x")


async def test_an_endless_body_ends(monkeypatch):
    monkeypatch.setattr(frame_web, "MOST_BYTES", 1000)
    async with device(answering(text="[" + "1," * 2000 + "1]")) as session:
        with pytest.raises(BadPayload, match="more than 1000 bytes"):
            await session.get("/x")


async def test_a_long_document_is_decoded_whole():
    async with device(answering(text="[" + "1," * 200_000 + "1]")) as session:
        assert len(await session.get("/x")) == 200_001


async def test_a_device_that_is_not_there_is_unreachable_and_can_be_asked_again():
    session = Web(url="http://127.0.0.1:9", timeout_seconds=1)
    for _ in range(2):
        with pytest.raises(Unreachable):
            await session.get("/x")
    await session.close()


async def test_who_waits_for_a_connection_does_not_spend_its_time_for_an_answer():
    async def slow(_):
        await asyncio.sleep(0.5)
        return web.json_response({})

    async with device(slow, requests=1) as session:
        answers = await asyncio.gather(*(session.ask("GET", "/x") for _ in range(5)))

    assert session.timeout_seconds < 5 * 0.5
    assert [answer.status for answer in answers] == [200] * 5


async def test_cookies_are_handed_over_and_not_kept():
    async def handler(request):
        response = web.json_response({"sent": request.cookies.get("session")})
        response.set_cookie("session", "abc")
        return response

    async with device(handler) as session:
        first = await session.ask("GET", "/x")
        second = await session.ask("GET", "/x")

    assert first.cookies == {"session": "abc"}
    assert await second.document() == {"sent": None}
