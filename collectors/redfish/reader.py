"""Reads resources of one BMC for one collection, and remembers what it learnt for the next ones."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from yarl import URL

from collectors.frame import BadPayload, CollectError, NotSupported, Throttled, Unreachable
from collectors.redfish.cursor import Cursor
from collectors.redfish.session import Session
from collectors.redfish.stream import Stream
from wattstat.members import Body, link, links, member, objects

# What a BMC said it does not have is asked again after this time: a firmware update may bring it.
FORGET_MISSING_SECONDS = 6 * 3600.0
# A way that failed is not tried again for this long, nor what no way brought (the power of a DGX's supplies).
DETOUR_SECONDS = 290.0
PAGES = 20
# When the first so many members are not there, the collection is a list of nothing and the rest is not asked.
DEAD_MEMBERS = 3
# After so many time-outs in a row the BMC is away, and the rest of the collection is not asked.
TIMEOUTS = 2

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Features:
    """Query options that the service root announces (`ProtocolFeaturesSupported`)."""

    expand: str = ""
    select: bool = False
    filter: bool = False


def features_of(root: Body) -> Features:
    """What the service root announces that it can do."""
    found = member(root, "ProtocolFeaturesSupported")
    expand = member(found, "ExpandQuery")
    everything = member(expand, "ExpandAll") is True
    levels = "($levels=1)" if member(expand, "Levels") is True else ""
    return Features(
        expand=("*" if everything else ".") + levels if everything or member(expand, "NoLinks") is True else "",
        select=member(found, "SelectQuery") is True,
        filter=member(found, "FilterQuery") is True,
    )


@dataclass(kw_only=True, eq=False)
class Choices:
    """Which of several ways to a quantity worked, by model and firmware: shared by all BMCs of one process.

    Firmware 7.30.10.50 of an iDRAC9 answers /Thermal on some machines and not on others of the same kind, so a choice says only
    what to try first.
    """

    _worked: dict[tuple[str, ...], str] = field(default_factory=dict)

    def order(self, key: tuple[str, ...], names: Iterable[str], *, first: str = "") -> list[str]:
        """`first`, then the way that worked, then the others as they are listed."""
        best = self._worked.get(key)
        return sorted(names, key=lambda name: (name != first, name != best))

    def worked(self, key: tuple[str, ...], name: str) -> None:
        self._worked[key] = name


@dataclass(kw_only=True, eq=False)
class Bmc:
    """What is known about one BMC between its collections."""

    session: Session
    choices: Choices
    monotonic: Callable[[], float] = time.monotonic
    clock: Callable[[], float] = time.time
    metric_reports: bool = True
    stream: Stream | None = None
    kind: tuple[str, ...] = ("", "")  # model, firmware
    missing: dict[str, float] = field(default_factory=dict)
    detours: dict[str, tuple[str, float]] = field(default_factory=dict)  # quantity: way to take (or none), until when
    cursors: dict[str, Cursor] = field(default_factory=dict)  # how far each log was read
    found: dict[str, str | None] = field(default_factory=dict)  # addresses that were looked for among members


@dataclass(kw_only=True, eq=False)
class Reader:
    """One collection's reading. A resource that fails costs itself: its reason is in `errors`, its document is None."""

    bmc: Bmc
    errors: dict[str, CollectError] = field(default_factory=dict)
    timeouts: int = 0
    answers: int = 0  # documents that were read
    _read: dict[str, Body | None] = field(default_factory=dict)

    async def get(self, uri: str | None, query: str = "") -> Body | None:
        """A resource's document. None when there is no link to it, when the BMC does not have it, or when it failed.

        Topics share what was read: within one collection no address is asked twice.
        Raises `Throttled` when the BMC asks for patience, `Unreachable` when it no longer answers, and what ended the session:
        then no more is asked.
        """
        if uri is None:
            return None
        address = f"{uri}?{query}" if query else uri
        if address not in self._read:
            self._read[address] = None if self._known_missing(address) else await self._ask(uri, address)
        return self._read[address]

    async def _ask(self, uri: str, address: str) -> Body | None:
        try:
            body = await self.bmc.session.get(uri if address == uri else URL(address, encoded=True))
        except NotSupported:
            self._remember_missing(address)
            return None
        except Throttled:
            raise
        except Unreachable as err:
            self.timeouts += 1
            self.errors[uri] = err
            if self.timeouts >= TIMEOUTS:
                raise
            return None
        except CollectError as err:
            if not self.bmc.session.logged_in:
                raise
            self.errors[uri] = err
            return None
        self.timeouts = 0
        self.answers += 1
        return body

    async def collection(self, uri: str | None) -> list[Body]:
        """The documents of a collection's members: by `$expand` where announced, one by one where that brings links only."""
        if uri is None:
            return []
        page = await self._expanded(uri)
        found: list[Body] = []
        dead = 0
        for _ in range(PAGES):
            for each in objects(member(page, "Members")):
                if set(each) - {"@odata.id", "@odata.type"}:
                    found.append(each)
                elif found or dead < DEAD_MEMBERS:
                    body = await self.get(link(each))
                    dead += body is None
                    found.extend([body] if body else [])
            following = member(page, "Members@odata.nextLink") or member(page, "@odata.nextLink")
            if not isinstance(following, str) or not following.startswith("/"):
                break
            path, _, query = following.partition("?")
            page = await self.get(path, query.replace(" ", "%20"))
        return found

    async def members(self, uri: str | None) -> tuple[str, ...]:
        """The links to a collection's members."""
        return links(member(await self.get(uri), "Members"))

    async def first(
        self,
        quantity: str,
        ways: Mapping[str, Callable[[], Awaitable[Found | None]]],
        good: Callable[[Found], bool],
        *,
        rest_seconds: float = DETOUR_SECONDS,
    ) -> Found | None:
        """What the first way brings that `good` recognises; the way is remembered for this model and firmware.

        A way that only failed is not given up for all machines of its kind: this BMC goes without it for a while. When no way
        brings the quantity, it is not looked for again for `rest_seconds`.
        """
        bmc = self.bmc
        key = (*bmc.kind, quantity)
        detour, until = bmc.detours.get(quantity, ("", 0.0))
        if bmc.monotonic() >= until:
            detour = ""
        elif not detour:
            return None
        failures = len(self.errors)
        for name in bmc.choices.order(key, ways, first=detour):
            found = await ways[name]()
            if found is not None and good(found):
                if len(self.errors) > failures:
                    bmc.detours[quantity] = (name, bmc.monotonic() + DETOUR_SECONDS)
                elif not detour:
                    bmc.choices.worked(key, name)
                return found
        bmc.detours[quantity] = ("", bmc.monotonic() + rest_seconds)
        return None

    async def _expanded(self, uri: str) -> Body | None:
        """The collection with its members where the service can, else with links to them; None when it failed."""
        expand = features_of(self.bmc.session.root).expand
        if not expand:
            return await self.get(uri)
        query = f"$expand={expand}"
        body = await self.get(uri, query)
        failure = self.errors.get(uri)
        if body is not None or (failure is not None and not isinstance(failure, BadPayload)):
            return body
        plain = await self.get(uri)
        if plain is not None and failure is not None:
            del self.errors[uri]  # announced and not honoured for this collection: the plain request will do
            self._remember_missing(f"{uri}?{query}")
        return plain

    def _remember_missing(self, address: str) -> None:
        self.bmc.missing[address] = self.bmc.monotonic() + FORGET_MISSING_SECONDS

    def _known_missing(self, address: str) -> bool:
        until = self.bmc.missing.get(address)
        if until is None:
            return False
        if self.bmc.monotonic() < until:
            return True
        del self.bmc.missing[address]
        return False
