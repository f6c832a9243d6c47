"""JSON documents of a hundred megabytes, read so that the process lives on meanwhile.

The decoder lets no other thread run until it is through, which takes seconds for twenty thousand jobs. Record by record it is
as quick, and between two records others have their turn.
"""

from __future__ import annotations

import json
import re
from typing import Any

SMALL = 1 << 20
# A quote inside of a string has a backslash before it, so this is a member's name. No other member is called so.
_RECORDS = re.compile(r'(?<!\\)"(jobs|nodes)"\s*:\s*\[\s*')
_NEXT = re.compile(r"\s*(,|\])\s*")
_DECODER = json.JSONDecoder()


def loads(content: str | bytes) -> Any:
    """The document. Raises `ValueError` where it is no JSON."""
    if len(content) < SMALL:
        return json.loads(content)
    text = content if isinstance(content, str) else content.decode()
    found = _RECORDS.search(text)
    if found is None or text.startswith("]", found.end()):
        return json.loads(text)
    records, end = _records(text, found.end())
    document = json.loads(f"{text[: found.end()]}]{text[end:]}")
    if not isinstance(document, dict) or document.get(found[1]) != []:
        return json.loads(text)  # the member stands deeper, in a document of another shape
    document[found[1]] = records
    return document


def _records(text: str, at: int) -> tuple[list[Any], int]:
    """The entries of a list from its first on, and where the text goes on behind it."""
    records: list[Any] = []
    while True:
        record, at = _DECODER.raw_decode(text, at)
        records.append(record)
        found = _NEXT.match(text, at)
        if found is None:
            raise json.JSONDecodeError("Expecting ',' delimiter", text, at)
        at = found.end()
        if found[1] == "]":
            return records, at
