"""Who a receiver is at a moment: its own addresses, or whoever has the duty."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from wattstat.config.alerts import OnCall, Receiver, SecretUrl

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
NOBODY = frozenset({"nobody", "null"})
"""Receivers of these names are told nothing, without any settings."""

_WEEK_MINUTES = 7 * 24 * 60


class ReceiversRefused(ValueError):
    """Receivers in the settings that cannot work; the message says which, why and what to do."""


@dataclass(frozen=True, slots=True, order=True)
class Destination:
    """One address of a receiver. Each has its own queue: one that fails delays no other."""

    receiver: str
    index: int

    def __str__(self) -> str:
        return f"{self.receiver}/{self.index}"


def destination(text: str) -> Destination:
    """From its text."""
    receiver, _, index = text.rpartition("/")
    return Destination(receiver, int(index))


def lacking(routed: Iterable[str], settings: Iterable[str]) -> list[str]:
    """What routes name and the settings do not have."""
    return sorted(set(routed) - NOBODY - set(settings))


def not_here(name: str) -> str:
    """What to say of a receiver that routes name and the settings do not have."""
    return f"{name!r} stands in the routing and not in alerts.receivers; add it there, or route to another"


class Receivers:
    """The receivers of the settings. Raises `ReceiversRefused`."""

    def __init__(self, settings: Mapping[str, Receiver], zone: ZoneInfo, *, routed: Iterable[str], stand_in: bool) -> None:
        """`routed`: names in the routing. `stand_in`: the first of the settings stands in for one that they lack."""
        self._settings = settings
        self._zone = zone
        self._stand_in = next(iter(settings), None) if stand_in else None
        for name, receiver in settings.items():
            self._check(name, receiver)
        if self._stand_in is None and (names := lacking(routed, settings)):
            raise ReceiversRefused(not_here(names[0]))

    def named(self, name: str) -> Receiver | None:
        """Its settings."""
        return self._settings.get(name)

    def url(self, address: Destination) -> str:
        """The secret behind an address. Raises `ReceiversRefused`."""
        return secret(self._settings[address.receiver].urls[address.index])

    def per_minute(self, address: Destination) -> int:
        """How many messages it may get a minute."""
        return self._settings[address.receiver].per_minute

    def destinations(self) -> Iterator[Destination]:
        """Every address of everybody."""
        for name in self._settings:
            yield from self.addresses(name)

    def addresses(self, name: str) -> list[Destination]:
        """Those of one receiver, whoever has the duty."""
        return [Destination(name, index) for index in range(len(self._settings[name].urls))]

    def now(self, receiver: str, at: float) -> list[Destination]:
        """Where messages go that are routed to a receiver at a moment."""
        duty = self.on_duty(receiver, at)
        return [] if duty is None else self.addresses(duty)

    def ever(self, receiver: str) -> frozenset[Destination]:
        """Where they may go at any moment."""
        known = receiver if receiver in self._settings else None if receiver in NOBODY else self._stand_in
        if known is None:
            return frozenset()
        return frozenset(address for name in self._reached(known, set()) for address in self.addresses(name))

    def on_duty(self, name: str, at: float) -> str | None:
        """Who gets what is routed to a receiver at a moment; None for nobody."""
        if name in NOBODY and name not in self._settings:
            return None
        known = name if name in self._settings else self._stand_in
        while known is not None:
            receiver = self._settings[known]
            following = next((each.receiver for each in receiver.on_call if _holds(each, at, self._zone)), None)
            if following is None:
                return known
            known = following
        return None

    def _check(self, name: str, receiver: Receiver) -> None:
        where = f"alerts.receivers.{name}"
        if not receiver.urls and not receiver.on_call:
            raise ReceiversRefused(f"{where}: has neither urls nor on_call; give it an address, or take it out")
        for each in receiver.on_call:
            if each.receiver not in self._settings:
                raise ReceiversRefused(f"{where}.on_call: {each.receiver!r} is no receiver; expected one of alerts.receivers")
            if wrong := [day for day in each.days if day not in DAYS]:
                raise ReceiversRefused(f"{where}.on_call: {wrong[0]!r} is no day; expected one of {', '.join(DAYS)}")
            if each.start == each.end:
                raise ReceiversRefused(f"{where}.on_call: begins and ends at {each.start}; leave both out for the whole day")
        if self._leads_back(name, name, set()):
            raise ReceiversRefused(f"{where}.on_call: leads back to {name!r}; let it end at a receiver with urls")
        if not receiver.urls and (gap := _gap(receiver.on_call)):
            raise ReceiversRefused(f"{where}.on_call: nobody has the duty on {gap}; fill the gap, or give it urls of its own")

    def _reached(self, name: str, seen: set[str]) -> set[str]:
        if name not in seen:
            seen.add(name)
            for each in self._settings[name].on_call:
                self._reached(each.receiver, seen)
        return seen

    def _leads_back(self, name: str, start: str, seen: set[str]) -> bool:
        if name in seen:
            return False
        seen.add(name)
        following = [each.receiver for each in self._settings[name].on_call if each.receiver in self._settings]
        return start in following or any(self._leads_back(each, start, seen) for each in following)


def secret(url: SecretUrl) -> str:
    """An address that stands in a file or a variable. Raises `ReceiversRefused` saying which is missing and what to do."""
    if url.env is not None:
        if value := os.environ.get(url.env, "").strip():
            return value
        raise ReceiversRefused(f"the environment variable {url.env} is not set; set it to the address, or name a file")
    try:
        value = url.file.read_text(encoding="utf-8").strip() if url.file is not None else ""
    except (OSError, UnicodeDecodeError) as err:
        raise ReceiversRefused(f"the file {url.file} cannot be read: {err}; check the path and its owner") from err
    if not value:
        raise ReceiversRefused(f"the file {url.file} is empty; write the address into it")
    return value


def _holds(duty: OnCall, at: float, zone: ZoneInfo) -> bool:
    now = datetime.fromtimestamp(at, zone)
    return _covers(duty, now.weekday(), now.hour * 60 + now.minute)


def _covers(duty: OnCall, day: int, minute: int) -> bool:
    """A duty over midnight belongs to the day on which it begins."""
    start, end = _minute(duty.start), _minute(duty.end)
    if start < end:
        return _is_on(duty, day) and start <= minute < end
    return (_is_on(duty, day) and minute >= start) or (_is_on(duty, (day - 1) % 7) and minute < end)


def _is_on(duty: OnCall, day: int) -> bool:
    return not duty.days or DAYS[day] in duty.days


def _minute(clock: str) -> int:
    return int(clock[:2]) * 60 + int(clock[3:])


def _gap(duties: Iterable[OnCall]) -> str | None:
    """The first minute of the week that no duty covers, as people say it."""
    known = tuple(duties)
    for week_minute in range(_WEEK_MINUTES):
        day, minute = divmod(week_minute, 24 * 60)
        if not any(_covers(duty, day, minute) for duty in known):
            return f"{DAYS[day]} at {minute // 60:02}:{minute % 60:02}"
    return None
