"""Values of the power room as text and arrays, and back: what a decision was made of, so that it can be made again.

Knows dataclasses, named tuples and enums of this package by their names, and nothing that runs code when it is read.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
_PACKAGE = "power."
_MARKS = ("~array", "~enum", "~tuple", "~map", "~set", "~value")


class PackingError(ValueError):
    """A value that cannot be packed, or a package that is none. The message says what was found and what was expected."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Packed:
    """A value in pieces that a file can hold."""

    text: str
    arrays: tuple[Array, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of all of it: equal for equal values."""
        found = sha256(self.text.encode())
        for array in self.arrays:
            found.update(f"{array.dtype.str}{array.shape}".encode())
            found.update(np.ascontiguousarray(array).data)
        return found.hexdigest()


def pack(value: object) -> Packed:
    """Take a value apart. Raises `PackingError` for what cannot be put together again."""
    arrays: list[Array] = []
    text = json.dumps(_taken_apart(value, arrays), separators=(",", ":"), ensure_ascii=False)
    return Packed(text=text, arrays=tuple(arrays))


def unpack(packed: Packed) -> Any:
    """Put it together again. Raises `PackingError`."""
    try:
        return _put_together(json.loads(packed.text), packed.arrays)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, ImportError) as err:
        raise PackingError(
            f"cannot be put together again: {err}; expected what `pack` made, by this version or one near"
        ) from err


def _taken_apart(value: Any, arrays: list[Array]) -> Any:
    if isinstance(value, Enum):
        return {"~enum": _name(type(value)), "value": value.value}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            raise PackingError("an array of objects cannot be packed; expected numbers")
        arrays.append(value)
        return {"~array": len(arrays) - 1}
    return _parts(value, arrays)


def _parts(value: Any, arrays: list[Array]) -> Any:
    names = _members(value)
    if names:
        inside = {name: _taken_apart(getattr(value, name), arrays) for name in names}
        return {"~value": _name(type(value)), "fields": inside}
    if isinstance(value, tuple):
        return {"~tuple": _each(value, arrays)}
    if isinstance(value, list):
        return _each(value, arrays)
    if isinstance(value, AbstractSet):
        return {"~set": _each(sorted(value), arrays)}
    if isinstance(value, Mapping):
        return {"~map": [_each(item, arrays) for item in value.items()]}
    raise PackingError(f"a {type(value).__name__} cannot be packed; expected dataclasses, arrays, numbers, texts, collections")


def _members(value: Any) -> tuple[str, ...]:
    """The names of what a dataclass or a named tuple holds; none for anything else."""
    if is_dataclass(value) and not isinstance(value, type):
        return tuple(each.name for each in fields(value) if each.init)
    return value._fields if isinstance(value, tuple) and hasattr(value, "_fields") else ()


def _each(values: Any, arrays: list[Array]) -> list[Any]:
    return [_taken_apart(value, arrays) for value in values]


def _put_together(value: Any, arrays: tuple[Array, ...]) -> Any:
    if isinstance(value, list):
        return [_put_together(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    mark = next(mark for mark in _MARKS if mark in value)
    inside = value[mark]
    if mark == "~array":
        return arrays[inside]
    if mark == "~enum":
        return _named(inside)(value["value"])
    if mark == "~value":
        return _named(inside)(**{name: _put_together(item, arrays) for name, item in value["fields"].items()})
    made = [_put_together(item, arrays) for item in inside]
    return dict(made) if mark == "~map" else frozenset(made) if mark == "~set" else tuple(made)


def _name(kind: type) -> str:
    if not kind.__module__.startswith(_PACKAGE) or "<" in kind.__qualname__:
        raise PackingError(f"a {kind.__module__}.{kind.__qualname__} cannot be packed; expected a type of the power room")
    return f"{kind.__module__}:{kind.__qualname__}"


def _named(name: str) -> Any:
    module, _, qualified = name.partition(":")
    if not module.startswith(_PACKAGE):
        raise PackingError(f"{name!r} is no type of the power room")
    found: Any = importlib.import_module(module)
    for part in qualified.split("."):
        found = getattr(found, part)
    if not isinstance(found, type) or not (is_dataclass(found) or issubclass(found, Enum | tuple)):
        raise PackingError(f"{name!r} is no value; expected a dataclass, an enum or a named tuple")
    return found
