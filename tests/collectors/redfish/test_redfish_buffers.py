"""Small TLS buffers: a long answer still arrives whole."""

import ssl
from asyncio import sslproto

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from collectors.frame.tls import spare_buffers
from tests.support.certificates import Authority

LONG = b"0123456789" * 100_000


async def _answer(_):
    return web.Response(body=LONG)


async def test_a_long_answer_arrives_whole_through_small_buffers(tmp_path, monkeypatch):
    monkeypatch.setattr(sslproto.SSLProtocol, "max_size", sslproto.SSLProtocol.max_size)
    spare_buffers()
    authority = Authority(tmp_path)
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(authority.server("localhost"))
    app = web.Application()
    app.router.add_get("/", _answer)
    server = TestServer(app, scheme="https", host="127.0.0.1")
    await server.start_server(ssl=serving)
    try:
        trust = ssl.create_default_context(cafile=authority.ca_file)
        trust.check_hostname = False
        async with aiohttp.ClientSession() as session, session.get(server.make_url("/"), ssl=trust) as answer:
            transport = answer.connection.transport
            body = await answer.read()
    finally:
        await server.close()

    assert body == LONG
    assert len(transport._ssl_protocol._ssl_buffer) == 32 * 1024
