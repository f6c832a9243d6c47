"""Who makes a request: by token, by session, by a trusted proxy, or from this machine. Everybody else is a stranger."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from wattstat import keyfile
from wattstat.access import Caller, Role
from wattstat.api.problems import Problem
from wattstat.api.sessions import COOKIE, Sessions
from wattstat.api.tokens import Failures, Tokens
from wattstat.config.access import Access
from wattstat.values import is_loopback

SESSION_KEY_FILE = "session.key"
FORWARDING = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "x-forwarded-user", "via")
"""What reverse proxies add: who comes with one of them is not somebody at this machine."""
TOKEN_PARAMETERS = frozenset({"token", "access_token", "api_key", "apikey", "bearer", "authorization"})
MOST_TOKEN_LENGTH = 512

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Identity:
    """Tells who makes a request. Raises `Problem` where what is shown is wrong: a wrong token is not the same as none."""

    def __init__(
        self,
        settings: Access,
        data_dir: Path,
        *,
        open_to_viewers: bool = False,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`open_to_viewers`: strangers may look, whatever the settings say (`--insecure` with no way to log in)."""
        self.tokens = Tokens(settings)
        self.failures = Failures(monotonic)
        self._settings = settings
        self._strangers_look = settings.anonymous_viewers or open_to_viewers
        self._key_path = data_dir / SESSION_KEY_FILE
        self._clock = clock
        self._sessions: Sessions | None = None
        self._trusted = networks(settings.proxy.trusted if settings.proxy else ())

    @property
    def sessions(self) -> Sessions:
        """Made when the first one logs in or shows a cookie, so that a site without tokens needs no key."""
        if self._sessions is None:
            key = keyfile.key(self._key_path)
            self._sessions = Sessions(key, seconds=self._settings.session_hours * 3600, clock=self._clock)
        return self._sessions

    def caller(self, request: HTTPConnection) -> Caller | None:
        """Who asks; None for a stranger who may not even look. Raises `Problem`."""
        if TOKEN_PARAMETERS & {name.lower() for name in request.query_params}:
            raise Problem(
                400,
                "A token in an address",
                "addresses end up in logs and histories; withdraw that token, make another (`wattstat token`), and send it "
                "as the header `Authorization: Bearer TOKEN`",
            )
        if (shown := _bearer(request)) is not None:
            return self.of_token(shown, self.address(request))
        if (found := self._of_session(request)) is not None:
            return found
        if self._is_trusted_proxy(request):
            return self._of_proxy(request)
        if is_local(request):
            return Caller(name="local", role=Role.named(self._settings.local_role), via="local")
        return Caller(name="anonymous", role=Role.VIEWER, via="anonymous") if self._strangers_look else None

    def of_token(self, shown: str, address: str) -> Caller:
        """Whose token it is. Raises `Problem` for a wrong one, and for an address that showed too many wrong ones."""
        if wait := self.failures.wait_seconds(address):
            raise Problem(429, "Too many wrong tokens", f"wait {wait:.0f} s", headers={"Retry-After": str(int(wait) + 1)})
        found = self.tokens.find(shown) if 0 < len(shown) <= MOST_TOKEN_LENGTH else None
        if found is None:
            self.failures.add(address)
            raise Problem(
                401,
                "Wrong token",
                "no entry of access.tokens or access.tokens_file fits it; `wattstat token NAME --role ROLE` makes one",
                headers={"WWW-Authenticate": 'Bearer realm="wattstat", error="invalid_token"'},
            )
        return Caller(name=found.name, role=Role.named(found.role), via="token")

    def cookie(self, request: HTTPConnection) -> str | None:
        """The value of our cookie."""
        jar: SimpleCookie = SimpleCookie()
        for header in request.headers.getlist("cookie"):
            try:
                jar.load(header)
            except CookieError:  # another application's, on the same host
                continue
        return jar[COOKIE].value if COOKIE in jar else None

    def address(self, request: HTTPConnection) -> str:
        """Where the request comes from; behind a trusted proxy, where that says."""
        peer = request.client.host if request.client else ""
        if self._is_trusted_proxy(request):
            return request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()[:64] or peer
        return peer

    def host(self, request: HTTPConnection) -> str:
        """The name under which the caller's browser knows us."""
        forwarded = request.headers.get("x-forwarded-host", "").partition(",")[0].strip()
        return forwarded if forwarded and self._is_trusted_proxy(request) else request.headers.get("host", "")

    def is_encrypted(self, request: HTTPConnection) -> bool:
        """Whether the caller's browser came by TLS."""
        told = request.headers.get("x-forwarded-proto", "") if self._is_trusted_proxy(request) else ""
        return (told or request.url.scheme) == "https"

    def _of_session(self, request: HTTPConnection) -> Caller | None:
        value = self.cookie(request)
        session = self.sessions.read(value) if value else None
        token = self.tokens.by_digest(session.token_sha256) if session else None
        return Caller(name=token.name, role=Role.named(token.role), via="session") if token else None

    def _of_proxy(self, request: HTTPConnection) -> Caller | None:
        proxy = self._settings.proxy
        if proxy is None:
            return None
        users = request.headers.getlist(proxy.user_header)
        if len(users) != 1 or not users[0].strip():  # two of them: one is the caller's own, and nobody knows which
            return Caller(name="anonymous", role=Role.VIEWER, via="anonymous") if self._strangers_look else None
        listed = ",".join(request.headers.getlist(proxy.groups_header)).split(",")
        roles = [Role.named(proxy.roles[group.strip()]) for group in listed if group.strip() in proxy.roles]
        return Caller(name=users[0].strip()[:128], role=max(roles, default=Role.VIEWER), via="proxy")

    def _is_trusted_proxy(self, request: HTTPConnection) -> bool:
        if not self._trusted or request.client is None:
            return False
        try:
            peer = ipaddress.ip_address(request.client.host)
        except ValueError:
            return False
        mapped = getattr(peer, "ipv4_mapped", None)
        return any((mapped or peer) in network for network in self._trusted)


def networks(trusted: tuple[str, ...]) -> tuple[_Network, ...]:
    """Addresses and networks as settings write them. Raises `ValueError`."""
    return tuple(ipaddress.ip_network(each, strict=False) for each in trusted)


def is_local(request: HTTPConnection) -> bool:
    """Whether somebody at this machine asks, under a name of this machine.

    A name that merely leads here (DNS rebinding) is a stranger's page in the browser of somebody at this machine; a proxy on
    this machine brings strangers too. Some proxies add nothing, but speak HTTP/1.0 as browsers and our clients never do.
    """
    if request.client is None or not is_loopback(request.client.host) or request.scope.get("http_version") == "1.0":
        return False
    if any(name in request.headers for name in FORWARDING):
        return False
    return is_loopback(hostname(request.headers.get("host", "")))


def hostname(host: str) -> str:
    """The name in a Host header, without port and brackets; empty where it makes no sense."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _bearer(request: HTTPConnection) -> str | None:
    """The token that is shown. Another scheme is not ours: a proxy may log in to us by it."""
    scheme, _, shown = request.headers.get("authorization", "").partition(" ")
    return shown.strip() if scheme.lower() == "bearer" else None
