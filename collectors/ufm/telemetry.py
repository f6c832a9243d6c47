"""Counters of ports as UFM Telemetry serves them: Prometheus text, CSV or JSON. Pure.

Names of raw counters as in NVIDIA's UFM Telemetry documentation, "Ports Counters Info"; names of converted ones as recorded.
"""

from __future__ import annotations

import csv
import functools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

from collectors.guids import guid
from wattstat.members import Json, between, member, number

# Older rows than the newest by more than this are of ports that nobody samples any more.
STALE_SECONDS = 600.0
_LINE = re.compile(r"([A-Za-z_:][\w:.]*)\{([^}]*)\}[ \t]+(\S+)(?:[ \t]+(\d{1,20}))?[ \t]*")
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_CONVERTED = re.compile(r"_(?:f_)?u_\w+")
_LANE = re.compile(r"(rx|tx)_power_lane_?(\d{1,2})")
_COUNT_ENDS = frozenset({float(2**32 - 1), float(2**64 - 1)})
# Tools write 15E-255 where they saw no error at all.
_NO_ERRORS = 1e-50


class Field(NamedTuple):
    """What a counter is, and what it is multiplied by."""

    name: str
    factor: float = 1.0


# Data counts words of four octets. The converted counters are octets already, whatever their names say of Gb: in recorded
# telemetry a management packet of 72 words makes 288.
FIELDS: Mapping[str, Field] = MappingProxyType(
    {
        "portxmitdataextended": Field("transmit_bytes", 4),
        "portrcvdataextended": Field("receive_bytes", 4),
        "portxmitpktsextended": Field("transmit_packets"),
        "portrcvpktsextended": Field("receive_packets"),
        "symbolerrorcounterextended": Field("symbol_errors"),
        "linkerrorrecoverycounterextended": Field("recoveries"),
        "linkdownedcounterextended": Field("link_downs"),
        "portrcverrorsextended": Field("receive_errors"),
        "portxmitconstrainterrorsextended": Field("transmit_errors"),
        "portxmitdiscardsextended": Field("transmit_discards"),
        "portrcvswitchrelayerrorsextended": Field("receive_discards"),
        "portxmitwaitextended": Field("wait_ticks"),
        "infiniband_mbout": Field("transmit_bytes"),
        "infiniband_mbin": Field("receive_bytes"),
        "infiniband_pckout": Field("transmit_packets"),
        "infiniband_pckin": Field("receive_packets"),
        "infiniband_symbolerrors": Field("symbol_errors"),
        "infiniband_linkrecovers": Field("recoveries"),
        "infiniband_linkdowned": Field("link_downs"),
        "infiniband_rcverrors": Field("receive_errors"),
        "infiniband_xmtconstrainterrors": Field("transmit_errors"),
        "infiniband_xmtdiscards": Field("transmit_discards"),
        "infiniband_rcvswrelayerrors": Field("receive_discards"),
        "infiniband_xmitwait": Field("wait_ticks"),
        "total_raw_ber": Field("raw_ratio"),
        "raw_ber": Field("raw_ratio"),
        "effective_ber": Field("effective_ratio"),
        "eff_ber": Field("effective_ratio"),
        "symbol_ber": Field("symbol_ratio"),
        "module_temperature": Field("module_celsius"),
        "cableinfo.temperature": Field("module_celsius"),
        "cableinfo_temperature": Field("module_celsius"),
        "chip_temp": Field("chip_celsius"),
    }
)
_RATIOS = frozenset({"raw_ratio", "effective_ratio", "symbol_ratio"})
_TEMPERATURES = frozenset({"module_celsius", "chip_celsius"})


@dataclass(slots=True, kw_only=True)
class Row:
    """A port's values by name, its light by direction and lane, and when they were sampled (Unix seconds) if it is told."""

    node_guid: str
    number: str
    sampled_at: float | None = None
    values: dict[str, float] = field(default_factory=dict)
    dbm: dict[tuple[str, str], float] = field(default_factory=dict)

    def take(self, name: str, written: Json) -> None:
        """Note a counter if it is one of ours and its value can be."""
        known = _known(name)
        if isinstance(known, Field):
            value = _value(known, written)
            if value is not None:
                self.values.setdefault(known.name, value)
        elif known is not None and (power := between(-40, written, 20)) is not None:
            self.dbm[known] = power


