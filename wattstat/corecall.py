"""How the web process tells core who asks: a key that only this installation knows, and the caller's name and role."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, unquote

from wattstat.access import Caller, Role

KEY_HEADER = "X-Wattstat-Key"
CALLER_HEADER = "X-Wattstat-Caller"
KEY_FILE = "core.key"
NOBODY = Caller(name="nobody", role=Role.VIEWER, via="none")
"""Who asks without the key: may look, whatever else the request claims."""


class NotTrusted(Exception):
    """A call whose word about its caller core does not take. The message says why and what to do."""


def headers(caller: Caller, key: bytes) -> dict[str, str]:
    """What a call of web to core carries."""
    told = f"{quote(caller.name, safe='')};{caller.role.name.lower()};{quote(caller.via, safe='')}"
    return {KEY_HEADER: key.hex(), CALLER_HEADER: told}


def caller(given: Mapping[str, str], key: bytes) -> Caller:
    """Who asks. Without a key it is nobody, who may look; with a wrong one, or a caller that makes no sense, `NotTrusted`."""
    shown = given.get(KEY_HEADER)
    if shown is None:
        return NOBODY
    if not hmac.compare_digest(shown.encode("utf-8", "replace"), key.hex().encode()):
        raise NotTrusted(
            f"{KEY_HEADER} is not this core's key; web and core must have the same {KEY_FILE} "
            "(where they run on two machines, copy it; after a change restart both)"
        )
    name, _, rest = given.get(CALLER_HEADER, "").partition(";")
    role, _, via = rest.partition(";")
    try:
        return Caller(name=_unquoted(name), role=Role.named(role), via=_unquoted(via))
    except ValueError as err:
        raise NotTrusted(f"{CALLER_HEADER}: {err}; expected name;role;via") from err


def key_path(data_dir: Path, given: Path | None = None) -> Path:
    """Where the key is: what the settings name, else in `data_dir`."""
    return given or data_dir / KEY_FILE


def _unquoted(text: str) -> str:
    found = unquote(text, errors="strict")
    if not found or not found.isprintable():
        raise ValueError("names nobody")
    return found
