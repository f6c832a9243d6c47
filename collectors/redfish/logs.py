"""What has appeared in a BMC's logs since we watch them, by severity.

Logs are slow (18 s for one page were recorded) and hold up to half a million entries: only what is new is asked for, and only
in the slow tier. Current faults are another matter: they come from the FaultList, for old entries are no state.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from collectors.redfish.cursor import Cursor
from collectors.redfish.reader import Reader
from collectors.redfish.topic import Documents, Topic
from collectors.redfish.tree import Tree
from wattstat.catalogue import node as catalogue
from wattstat.catalogue.metric import Samples
from wattstat.members import count, last_segment, link, member, objects

SEVERITIES = ("OK", "Warning", "Critical")
NOT_LOGS = frozenset({"FaultList", "Dump", "FaultLog", "Journal"})


@dataclass(frozen=True, slots=True, kw_only=True)
class LogsReading:
    """Entries by log and severity since the log was first read."""

    counts: tuple[tuple[str, str, float], ...] = ()


async def fetch(reader: Reader, tree: Tree) -> Documents:
    """Reads on in every log of every manager and system; logs of the GPU baseboard take 20 s and say what the others say."""
    owners = [manager.logs for manager in tree.managers] + [system.logs for system in tree.systems if not system.baseboard]
    documents: Documents = {}
    for collection in filter(None, owners):
        for uri in await reader.members(collection):
            if last_segment(uri) not in NOT_LOGS:
                documents[uri] = await _read_on(reader, tree, uri)
    return documents


async def _read_on(reader: Reader, tree: Tree, uri: str) -> dict[str, int] | None:
    """The counts of a log, read on from where its cursor stands; None until it could be read once."""
    cursor = reader.bmc.cursors.setdefault(uri, Cursor())
    entries = link(member(await reader.get(uri), "Entries"))
    since = quote(f"Created ge '{cursor.newest}'")
    page = await reader.get(entries, f"$filter={since}") if tree.filter and cursor.newest else None
    page = page or await reader.get(entries)
    if page is not None:
        cursor.take(objects(page.get("Members")))
    return {severity: cursor.counts[severity] for severity in (*SEVERITIES, *cursor.counts)} if cursor.begun else None


def parse(_tree: Tree, documents: Documents) -> LogsReading:
    rows = {
        (_name(uri), severity): count(value)
        for uri, counts in documents.items()
        for severity, value in (counts.items() if isinstance(counts, dict) else ())
    }
    return LogsReading(counts=tuple((*key, value) for key, value in rows.items() if value is not None))


def _name(uri: str) -> str:
    """Managers/iDRAC.Embedded.1/LogServices/Sel: the owner and the log."""
    parts = uri.split("/")
    return f"{parts[-3]}/{parts[-1]}" if len(parts) > 2 else uri


def samples(node: str, reading: LogsReading) -> Samples:
    out = Samples()
    for log, severity, total in reading.counts:
        out.add(catalogue.NODE_LOG_EVENTS_TOTAL, total, node, log, severity)
    return out


LOGS = Topic(name="logs", tier="slow", fetch=fetch, parse=parse, samples=samples)
