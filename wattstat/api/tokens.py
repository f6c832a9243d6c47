"""Bearer tokens: which there are, and whether one that is shown is one of them."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import structlog

from wattstat import document, explain
from wattstat.config.access import Access, Token
from wattstat.document import InvalidDocument, Strict

log = structlog.get_logger(__name__)

PREFIX = "wst_"
"""So that scanners of repositories know one when they see it."""
MOST_FAILURES = 10
FAILURE_SECONDS = 60.0
MOST_ADDRESSES = 4096


class TokensFile(Strict):
    """What `access.tokens_file` holds."""

    tokens: tuple[Token, ...] = ()
    """Bearer tokens."""


def fresh() -> str:
    """A new token: 256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)


def digest(token: str) -> str:
    """What the settings hold of a token. It is random, so that a plain hash cannot be searched for."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def entry(name: str, role: str, token: str) -> str:
    """The lines of YAML that let a token in. Raises `ValueError` for a name that YAML or the audit trail would not keep."""
    if not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9 ._@+-]*[A-Za-z0-9])?", name):
        raise ValueError(f"{name!r} is no name; expected letters, digits, blanks and . _ @ + - between them")
    return f'  - name: "{name}"\n    role: {role}\n    sha256: "{digest(token)}"\n'


class Tokens:
    """The tokens of settings and file. The file is read again when it changes; one that is broken lets nobody in."""

    def __init__(self, settings: Access) -> None:
        self._settings = settings
        self._stamp: tuple[int, int, int] | None = None
        self._of_file: tuple[Token, ...] = ()
        self._is_broken = False
        if settings.tokens_file is not None:
            self._of_file = read_file(settings.tokens_file)  # at start, what is broken is told and not lived with
            self._stamp = _stamp(settings.tokens_file)

    def all(self) -> tuple[Token, ...]:
        """Every token of this moment."""
        path = self._settings.tokens_file
        if path is not None and (stamp := _stamp(path)) != self._stamp:
            self._stamp = stamp
            self._reread(path)
        return self._settings.tokens + self._of_file

    def find(self, shown: str) -> Token | None:
        """Whose token this is. It takes as long whether the first letter or the last one is wrong."""
        wanted, found = digest(shown), None
        for each in self.all():
            if hmac.compare_digest(wanted, each.sha256):
                found = each
        return found

    def by_digest(self, sha256: str) -> Token | None:
        """The entry of a token that was shown before: None once it is withdrawn."""
        return next((each for each in self.all() if hmac.compare_digest(each.sha256, sha256)), None)

    def _reread(self, path: Path) -> None:
        try:
            self._of_file = read_file(path)
        except InvalidDocument as err:
            # Keeping the old ones would keep in whoever was just thrown out.
            self._of_file = ()
            if not self._is_broken:
                log.warning("the file of tokens cannot be used, nobody in it may come in", file=str(path), why=str(err))
            self._is_broken = True
        else:
            self._is_broken = False
            log.info("tokens read again", file=str(path), tokens=len(self._of_file))


def read_file(path: Path) -> tuple[Token, ...]:
    """The tokens of a file. Raises `InvalidDocument`."""
    found, problems = explain.model_of(TokensFile, document.read(path))
    if found is None:
        raise InvalidDocument(problems)
    return found.tokens


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


class Failures:
    """How often an address showed a wrong token of late."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._by_address: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def wait_seconds(self, address: str) -> float:
        """How long the address must wait before a token of its is looked at; 0: not at all."""
        began, count = self._by_address.get(address, (0.0, 0))
        left = began + FAILURE_SECONDS - self._clock()
        return max(0.0, left) if count >= MOST_FAILURES else 0.0

    def add(self, address: str) -> None:
        """One more wrong token."""
        now = self._clock()
        began, count = self._by_address.pop(address, (now, 0))
        if now - began >= FAILURE_SECONDS:
            began, count = now, 0
        self._by_address[address] = began, count + 1
        if len(self._by_address) > MOST_ADDRESSES:
            self._by_address.popitem(last=False)
