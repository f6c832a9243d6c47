"""The Prometheus text format (version 0.0.4), written from a snapshot.

Each block's lines are rendered once, in the scrape that first needs them, and live as long as the block, so that a scrape
between two collections is little more than a concatenation.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

from wattstat.catalogue.metric import Metric, Sample
from wattstat.hall import Block, Snapshot

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Exposition:
    """Renders snapshots; keeps what hardly changes between scrapes: the prefixes of series, the text of unchanged blocks."""

    def __init__(self) -> None:
        self._prefixes: dict[Metric, dict[tuple[str, ...], str]] = {}
        self._texts: WeakKeyDictionary[Block, dict[Metric, str]] = WeakKeyDictionary()

    def render(self, snapshot: Snapshot) -> bytes:
        """The exposition of a snapshot, families in order of name."""
        parts: list[str] = []
        for metric, blocks in snapshot.metrics().items():
            parts.append(header(metric))
            parts.extend(self._text(block)[metric] for block in blocks)
        return "".join(parts).encode()

    def _text(self, block: Block) -> dict[Metric, str]:
        text = self._texts.get(block)
        if text is None:
            text = {metric: self._lines(metric, samples) for metric, samples in block.by_metric.items()}
            self._texts[block] = text
        return text

    def _lines(self, metric: Metric, samples: tuple[Sample, ...]) -> str:
        known = self._prefixes.setdefault(metric, {})
        if len(known) > 4 * len(samples) + 100_000:
            known.clear()  # labels that come and go (processes, messages) must not fill the memory
        lines: list[str] = []
        for sample in samples:
            prefix = known.get(sample.labels)
            if prefix is None:
                prefix = known[sample.labels] = metric.series_prefix(sample.labels)
            lines.append(f"{prefix}{number(sample.value)}\n")
        return "".join(lines)


def header(metric: Metric) -> str:
    """The HELP and TYPE lines of a family."""
    text = metric.help.replace("\\", r"\\").replace("\n", r"\n")
    return f"# HELP {metric.name} {text}\n# TYPE {metric.name} {metric.kind}\n"


def number(value: float) -> str:
    """A float as the text format has it, whole numbers without a fraction."""
    if value.is_integer() and -1e15 < value < 1e15:
        return str(int(value))
    return repr(value)