def parse(page: str) -> tuple[Row, ...]:
    """The ports of a page, whichever of the three formats it has; nothing for what has none. Rows left behind are dropped."""
    head = page.lstrip()[:1]
    rows = list(_of_json(page) if head and head in "[{" else _of_csv(page) if _is_csv(page) else _of_text(page))
    last = newest(rows)
    if last is None:
        return tuple(rows)
    return tuple(row for row in rows if row.sampled_at is None or last - row.sampled_at <= STALE_SECONDS)


def newest(rows: Iterable[Row]) -> float | None:
    """When the newest row was sampled; None where rows do not tell."""
    return max((row.sampled_at for row in rows if row.sampled_at is not None), default=None)


@functools.lru_cache(4096)
def _known(name: str) -> Field | tuple[str, str] | None:
    """The counter that a name stands for, or direction and lane of the light that it measures."""
    plain = _CONVERTED.sub("", name.lower())
    lane = _LANE.fullmatch(plain)
    return FIELDS.get(plain) if lane is None else ("receive" if lane[1] == "rx" else "transmit", str(int(lane[2])))


def _of_text(page: str) -> Iterator[Row]:
    rows: dict[tuple[str, str], Row] = {}
    by_labels: dict[str, Row | None] = {}
    before, sampled_at = "", None
    for line in page.splitlines():
        found = _LINE.fullmatch(line)
        if found is None:
            continue
        name, labels, value, stamp = found.groups()
        # Labels of a port repeat for each of its counters: they are taken apart once.
        if labels not in by_labels:
            made = _row({key.lower(): each for key, each in _LABEL.findall(labels)})
            by_labels[labels] = made and rows.setdefault((made.node_guid, made.number), made)
        row = by_labels[labels]
        if row is not None:
            row.take(name, value)
            if stamp != before:
                before, sampled_at = stamp, _seconds(stamp)
            row.sampled_at = sampled_at or row.sampled_at
    yield from rows.values()


def _is_csv(page: str) -> bool:
    first = page.lstrip().partition("\n")[0].lower()
    return "node_guid" in first and "port_num" in first and "{" not in first


def _of_csv(page: str) -> Iterator[Row]:
    reader = csv.DictReader(page.strip().splitlines())
    try:
        for entry in reader:
            yield from _of_entry({name: value for name, value in entry.items() if isinstance(name, str)})
    except csv.Error:  # a page that was cut or garbled: what stood before counts
        return


def _of_json(page: str) -> Iterator[Row]:
    try:
        document = json.loads(page)
    except (ValueError, RecursionError):
        return
    values = member(document, "values") if isinstance(document, dict) else document
    if isinstance(values, list):
        for entry in values:
            if isinstance(entry, dict):
                yield from _of_entry(entry)
    elif isinstance(document, dict):
        yield from _of_session(document)


def _of_session(document: Mapping[str, Any]) -> Iterator[Row]:
    """A monitoring session of the REST interface: `{time: {"Port": {"<guid>_<port>": {"statistics": {...}}}}}`."""
    for moment in document.values():
        for members in moment.values() if isinstance(moment, dict) else ():
            for name, body in members.items() if isinstance(members, dict) else ():
                statistics = member(body, "statistics")
                node, _, port = name.partition("_")
                if isinstance(statistics, dict):
                    yield from _of_entry({"node_guid": node, "port_num": port, **statistics})


def _of_entry(entry: Mapping[str, Any]) -> Iterator[Row]:
    row = _row({name.lower(): value for name, value in entry.items()})
    if row is not None:
        row.sampled_at = _seconds(entry.get("timestamp"))
        for name, value in entry.items():
            row.take(name, value)
        yield row


def _row(labels: Mapping[str, Any]) -> Row | None:
    node = guid(labels.get("node_guid") or labels.get("source_id"))
    port = between(1, labels.get("port_num", labels.get("port")), 4096)
    return Row(node_guid=node, number=f"{port:.0f}") if node and port is not None else None


def _seconds(stamp: Json) -> float | None:
    """Unix seconds: Prometheus text has milliseconds, JSON and CSV microseconds."""
    value = number(stamp)
    if value is None or value <= 0:
        return None
    return value / 1e6 if value > 1e14 else value / 1e3 if value > 1e11 else value


def _value(known: Field, written: Json) -> float | None:
    if known.name in _TEMPERATURES:
        # "49C", or 49; 0 stands where a copper cable has no sensor.
        return between(-40, written.rstrip("Cc ") if isinstance(written, str) else written, 150) or None
    if known.name in _RATIOS:
        ratio = between(0, written, 1)
        return 0.0 if ratio is not None and ratio < _NO_ERRORS else ratio
    counted = between(0, written, 2.0**64)
    return None if counted is None or counted in _COUNT_ENDS else counted * known.factor
