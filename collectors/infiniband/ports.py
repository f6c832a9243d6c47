"""What the kernel's files about an InfiniBand port say. Pure.

Linux: Documentation/ABI/stable/sysfs-class-infiniband; counters as of IBTA 1.5, 16.1.3.5 (PortCounters) and 16.1.4.11
(PortCountersExtended).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from collectors.guids import guid

ACTIVE, LINK_UP = 4, 5
_OCTETS_PER_COUNT = 4  # PortXmitData and PortRcvData count words of four octets
_RATE = re.compile(r"(\d{1,6}(?:\.\d{1,3})?) Gb/sec\b.*")
_STATE = re.compile(r"(\d{1,2}): .*")
# A 32-bit counter stands still at its end, and a counter that cannot be read has all bits set.
_SATURATED = frozenset({2**32 - 1, 2**64 - 1})

# Data and packets by file, and the 64-bit file of kernels before 4.9 that is used instead where it exists.
TRAFFIC: Mapping[str, str] = MappingProxyType(
    {
        "port_rcv_data": "port_rcv_data_64",
        "port_xmit_data": "port_xmit_data_64",
        "port_rcv_packets": "port_rcv_packets_64",
        "port_xmit_packets": "port_xmit_packets_64",
    }
)
# Kinds of errors by file. Those of the PortCounters attribute are short and stand still at their end (15 to 65535).
ERRORS: Mapping[str, str] = MappingProxyType(
    {
        "symbol_error": "symbol",
        "link_error_recovery": "link_recovery",
        "link_downed": "link_down",
        "port_rcv_errors": "receive",
        "port_rcv_remote_physical_errors": "receive_remote",
        "port_rcv_switch_relay_errors": "receive_relay",
        "port_rcv_constraint_errors": "receive_constraint",
        "port_xmit_discards": "transmit_discard",
        "port_xmit_constraint_errors": "transmit_constraint",
        "local_link_integrity_errors": "link_integrity",
        "excessive_buffer_overrun_errors": "buffer_overrun",
        "VL15_dropped": "management_dropped",
    }
)
# Of the driver's counters, those that tell of a path that loses or delays.
HARDWARE: Mapping[str, str] = MappingProxyType(
    {
        "out_of_sequence": "out_of_sequence",
        "packet_seq_err": "packet_sequence",
        "local_ack_timeout_err": "ack_timeout",
        "rnr_nak_retry_err": "receiver_not_ready",
        "implied_nak_seq_err": "implied_nak",
        "out_of_buffer": "out_of_buffer",
        "rx_icrc_encapsulated": "receive_icrc",
        "roce_adp_retrans": "adaptive_retransmission",
        "roce_slow_restart": "slow_restart",
    }
)
STATE_FILES = ("state", "phys_state", "rate")
WAIT = "port_xmit_wait"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a port is."""

    guid: str = ""
    firmware: str = ""
    link_layer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A port at one moment; None for what was not told. `errors` are by kind."""

    device: str
    number: str
    active: bool | None = None
    link_up: bool | None = None
    rate_bits_per_second: float | None = None
    receive_bytes: int | None = None
    transmit_bytes: int | None = None
    receive_packets: int | None = None
    transmit_packets: int | None = None
    wait_ticks: int | None = None
    errors: Mapping[str, int] = field(default_factory=dict)
    identity: Identity | None = None


def parse(device: str, number: str, files: Mapping[str, str]) -> Port:
    """A port of the texts of its files, by name without folder."""
    link_up = _is(files, "phys_state", LINK_UP)
    counts = {name: _count(files, name) for name in (*ERRORS, *HARDWARE)}
    kinds = {**ERRORS, **HARDWARE}
    return Port(
        device=device,
        number=number,
        active=_is(files, "state", ACTIVE),
        link_up=link_up,
        # A port that is down shows the rate of its last or lowest link.
        rate_bits_per_second=_rate(files) if link_up else None,
        receive_bytes=_octets(_traffic(files, "port_rcv_data")),
        transmit_bytes=_octets(_traffic(files, "port_xmit_data")),
        receive_packets=_traffic(files, "port_rcv_packets"),
        transmit_packets=_traffic(files, "port_xmit_packets"),
        wait_ticks=_count(files, WAIT),
        errors={kinds[name]: count for name, count in counts.items() if count is not None},
        identity=_identity(files),
    )


def _identity(files: Mapping[str, str]) -> Identity | None:
    found = Identity(
        guid=guid(files.get("node_guid")),
        firmware=_text(files, "fw_ver"),
        link_layer=_text(files, "link_layer"),
    )
    return found if any((found.guid, found.firmware, found.link_layer)) else None


def _text(files: Mapping[str, str], name: str) -> str:
    value = files.get(name)
    text = value.strip() if isinstance(value, str) else ""
    return text if text.isprintable() else ""


def _is(files: Mapping[str, str], name: str, wanted: int) -> bool | None:
    found = _STATE.fullmatch(_text(files, name))
    return None if found is None else int(found[1]) == wanted


def _rate(files: Mapping[str, str]) -> float | None:
    found = _RATE.fullmatch(_text(files, "rate"))
    rate = float(found[1]) * 1e9 if found else 0.0
    return rate or None


def _traffic(files: Mapping[str, str], name: str) -> int | None:
    wide = _count(files, TRAFFIC[name])
    return _count(files, name) if wide is None else wide


def _count(files: Mapping[str, str], name: str) -> int | None:
    """A counter; None where it stands still at its end, because what it would have counted on is not known."""
    text = _text(files, name)
    if not (text.isascii() and text.isdecimal() and len(text) <= 20):
        return None
    count = int(text)
    return count if count < 2**64 and count not in _SATURATED else None


def _octets(words: int | None) -> int | None:
    return None if words is None else words * _OCTETS_PER_COUNT
