"""InfiniBand ports out of rows of `show interfaces ib`. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from collectors.mlnxos.rows import Row, quantity

_PORT = re.compile(r"IB\s?(\d{1,3}(?:/\d{1,3}){1,3})", re.IGNORECASE)
_UNITS = {"gbps": 1e9, "gb/s": 1e9, "gb/sec": 1e9, "g": 1e9, "mbps": 1e6}
_SATURATED = frozenset({2.0**32 - 1, 2.0**64 - 1})


class Counted(NamedTuple):
    """Words of which all must stand in the name of a counter, in its group or in the cell."""

    words: tuple[str, ...]
    without: tuple[str, ...] = ()


COUNTERS: Mapping[str, Counted] = MappingProxyType(
    {
        "receive_bytes": Counted(("rx", "bytes")),
        "transmit_bytes": Counted(("tx", "bytes")),
        "receive_packets": Counted(("rx", "packets"), ("dropped", "discard", "error")),
        "transmit_packets": Counted(("tx", "packets"), ("dropped", "discard", "error")),
        "receive_errors": Counted(("rx", "errors"), ("symbol",)),
        "symbol_errors": Counted(("symbol", "errors")),
        "transmit_discards": Counted(("tx", "discard")),
        "wait_ticks": Counted(("tx", "wait")),
        "link_downs": Counted(("link", "down"), ("time", "last", "since", "reason")),
        "recoveries": Counted(("link", "recover"), ("time", "last")),
    }
)
RATIOS: Mapping[str, Counted] = MappingProxyType(
    {
        "raw": Counted(("raw", "ber")),
        "effective": Counted(("effective", "ber")),
        "symbol": Counted(("symbol", "ber")),
    }
)


@dataclass(slots=True, kw_only=True)
class Port:
    """A port; None for what was not told."""

    name: str
    up: bool | None = None
    wanted: bool | None = None
    bits_per_second: float | None = None
    alias: str = ""
    counters: dict[str, float]
    ratios: dict[str, float]


def ports(rows: Iterable[Row]) -> tuple[Port, ...]:
    """The ports, by the names of the switch (IB1/3/1), in order of first appearance."""
    found: dict[str, Port] = {}
    for row in rows:
        name = _name(row)
        if name:
            _tell(found.setdefault(name, Port(name=name, counters={}, ratios={})), row)
    for port in found.values():
        port.bits_per_second = port.bits_per_second if port.up else None
    return tuple(found.values())


def _name(row: Row) -> str:
    written = [*row.path, row.text("interface", "port", without=("state",))]
    match = next((found for each in written if (found := _PORT.fullmatch(each.removesuffix("state").strip()))), None)
    return f"IB{match[1]}" if match else ""


def _tell(port: Port, row: Row) -> None:
    physical = row.text("physical port state", "physical state").lower().replace(" ", "")
    if physical:
        port.up = physical in {"linkup", "active", "up"}
        port.wanted = physical != "disabled"
    elif port.up is None and (logical := row.text("logical port state", "logical state").lower()):
        port.up = True if logical == "active" else False if logical in {"down", "initialize"} else None
    rate = quantity(row.first("current line rate", "line rate"))
    if rate is not None and rate.value > 0:
        port.bits_per_second = rate.value * _UNITS.get(rate.unit, 1e9)
    port.alias = port.alias or row.text("description")
    group = " ".join(part for part in row.path if not _PORT.fullmatch(part))
    for cell, value in row.cells.items():
        said = f"{group} {cell}".lower().replace("_", " ")
        for name, counted in COUNTERS.items():
            if _fits(said, counted):
                _put(port.counters, name, value, most=2.0**64)
        for name, counted in RATIOS.items():
            if _fits(said, counted):
                _put(port.ratios, name, value, most=1.0)


def _fits(said: str, counted: Counted) -> bool:
    return all(word in said for word in counted.words) and not any(word in said for word in counted.without)


def _put(into: dict[str, float], name: str, value: object, *, most: float) -> None:
    read = quantity(value)
    if read is not None and not read.unit and 0 <= read.value <= most and read.value not in _SATURATED:
        into.setdefault(name, read.value)
