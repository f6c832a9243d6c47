"""One GPU in one session of NVML: its handle, and what it does not support, learnt once."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from collectors.frame.errors import BadPayload, CollectError, NotSupported
from collectors.nvml.binding import NOT_FOUND, GpuLost, LibraryGone, mapped, meaning

FieldKey = tuple[int, int]  # field id and scope
Raw = tuple[int, int | float]  # NVML's type of a value, and the value

# An entry of nvmlFieldValue_t, read by its offsets in nvml.h: the binding's attributes cost ten times as much, every second.
_ENTRY_BYTES = 40
_TYPE_AND_RESULT = struct.Struct("=ii")
_TYPE_OFFSET, _VALUE_OFFSET = 24, 32
_VALUES = {number: struct.Struct(f"={code}") for number, code in enumerate("dIQQqiH")}  # by nvmlValueType_t, on 64-bit Linux


@dataclass(kw_only=True, eq=False)
class Device:
    """Asks one GPU. Answers None where it does not have the thing; other failures are noted by call."""

    nvml: Any
    handle: Any
    index: int
    uuid: str
    unsupported: set[object] = field(default_factory=set)
    errors: dict[str, CollectError] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"gpu{self.index}"

    def ask(self, call: str, *arguments: Any, handle: Any = None, key: object = None) -> Any:
        """Call `nvmlDevice<call>`. None where it failed. Raises `GpuLost`, `LibraryGone`.

        What the board does not support is asked once a session, and silently; `key` names it where the arguments do not.
        """
        key = (call, *arguments) if key is None else (call, key)
        if key in self.unsupported:
            return None
        function = getattr(self.nvml, "nvmlDevice" + call, None)
        if function is None:
            self.unsupported.add(key)
            return None
        try:
            return function(handle or self.handle, *arguments)
        except self.nvml.NVMLError as error:
            self.note(call, key, mapped(error, f"nvmlDevice{call} of {self.name}"))
        return None

    def find(self, call: str, *arguments: Any) -> Any:
        """Like `ask`, for calls whose NOT_FOUND is an ordinary answer, and gives None too."""
        if call in self.unsupported:
            return None
        try:
            return getattr(self.nvml, "nvmlDevice" + call)(self.handle, *arguments)
        except self.nvml.NVMLError as error:
            if error.value != NOT_FOUND:
                self.note(call, call, mapped(error, f"nvmlDevice{call} of {self.name}"))
        return None

    def note(self, call: str, key: object, error: CollectError) -> None:
        """Remember what is not supported, raise what concerns more than this call, and note the rest."""
        # Some drivers say INVALID_ARGUMENT where a later one says NOT_SUPPORTED, for a sensor or scope that they do not know.
        if isinstance(error, NotSupported | BadPayload):
            self.unsupported.add(key)
        elif isinstance(error, GpuLost | LibraryGone):
            raise error
        else:
            self.errors[f"{self.name} {call}"] = error

    def fields(self, wanted: Iterable[FieldKey]) -> dict[FieldKey, Raw]:
        """Field values in one call. Each entry has a result of its own; only good ones are in the answer."""
        keys = [key for key in wanted if key not in self.unsupported]
        if not keys or "GetFieldValues" in self.unsupported:
            return {}
        good: dict[FieldKey, Raw] = {}
        values = self._fields(keys)
        for index, key in enumerate(keys if values is not None else ()):
            at = index * _ENTRY_BYTES
            kind, result = _TYPE_AND_RESULT.unpack_from(values, at + _TYPE_OFFSET)
            if result != 0:
                self.note(f"field {key[0]}", key, meaning(result, f"field {key[0]} of {self.name}"))
            elif kind in _VALUES:
                good[key] = (kind, _VALUES[kind].unpack_from(values, at + _VALUE_OFFSET)[0])
        return good

    def _fields(self, keys: list[FieldKey]) -> Any:
        try:
            return self.nvml.nvmlDeviceGetFieldValues(self.handle, keys)
        except self.nvml.NVMLError as error:
            found = mapped(error, f"nvmlDeviceGetFieldValues of {self.name}")
            if isinstance(found, BadPayload):
                # The arguments are good, so it is the handle that no longer is: the driver was reloaded behind our back.
                raise LibraryGone(f"{found}; the handle is no longer valid") from error
            self.note("GetFieldValues", "GetFieldValues", found)
        return None

    def take_errors(self) -> Mapping[str, CollectError]:
        """The failures since the last time."""
        taken, self.errors = self.errors, {}
        return taken
