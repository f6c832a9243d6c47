"""The part of BER that SNMP uses: lengths, integers, object identifiers, and the types of RFC 2578.

Values are pairs of a tag and the bytes behind it, made by the functions with the types' names.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

Oid = tuple[int, ...]

INTEGER = 0x02
OCTETS = 0x04
NULL = 0x05
OID = 0x06
SEQUENCE = 0x30
ADDRESS = 0x40
COUNTER32 = 0x41
GAUGE32 = 0x42
TICKS = 0x43
COUNTER64 = 0x46
NO_SUCH_OBJECT = 0x80
NO_SUCH_INSTANCE = 0x81
END_OF_MIB = 0x82


class Value(NamedTuple):
    """A value as it goes over the wire."""

    tag: int
    content: bytes


class Malformed(ValueError):
    """What came is no BER."""


def integer(number: int) -> Value:
    return Value(INTEGER, signed(number))


def octets(text: str | bytes) -> Value:
    return Value(OCTETS, text.encode() if isinstance(text, str) else text)


def identifier(written: str) -> Value:
    return Value(OID, _identifier(oid(written)))


def counter32(number: float) -> Value:
    """Wraps as a counter of 32 bits does."""
    return Value(COUNTER32, signed(int(number) % (1 << 32)))


def gauge32(number: float) -> Value:
    """Stays at its largest number, as gauges do."""
    return Value(GAUGE32, signed(min(max(int(number), 0), (1 << 32) - 1)))


def ticks(seconds: float) -> Value:
    """Hundredths of a second, which wrap after 497 days."""
    return Value(TICKS, signed(int(seconds * 100) % (1 << 32)))


def counter64(number: float) -> Value:
    return Value(COUNTER64, signed(int(number) % (1 << 64)))


@functools.lru_cache(maxsize=65536)
def oid(written: str) -> Oid:
    """The numbers of a dotted identifier, with or without a dot before it. Raises `ValueError`."""
    return tuple(int(part) for part in written.strip(".").split("."))


def wrap(tag: int, content: bytes) -> bytes:
    """A tag, the length, and the content."""
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    size = (length.bit_length() + 7) // 8
    return bytes((tag, 0x80 | size)) + length.to_bytes(size, "big") + content


def signed(number: int) -> bytes:
    return number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True)


def binding(at: Oid, value: Value) -> bytes:
    """A variable binding."""
    return wrap(SEQUENCE, wrap(OID, _identifier(at)) + wrap(value.tag, value.content))


def read(data: bytes, at: int, expected: int | None = None) -> tuple[int, bytes, int]:
    """The tag and content of the element at a place, and the place behind it. Raises `Malformed`."""
    try:
        tag, length = data[at], data[at + 1]
        at += 2
        if length & 0x80:
            size = length & 0x7F
            length = int.from_bytes(data[at : at + size], "big")
            at += size
    except IndexError:
        raise Malformed("ends within an element") from None
    if at + length > len(data):
        raise Malformed("ends within an element")
    if expected is not None and tag != expected:
        raise Malformed(f"expected an element of type {expected:#x}, not {tag:#x}")
    return tag, data[at : at + length], at + length


def number_at(data: bytes, at: int) -> tuple[int, int]:
    """The integer at a place, and the place behind it. Raises `Malformed`."""
    _, content, behind = read(data, at, INTEGER)
    return int.from_bytes(content, "big", signed=True), behind


@functools.lru_cache(maxsize=65536)
def numbers(content: bytes) -> Oid:
    """The numbers of an object identifier. Raises `Malformed`."""
    found: list[int] = []
    number = 0
    for byte in content:
        number = number << 7 | byte & 0x7F
        if not byte & 0x80:
            found.append(number)
            number = 0
    if not found or content[-1] & 0x80:
        raise Malformed("ends within an object identifier")
    first = min(found[0] // 40, 2)
    return first, found[0] - 40 * first, *found[1:]


@functools.lru_cache(maxsize=65536)
def _identifier(parts: Oid) -> bytes:
    # One number alone (a walk that starts at .1) cannot be written; the smallest under it can.
    first, second, *rest = (*parts, 0) if len(parts) == 1 else parts
    return b"".join(_base128(part) for part in (first * 40 + second, *rest))


def _base128(number: int) -> bytes:
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.append(number & 0x7F | 0x80)
    return bytes(reversed(groups))
