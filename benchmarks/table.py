"""The benchmark table: what was measured, on what, beside whom."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from dataclasses import astuple, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line: what is measured, our figure, the peer's or the limit's figure, what is to be reached, and how it was done."""

    what: str
    measured: str
    peer: str
    reach: str
    note: str = ""


HEAD = Row(what="what", measured="measured", peer="peer or limit beside it", reach="to reach", note="how")


def markdown(rows: Iterable[Row]) -> str:
    """The table as Markdown."""
    lines = [HEAD, Row(what="---", measured="---", peer="---", reach="---", note="---"), *rows]
    return "".join("| " + " | ".join(astuple(row)) + " |\n" for row in lines)


def machine() -> str:
    """What the figures were measured on."""
    kernel = platform.release().split("-")[0]
    return f"{os.cpu_count()} cores, {platform.machine()}, Linux {kernel}, Python {platform.python_version()}"
