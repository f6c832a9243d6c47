"""The listening side: a login, its cookie, and commands, over HTTPS."""

from __future__ import annotations

import json
import secrets
import ssl
from typing import Any

from aiohttp import web

from simulator.faults import Faults
from simulator.mlnxos.documents import COMMANDS
from simulator.plant.model import Plant, SwitchState

PORT = 8443
MOST_SESSIONS = 8
_PATH = "/admin/launch"


class MlnxOsServer:
    """Answers from the plant as it is now."""

    def __init__(self, plant: Plant, switch_name: str, faults: Faults, credentials: tuple[str, str]) -> None:
        """`credentials` are user and password."""
        self.requests = 0
        self.sessions: set[str] = set()
        self.takes_commands_as_logins = False  # as some releases do, which know no other address
        self.port = 0
        self._plant = plant
        self._name = switch_name
        self._faults = faults
        self._credentials = credentials
        self._runner: web.ServerRunner | None = None

    async def start(self, context: ssl.SSLContext, *, port: int = PORT) -> None:
        """Listen on the switch's address; port 0 takes a free one, which `port` then tells."""
        self._runner = web.ServerRunner(web.Server(self._answer, access_log=None), shutdown_timeout=1)
        await self._runner.setup()
        address = self._plant.switch(self._name).address
        await web.TCPSite(self._runner, address, port, ssl_context=context).start()
        self.port = int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests += 1
        switch = self._plant.switch(self._name)
        if (not switch.up or self._fault("switch_gone")) and request.transport is not None:
            request.transport.abort()
        if request.path != _PATH:
            return web.Response(status=404)
        is_login = request.query.get("action") == "json-login"
        if is_login and "cmd" not in await _body(request):
            return await self._login(request)
        if self.takes_commands_as_logins != is_login and request.query.get("action") != "logout":
            return web.Response(status=404)
        session = request.cookies.get("session", "")
        if request.query.get("action") == "logout":
            self.sessions.discard(session)
            return web.Response(status=302, headers={"Location": "/"})
        if session not in self.sessions or self._fault("switch_unauthorized"):
            return web.Response(status=302, headers={"Location": f"{_PATH}?script=rh&template=login"})
        return await self._command(request, switch)

    async def _login(self, request: web.BaseRequest) -> web.Response:
        body = await _body(request)
        given = (body.get("username"), body.get("password"))
        if given != self._credentials or self._fault("switch_unauthorized"):
            return web.json_response({"status": "ERROR", "status_msg": "Invalid username or password"})
        if len(self.sessions) >= MOST_SESSIONS:
            return web.json_response({"status": "ERROR", "status_msg": "Too many sessions"}, status=503)
        session = secrets.token_urlsafe(16)
        self.sessions.add(session)
        response = web.json_response({"status": "OK", "status_msg": "Successfully logged-in"})
        response.set_cookie("session", session)
        return response

    async def _command(self, request: web.BaseRequest, switch: SwitchState) -> web.Response:
        command = (await _body(request)).get("cmd")
        known = COMMANDS.get(str(command))
        if known is None:
            said = f'% Unrecognized command "{command}".'
            return web.json_response({"executed_command": command, "status": "ERROR", "status_message": said, "data": ""})
        document = {"executed_command": command, "status": "OK", "status_message": "", "data": known(self._plant, switch)}
        body = json.dumps(document)
        if self._fault("switch_broken_json"):
            body = body[: len(body) * 2 // 3]
        return web.Response(text=body, content_type="application/json")

    def _fault(self, kind: str) -> bool:
        return self._faults.find(self._name, kind) is not None


async def _body(request: web.BaseRequest) -> dict[str, Any]:
    try:
        document = json.loads(await request.read())
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
