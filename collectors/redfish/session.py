"""One BMC's Redfish session: opened once, reused for every request, deleted at the end.

A BMC has few sessions (eight on an iDRAC, shared with its web pages) and writes a log entry for each login; a login refused too
often locks the account. So there is one login for a session's whole life, one more when the BMC has forgotten the session, and
then only after a pause that grows.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import NoReturn

import aiohttp
from multidict import CIMultiDict
from redfish.aio import AsyncRedfishClient, AsyncRestRequest, AsyncRestResponse
from yarl import URL

from collectors.frame import AuthFailed, BadPayload, CollectError, NotSupported, Throttled, Unreachable
from collectors.redfish import errors
from wattstat.config import Credentials
from wattstat.members import Body, link, member, text

ROOT = "/redfish/v1/"
SESSIONS = "/redfish/v1/SessionService/Sessions"
# Longer than the fast tier's interval even when a collection comes late: a TLS handshake costs ten times what a request does.
KEEP_ALIVE_SECONDS = 60.0
# An iDRAC closes a stream on which nothing came for an hour.
STREAM_SECONDS = 3700.0
FIRST_PAUSE_SECONDS = 30.0
LONGEST_PAUSE_SECONDS = 1800.0
# A session that lived this long was a good one: its end is no sign of trouble.
PROVEN_SECONDS = 600.0
LOGOUT_SECONDS = 4.0
# What machines leave the factory with, or left it with for years.
FACTORY = {("root", "calvin"), ("admin", "admin"), ("administrator", "password"), ("root", "0penBmc"), ("userid", "PASSW0RD")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How a BMC is reached: its address, who logs in, and how its certificate is checked."""

    url: str
    credentials: Credentials
    trust: ssl.SSLContext | aiohttp.Fingerprint
    unverified: ssl.SSLContext  # only to look at certificates


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back: also a refusal is an answer. `body` is empty where there is no JSON object in it."""

    status: int
    body: Body
    headers: Mapping[str, str]


@dataclass(kw_only=True, eq=False)
class Session:
    """A BMC's session. `requests` bounds how many requests are under way at once."""

    access: Access
    timeout_seconds: float
    requests: int = 2
    streams: int = 0  # connections beside those of requests that stay open
    monotonic: Callable[[], float] = time.monotonic
    random: Random = field(default_factory=Random)
    password_change_required: bool = False
    factory_password: bool | None = None
    root: Body = field(default_factory=dict)
    _http: aiohttp.ClientSession | None = None
    _client: AsyncRedfishClient | None = None
    _slots: asyncio.Semaphore = field(init=False)
    _login_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _login: asyncio.Task[AsyncRedfishClient] | None = None
    _token: str = ""
    _logged_in_at: float | None = None
    _replaced: bool = False
    _refusals: int = 0
    _not_before: float = 0.0
    _last_refusal: CollectError | None = None
    _closed: bool = False

    def __post_init__(self) -> None:
        self._slots = asyncio.Semaphore(self.requests)

    async def get(self, path: str | URL) -> Body:
        """The JSON object at `path`. Raises a `CollectError`."""
        what = path if isinstance(path, str) else str(path)
        async with self._slots:
            client = await self._logged_in()
            answer = await self._ask(client, path, what)
            if answer.status == 401:
                answer = await self._ask(await self._logged_in_again(client), path, what)
            if answer.status == 401:
                self._refuse(errors.of_status(answer, what))
        return errors.body_of(answer, what)

    async def send(
        self, method: str, path: str, body: Body | None = None, *, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Ask for something once and give back what was answered, whatever it is. Raises a `CollectError` without an answer.

        A write whose answer did not come may have been done: nothing is sent a second time, but for a session that the BMC
        had forgotten, where it has refused to look at the request.
        """
        what = f"{method} {path}"
        async with self._slots:
            client = await self._logged_in()
            answer = await self._send(client, method, path, body, headers)
            if answer.status == 401:
                answer = await self._send(await self._logged_in_again(client), method, path, body, headers)
            if answer.status == 401:
                self._refuse(errors.of_status(answer, what))
        return Answer(status=answer.status, body=errors.object_of(answer), headers=CIMultiDict(answer.getheaders()))

    @property
    def logged_in(self) -> bool:
        """Whether there is a session."""
        return self._client is not None

    async def ensure(self) -> None:
        """Log in if that has not been done. Raises a `CollectError`."""
        async with self._slots:
            await self._logged_in()

    async def stream(self, path: str) -> AsyncIterator[bytes]:
        """The bytes of an answer without end. Raises a `CollectError`; the library's client has no such call."""
        await self.ensure()
        url = URL(self.access.url).join(URL(path, encoded=True))
        headers = {"X-Auth-Token": self._token, "Accept": "text/event-stream"}
        patience = aiohttp.ClientTimeout(total=None, connect=self.timeout_seconds, sock_read=STREAM_SECONDS)
        try:
            async with self._transport().get(url, headers=headers, timeout=patience, allow_redirects=False) as answer:
                if answer.status != 200:
                    request = AsyncRestRequest(path=path)
                    body = await answer.read()
                    raise errors.of_status(AsyncRestResponse(request, answer.status, answer.headers, body), path)
                async for chunk in answer.content.iter_any():
                    yield chunk
        except (aiohttp.ClientError, TimeoutError, OSError) as err:
            raise Unreachable(f"{path}: {str(err) or 'no event in time'}") from err

    async def close(self) -> None:
        """Delete the session on the BMC and close the connections; called once, also when nothing was ever opened.

        Who asks afterwards is refused: a login then would leave a session on the BMC that nobody deletes.
        """
        self._closed = True
        if self._login is not None and not self._login.done():
            await asyncio.wait([self._login], timeout=LOGOUT_SECONDS)
        client, self._client = self._client, None
        try:
            if client is not None:
                with errors.mapped("logout"):
                    async with asyncio.timeout(LOGOUT_SECONDS):
                        await client.logout()
        finally:
            if self._http is not None:
                await self._http.close()
                self._http = None

    async def _ask(self, client: AsyncRedfishClient, path: str | URL, what: str) -> AsyncRestResponse:
        with errors.mapped(what):
            return await client.get(path)

    async def _send(
        self, client: AsyncRedfishClient, method: str, path: str, body: Body | None, headers: Mapping[str, str] | None
    ) -> AsyncRestResponse:
        ask = {"GET": client.get, "PATCH": client.patch, "POST": client.post, "DELETE": client.delete}[method]
        # The quoted query of an address must arrive as it was written.
        target = URL(path, encoded=True) if "?" in path else path
        more = {} if body is None else {"body": body}
        with errors.mapped(f"{method} {path}"):
            return await ask(target, headers=headers, **more)

    async def _logged_in(self) -> AsyncRedfishClient:
        if self._closed:
            raise Unreachable("the session with this BMC was closed")
        if self._client is not None:
            return self._client
        async with self._login_lock:
            return self._client or await self._begin()

    async def _logged_in_again(self, stale: AsyncRedfishClient) -> AsyncRedfishClient:
        """A new session in place of one that the BMC has forgotten; all who come with the same stale one share it."""
        async with self._login_lock:
            if self._client is stale:
                self._client = None
                if self._replaced and not self._proven():
                    self._refuse(AuthFailed("the BMC forgets sessions soon after it opened them"))
                self._replaced = True
        return await self._logged_in()

    async def _begin(self) -> AsyncRedfishClient:
        """Log in, unless that was refused a short time ago.

        A cancelled collection leaves the login running: a session that was opened and not taken would stay on the BMC until it
        times out there.
        """
        if self.monotonic() < self._not_before and self._last_refusal is not None:
            raise self._last_refusal
        if self._login is None or self._login.done():
            self._login = asyncio.ensure_future(self._open())
            self._login.add_done_callback(_retrieve)
        try:
            await asyncio.shield(self._login)
        except (AuthFailed, Throttled) as err:
            self._refuse(err)
        self._last_refusal = None
        return self._login.result()

    def _refuse(self, err: CollectError) -> NoReturn:
        """Note the refusal, set the pause before the next login, and raise it."""
        if self._proven():
            self._refusals = 0
        self._logged_in_at, self._replaced = None, False
        pause = min(FIRST_PAUSE_SECONDS * 2**self._refusals, LONGEST_PAUSE_SECONDS) * self.random.uniform(0.8, 1.2)
        if isinstance(err, Throttled) and err.retry_after_seconds is not None:
            pause = err.retry_after_seconds * self.random.uniform(1.0, 1.2)
        self._refusals += 1
        self._not_before = self.monotonic() + pause
        self._last_refusal = err
        self._client = None
        raise err

    def _proven(self) -> bool:
        return self._logged_in_at is not None and self.monotonic() - self._logged_in_at >= PROVEN_SECONDS

    async def _open(self) -> AsyncRedfishClient:
        if self.access.url.partition(":")[0] != "https":
            raise AuthFailed(f"{self.access.url}: expected an https:// address; a password is never sent in the clear")
        http = self._transport()
        asker = AsyncRedfishClient(self.access.url, session=http, timeout=self.timeout_seconds)
        self.root = await self._read_root(asker)
        with errors.mapped("login"):
            answer = await asker.post(link(member(self.root, "Links", "Sessions")) or SESSIONS, body=self._password())
        if "PasswordChangeRequired" in errors.message_ids(answer):
            self.password_change_required = True
        if not 200 <= answer.status < 300:
            raise _not_silent(errors.of_status(answer, "login"))
        token = text(answer.getheader("X-Auth-Token"))
        if not token:
            raise BadPayload("login: the answer holds no X-Auth-Token")
        location = text(answer.getheader("Location")) or text(member(errors.body_of(answer, "login"), "@odata.id"))
        self._token = token
        # A proxy before the BMC may name another host here; the path is what counts.
        self._client = AsyncRedfishClient(
            self.access.url,
            session=http,
            timeout=self.timeout_seconds,
            session_key=token,
            session_location=URL(location).raw_path if location else None,
        )
        self._logged_in_at = self.monotonic()
        return self._client

    async def _read_root(self, asker: AsyncRedfishClient) -> Body:
        answer = await self._ask(asker, ROOT, "service root")
        if answer.status == 401:
            return {}  # against the standard, seen in the field: the service root asks for a login
        try:
            return errors.body_of(answer, "service root")
        except CollectError as err:
            raise _not_silent(err) from err

    def _password(self) -> Body:
        try:
            password = self.access.credentials.password().get_secret_value()
        except (ValueError, OSError) as err:
            raise AuthFailed(f"login: no password: {err}") from err
        user = self.access.credentials.username
        self.factory_password = (user.lower(), password) in FACTORY
        return {"UserName": user, "Password": password}

    def _transport(self) -> aiohttp.ClientSession:
        if self._http is None:
            connector = aiohttp.TCPConnector(
                ssl=self.access.trust,
                limit=self.requests + self.streams,
                keepalive_timeout=KEEP_ALIVE_SECONDS,
                ttl_dns_cache=300,
            )
            self._http = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), headers={"User-Agent": "wattstat"}
            )
        return self._http


def _retrieve(login: asyncio.Task[AsyncRedfishClient]) -> None:
    """Look at the outcome, also when nobody waits for it any more."""
    if not login.cancelled():
        login.exception()  # noqa: LOG004 - a task's, not a logger's


def _not_silent(err: CollectError) -> CollectError:
    """Without root and login there is no Redfish service: that is never something to remember in silence."""
    return BadPayload(f"{err}; is this a Redfish service?") if isinstance(err, NotSupported) else err
