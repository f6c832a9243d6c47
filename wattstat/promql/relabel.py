"""label_replace and label_join."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from wattstat.promql.syntax import Labels, PromqlError, Unsupported
from wattstat.promql.vector import Vector, replaced

_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_REFERENCE = re.compile(r"\$(?:\$|(?P<name>\w+)|\{(?P<braced>\w+)\})")
_GROUP = re.compile(r"\\.|\[\^?\]?(?:\\.|\[:\w+:\]|[^\]\\])*\]|\((?:\?P?<(?P<name>\w+)>|(?P<plain>(?!\?)))", re.DOTALL)


def check_label_name(name: str, function: str) -> None:
    """Raises `PromqlError` unless a label may have this name."""
    if not _LABEL_NAME.fullmatch(name):
        raise PromqlError(f"invalid destination label name in {function}(): {name}")


def label_replace(vector: Vector, target: str, replacement: str, source: str, pattern: str) -> Vector:
    """Sets `target` to `replacement` wherever the whole of label `source` matches `pattern`."""
    check_label_name(target, "label_replace")
    given = sorted({dict(labels).get(source, "") for labels in vector.labels})
    texts = pa.array(given, pa.string())
    anchored = f"^(?:{pattern})$"
    try:
        matched = pc.match_substring_regex(texts, anchored).to_pylist()
        written = pc.replace_substring_regex(texts, anchored, rewritten(replacement, pattern), max_replacements=1).to_pylist()
    except pa.ArrowInvalid as err:
        raise PromqlError(f"invalid regular expression in label_replace(): {pattern}") from err
    new = {value: text for value, text, matches in zip(given, written, matched, strict=True) if matches}

    def change(labels: Labels) -> Labels:
        value = dict(labels).get(source, "")
        return replaced(labels, target, new[value]) if value in new else labels

    return vector.relabelled(change)


def rewritten(replacement: str, pattern: str) -> str:
    """Go's template (`$1`, `${name}`) as RE2's rewrite (a backslash and the number). A group that does not exist is empty."""
    groups = [match["name"] or "" for match in _GROUP.finditer(pattern) if match["name"] or match["plain"] is not None]
    numbers = {name: number for number, name in enumerate(groups, start=1) if name}

    def reference(match: re.Match[str]) -> str:
        name = match["name"] or match["braced"]
        if name is None:
            return "$"
        number = int(name) if name.isdecimal() else numbers.get(name, -1)
        if 9 < number <= len(groups):
            raise Unsupported(f"the reference ${name} to a tenth or later group in label_replace()")
        return f"\\{number}" if 0 <= number <= len(groups) else ""

    return _REFERENCE.sub(reference, replacement.replace("\\", "\\\\"))


def label_join(vector: Vector, target: str, separator: str, sources: Sequence[str]) -> Vector:
    """Sets `target` to the values of the source labels, joined."""
    check_label_name(target, "label_join")

    def change(labels: Labels) -> Labels:
        values = dict(labels)
        return replaced(labels, target, separator.join(values.get(name, "") for name in sources))

    return vector.relabelled(change)
