"""Readers of YANG's JSON (RFC 7951): names with or without their module, 64-bit numbers as strings, floats in base64."""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Iterator

from wattstat.members import Body, Json, as_body, number, objects, text

# All bits set is how agents write a counter that they do not have.
_NO_COUNT = 0xFFFFFFFFFFFFFFFF


def leaf(value: Json, *path: str) -> Json:
    """The member at `path`; each name may stand with its module before it (`openconfig-platform-psu:output-power`)."""
    for name in path:
        value = _named(value, name)
    return value


def bare(value: Json) -> Body:
    """An object's members by their names without modules: quicker than `leaf` where many are wanted."""
    return {name.rpartition(":")[2]: each for name, each in as_body(value).items() if isinstance(name, str)}


def rows(value: Json, *path: str) -> Iterator[Body]:
    """The entries of the list at `path`; one that is no array is a list of one, as some agents write it."""
    found = leaf(value, *path)
    if isinstance(found, dict):
        yield found
    else:
        yield from objects(found)


def word(value: Json) -> str:
    """An identity or enumeration without its module, in lower case: `openconfig-platform-types:ACTIVE` is `active`."""
    return text(value).rpartition(":")[2].lower()


def counter(value: Json) -> float | None:
    """A counter of up to 64 bits, from its text or as a number."""
    if isinstance(value, str):
        plain = value.strip()
        value = int(plain) if plain.isascii() and plain.isdecimal() and len(plain) <= 20 else None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _NO_COUNT:
        return None
    return float(value)


def floating(value: Json) -> float | None:
    """A float: `ieeefloat32` of OpenConfig is four bytes in base64 ("RKeAAA==" is 1340), others are decimals.

    Four bytes are always eight characters that end in `==`, which no decimal does.
    """
    if not isinstance(value, str) or not value.endswith("=="):
        return number(value)
    try:
        content = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None
    return number(struct.unpack(">f", content)[0]) if len(content) == 4 else None


def _named(value: Json, name: str) -> Json:
    body = as_body(value)
    if name in body:
        return body[name]
    ending = f":{name}"
    return next((body[key] for key in body if key.endswith(ending)), None)
