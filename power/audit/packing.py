"""Values of the power room as text and arrays, and back: what a decision was made of, so that it can be made again.

Knows dataclasses, named tuples and enums of this package by their names, and nothing that runs code when it is read.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
_PACKAGE = "power."


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


Elsewhere = Callable[[object], str | None]
"""Says under which name a part of a value is kept, or None: then it is packed with the whole."""


def nowhere(_part: object) -> None:
    """Everything is packed with the whole."""


def pack(value: object, elsewhere: Elsewhere = nowhere) -> Packed:
    """Take a value apart. Raises `PackingError` for what cannot be put together again."""
    taken = _Apart(elsewhere)
    text = json.dumps(taken.parts(value), separators=(",", ":"), ensure_ascii=False)
    return Packed(text=text, arrays=tuple(taken.arrays))


def unpack(packed: Packed, kept: Callable[[str], Any] | None = None) -> Any:
    """Put it together again; `kept` gives what is kept elsewhere. Raises `PackingError`."""
    try:
        return _Together(packed.arrays, kept).value(json.loads(packed.text))
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, ImportError) as err:
        raise PackingError(
            f"cannot be put together again: {err}; expected what `pack` made, by this version or one near"
        ) from err


class _Apart:
    def __init__(self, elsewhere: Elsewhere) -> None:
        self.arrays: list[Array] = []
        self._elsewhere = elsewhere

    def value(self, value: Any) -> Any:
        if isinstance(value, Enum):
            return {"~enum": _name(type(value)), "value": value.value}
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, np.ndarray):
            if value.dtype.hasobject:
                raise PackingError("an array of objects cannot be packed; expected numbers")
            self.arrays.append(value)
            return {"~array": len(self.arrays) - 1}
        name = self._elsewhere(value)
        return self.parts(value) if name is None else {"~kept": name}

    def parts(self, value: Any) -> Any:
        """Of a value that is no number, text or array; those are their own part."""
        names = _members(value)
        if names:
            inside = {name: self.value(getattr(value, name)) for name in names}
            return {"~value": _name(type(value)), "fields": inside}
        if isinstance(value, tuple):
            return {"~tuple": [self.value(item) for item in value]}
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if isinstance(value, AbstractSet):
            return {"~set": [self.value(item) for item in sorted(value)]}
        if isinstance(value, Mapping):
            return {"~map": [[self.value(key), self.value(item)] for key, item in value.items()]}
        if value is None or isinstance(value, bool | int | float | str | Enum | np.generic | np.ndarray):
            return self.value(value)
        raise PackingError(
            f"a {type(value).__name__} cannot be packed; expected dataclasses, arrays, numbers, texts, collections"
        )


def _members(value: Any) -> tuple[str, ...]:
    """The names of what a dataclass or a named tuple holds; none for anything else."""
    if is_dataclass(value) and not isinstance(value, type):
        return tuple(each.name for each in fields(value) if each.init)
    return value._fields if isinstance(value, tuple) and hasattr(value, "_fields") else ()


class _Together:
    def __init__(self, arrays: tuple[Array, ...], kept: Callable[[str], Any] | None) -> None:
        self._kept = kept
        self._by_mark: dict[str, Callable[[Any, dict[str, Any]], Any]] = {
            "~array": lambda inside, _: arrays[inside],
            "~kept": lambda inside, _: self._elsewhere(inside),
            "~enum": lambda inside, whole: _named(inside)(whole["value"]),
            "~value": lambda inside, whole: _named(inside)(
                **{name: self.value(item) for name, item in whole["fields"].items()}
            ),
            "~tuple": lambda inside, _: tuple(self.value(inside)),
            "~set": lambda inside, _: frozenset(self.value(inside)),
            "~map": lambda inside, _: dict(self.value(inside)),
        }

    def value(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if not isinstance(value, dict):
            return value
        mark = next(iter(value))
        return self._by_mark[mark](value[mark], value)

    def _elsewhere(self, name: str) -> Any:
        if self._kept is None:
            raise PackingError(f"a part of it is kept elsewhere, as {name}; read it from the folder of inputs")
        return self._kept(name)


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
