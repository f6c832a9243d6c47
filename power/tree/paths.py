"""Which limits a rack or an uncappable load counts against, and with how much of its power."""

from __future__ import annotations

from collections import Counter, defaultdict
from functools import cache
from typing import NamedTuple

from wattstat.inventory import Inventory, Load

Key = tuple[str, str]
"""Kind and name of a limit."""


class Carried(NamedTuple):
    """A limit, and the share of the power that it must be able to carry."""

    limit: Key
    share: float


class Paths:
    """The ways of the power through an inventory."""

    def __init__(self, inventory: Inventory) -> None:
        self._breakers = {breaker.name: breaker for breaker in inventory.breakers}
        self._racks = {rack.name: rack for rack in inventory.racks}
        self._site: Key = ("site", inventory.site.name)
        self.feeds = tuple(dict.fromkeys(breaker.feed for breaker in inventory.breakers))
        self.of_rack = cache(self._of_rack)

    def of_load(self, load: Load) -> tuple[Carried, ...]:
        """What carries an uncappable load: its own breakers, else its rack's."""
        if not load.breakers:
            return self.of_rack(load.rack)
        return (*self._places(load.rack), *self._electrical(load.breakers, failover=True))

    def above(self, breaker: str) -> tuple[str, ...]:
        """A breaker and all above it, from below."""
        chain: dict[str, None] = {}
        here: str | None = breaker
        while here is not None and here not in chain:
            chain[here] = None
            here = self._breakers[here].upstream
        return tuple(chain)

    def mains(self, feed: str) -> tuple[str, ...]:
        """The breakers of a feed that hang on no other of it."""
        mine = [breaker for breaker in self._breakers.values() if breaker.feed == feed]
        names = {breaker.name for breaker in mine}
        return tuple(breaker.name for breaker in mine if breaker.upstream not in names)

    def _of_rack(self, name: str) -> tuple[Carried, ...]:
        """What carries a server that stands in this rack; for a server without a rack only the site."""
        rack = self._racks.get(name)
        electrical = self._electrical(rack.breakers, failover=rack.failover) if rack is not None else ()
        return (*self._places(name), *electrical)

    def _places(self, name: str) -> tuple[Carried, ...]:
        rack = self._racks.get(name)
        if rack is None:
            return (Carried(self._site, 1.0),)
        row = (Carried(("row", rack.row), 1.0),) if rack.row else ()
        return (Carried(self._site, 1.0), *row, Carried(("rack", rack.name), 1.0))

    def _electrical(self, breakers: tuple[str, ...], *, failover: bool) -> tuple[Carried, ...]:
        """Breakers and feeds, each with the most it carries of what hangs on `breakers`.

        Power divides evenly over the breakers of a feed. With failover any feed may have to carry everything alone, and
        every division between feeds lies between these cases, so that the most is that of one feed alone.
        """
        hung = tuple(dict.fromkeys(breakers))
        by_feed: defaultdict[str, list[str]] = defaultdict(list)
        for name in hung:
            by_feed[self._breakers[name].feed].append(name)
        most: defaultdict[Key, float] = defaultdict(float)
        for alive in by_feed.values() if failover else [list(hung)]:
            above = Counter(("breaker", each) for name in alive for each in self.above(name))
            feeds = Counter(("feed", self._breakers[name].feed) for name in alive)
            for limit, count in (above + feeds).items():
                most[limit] = max(most[limit], count / len(alive))
        return tuple(Carried(limit, share) for limit, share in most.items())
