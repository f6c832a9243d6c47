"""Books in memory, as strict as the database's."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from energy.model import Checkpoint, NodeBatch, Posting
from wattstat.jobs import Run, RunKey


@dataclass
class MemoryBooks:
    """Keeps every batch; refuses what was posted before."""

    batches: list[NodeBatch] = field(default_factory=list)
    runs: dict[RunKey, Run] = field(default_factory=dict)
    newest: dict[str, Checkpoint] = field(default_factory=dict)

    def checkpoints(self) -> dict[str, Checkpoint]:
        return dict(self.newest)

    def open_runs(self) -> tuple[Run, ...]:
        return tuple(run for run in self.runs.values() if run.ended is None or self._matters(run, run.ended))

    def _matters(self, run: Run, ended: float) -> bool:
        return any(node not in self.newest or self.newest[node].settled_until < ended for node in run.nodes)

    def commit(self, batches: Sequence[NodeBatch], runs: Sequence[Run]) -> tuple[str, ...]:
        self.runs.update((run.key, run) for run in runs)
        refused = []
        for batch in batches:
            node = batch.checkpoint.node
            held = self.newest.get(node)
            if (held.settled_until if held else None) != batch.since:
                refused.append(node)
                continue
            self.newest[node] = batch.checkpoint
            self.batches.append(batch)
        return tuple(refused)

    def thin(self, now: float, detail_days: float) -> int:
        return 0

    @property
    def postings(self) -> list[Posting]:
        return [posting for batch in self.batches for posting in batch.postings]

    def joules(self, run: RunKey | None = None) -> float:
        """All energy of a run, or everybody's."""
        return sum(posting.joules for posting in self.postings if run is None or posting.run == run)
