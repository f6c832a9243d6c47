"""What an agent shows: values in the order of their object identifiers; and walks recorded of real devices."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from pathlib import Path

from simulator.snmp import ber
from simulator.snmp.ber import Oid, Value

_RECORDED = {
    "2": ber.INTEGER,
    "4": ber.OCTETS,
    "5": ber.NULL,
    "6": ber.OID,
    "64": ber.ADDRESS,
    "65": ber.COUNTER32,
    "66": ber.GAUGE32,
    "67": ber.TICKS,
    "70": ber.COUNTER64,
}


class Table:
    """Values by object identifier; written to bytes once, when they are first asked for."""

    def __init__(self, values: Iterable[tuple[Oid, Value]]) -> None:
        self._values = dict(values)
        self._order = sorted(self._values)
        self._written: dict[Oid, bytes] = {}

    @classmethod
    def of(cls, values: Mapping[str, Value]) -> Table:
        """A table of dotted identifiers."""
        return cls((ber.oid(at), value) for at, value in values.items())

    def exact(self, at: Oid) -> bytes:
        """The binding of an identifier; one that says noSuchInstance where there is none."""
        if at not in self._values:
            return ber.binding(at, Value(ber.NO_SUCH_INSTANCE, b""))
        return self._binding(at)

    def after(self, at: Oid) -> tuple[Oid, bytes] | None:
        """The identifier behind another one, and its binding; None at the end."""
        place = bisect_right(self._order, at)
        if place == len(self._order):
            return None
        found = self._order[place]
        return found, self._binding(found)

    def _binding(self, at: Oid) -> bytes:
        if (written := self._written.get(at)) is None:
            written = self._written[at] = ber.binding(at, self._values[at])
        return written


def recorded(path: Path) -> Table:
    """The walk in a file of lines `identifier|type|value`, as SNMP simulators record them. Raises `ValueError`."""
    values: dict[Oid, Value] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="surrogateescape").splitlines(), 1):
        if not line.strip():
            continue
        try:
            at, kind, text = line.split("|", 2)
            values[ber.oid(at)] = _value(kind, text)
        except (KeyError, ValueError) as error:
            raise ValueError(f"{path}, line {number}: expected identifier|type|value, not {line[:80]!r}") from error
    return Table(values.items())


def _value(kind: str, text: str) -> Value:
    tag = _RECORDED[kind.rstrip("x")]
    if kind.endswith("x"):
        return Value(tag, bytes.fromhex(text))
    if tag == ber.OCTETS:
        return ber.octets(text.encode(errors="surrogateescape"))
    if tag == ber.OID:
        return ber.identifier(text)
    if tag == ber.ADDRESS:
        return Value(tag, bytes(int(part) for part in text.split(".")))
    return Value(tag, b"" if tag == ber.NULL else ber.signed(int(text)))
