"""The ledger: takes in what schedulers, journals and meters tell, settles node by node, and says what is to be written.

Nothing here does I/O but `restore`. Core calls `settle`, has the books commit what it gave, and then calls `committed`; until
then the same joules are settled again, so that a commit that failed loses nothing. Because clocks jump, the ledger counts on a
steady clock: Unix time at its start, carried on by the monotonic clock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial

from energy.ledger.alone import Alone
from energy.ledger.bases import Advanced
from energy.ledger.figures import Figures
from energy.ledger.lines import Ledgered, Priced, Prices
from energy.ledger.node import NodeState, restored
from energy.ledger.roster import Roster
from energy.ledger.settle import settle
from energy.ledger.watermark import Watch, watermark
from energy.model import Books, NodeBatch
from wattstat.catalogue.gpu import GPU_POWER_LIMIT_WATTS
from wattstat.catalogue.metric import Samples
from wattstat.catalogue.node import NODE_ENERGY_JOULES_TOTAL, NODE_POWER_WATTS
from wattstat.config.energy import Energy
from wattstat.hall import Snapshot
from wattstat.inventory import Inventory
from wattstat.jobs import Observed, Run
from wattstat.journal import NodeJournal
from wattstat.rackpower import device_power

# Sensors of switches and storage nodes are read once a minute, and hardly move: three that are missing are a hole.
SELDOM_HOLE_SECONDS = 200.0
# Which reading of a node's power counts; `hgx` is only a part of the node.
POWER_SOURCES = ("system", "psu_sum", "estimated")

# How many entries are settled at a time at the most where there are many: a large site is caught up with after an outage in
# several transactions of seconds each. A node that waits for no more than a few entries is settled in any case.
MOST_ENTRIES = 30_000
FEW_ENTRIES = 60
# How many are held in memory, all nodes together (2.5 KB each with eight GPUs); beyond that every second one goes.
MOST_HELD = 200_000
LEAST_HELD = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What is to be committed together."""

    batches: tuple[NodeBatch, ...]
    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pending:
    """What one node becomes once its batch is committed."""

    advanced: Advanced
    token: float
    ledgered: Ledgered
    seconds: float


class Ledger:
    """Every joule to a run, to idle or to overhead.."""

    def __init__(
        self,
        settings: Energy,
        books: Books,
        prices: Prices,
        *,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        expected_schedulers: int = 0,
    ) -> None:
        """`expected_schedulers`: so many are to speak; until they have, no node is soon taken for one without jobs."""
        self._settings = settings
        self._expected_schedulers = expected_schedulers
        self._books = books
        self._prices = prices
        self._clock = clock
        self._monotonic = monotonic
        self._origin = clock() - monotonic()
        self._started = clock()
        self._roster = Roster()
        self._is_dated = False
        self._nodes: dict[str, NodeState] = {}
        self._inventory = Inventory()
        self._refused: dict[str, NodeState] = {}
        self._pending: dict[str, _Pending] = {}
        self._pending_runs: tuple[Run, ...] = ()
        self._alone = Alone()
        self._figures = Figures(disagreement_ratio=settings.disagreement_ratio, alone=self._alone)

    @property
    def _now(self) -> float:
        """The steady clock."""
        return self._origin + self._monotonic()

    @property
    def _shift(self) -> float:
        """How far the wall clock is ahead of the steady one: 0 until somebody sets it."""
        return self._clock() - self._now

    @property
    def has_refused(self) -> bool:
        """Whether the books refused nodes that `restore` has not taken up yet: until it has, those are not settled."""
        return bool(self._refused)

    def restore(self) -> None:
        """Take up where the books end: at the start, and after they refused a node. Blocking."""
        shift, now = self._shift, self._now
        checkpoints = self._books.checkpoints()
        for name, checkpoint in checkpoints.items():
            if name not in self._nodes or name in self._refused:
                self._take_up(
                    name,
                    self._alone.tried("reading its checkpoint", name, partial(restored, checkpoint, shift, now)),
                )
        for name in self._refused.keys() - checkpoints.keys():  # other books have been put in the place of those
            self._take_up(name, NodeState(name=name))
        for run in self._books.open_runs():
            if self._roster.run(run.key) is None:
                seen = max((checkpoints[node].settled_until for node in run.nodes if node in checkpoints), default=run.started)
                self._roster.restore(run, max(seen, run.started) - shift, shift)
        self._place_inventory()

    def _take_up(self, name: str, node: NodeState | None) -> None:
        """Go on with a node as the books have it, and with what was read of it meanwhile."""
        if node is not None:
            for other in (self._refused.pop(name, None), self._nodes.get(name)):
                if other is not None:
                    node.inherit(other)
            self._nodes[name] = node

    def observe(self, observed: Observed) -> None:
        """What a scheduler said."""
        take = partial(self._roster.observe, observed, self._shift)
        self._alone.tried("taking in what it said", observed.scheduler, take)

    def journal(self, journal: NodeJournal) -> None:
        """What a node's journal brought."""
        self._alone.tried("taking in its journal", journal.node, partial(self._take, journal))

    def _take(self, journal: NodeJournal) -> None:
        shift = self._shift
        self._figures.checks.journal(journal)
        node = self._node(journal.node)
        off = node.take(journal, shift)
        if off and not self._is_dated:
            self._roster.move(off)
        node.thin(max(LEAST_HELD, MOST_HELD // len(self._nodes)))
        self._is_dated = self._is_dated or bool(journal.entries)
        for boundary in journal.boundaries:
            is_settled = node.settled is not None and boundary.at - shift <= node.settled
            if is_settled and self._roster.run_of(boundary) is None:
                continue  # told again by an agent that was not heard for a while: the books know better how that run ended
            if self._roster.boundary(journal.node, boundary, shift):
                node.edge(boundary, shift)

    def see(self, snapshot: Snapshot) -> None:
        """The newest readings of nodes' own meters, and limits and power of GPUs."""
        now = self._now
        power: dict[str, dict[str, tuple[float, float]]] = {}
        for found in snapshot.find(NODE_POWER_WATTS):
            node, source = found.sample.labels
            power.setdefault(node, {})[source] = found.sample.value, now - found.age_seconds
        for name, by_source in power.items():
            best = next((by_source[source] for source in POWER_SOURCES if source in by_source), None)
            if best is not None:
                self._alone.tried("reading its meter", name, partial(self._node(name).meter.read, *best))
                self._node(name).meter.thin(max(LEAST_HELD, MOST_HELD // len(self._nodes)))
        for name, told in device_power(snapshot, self._inventory).items():
            # Switches and storage serve the site. Nobody gives them to jobs, so all that their meters count is overhead.
            at = now - told.age_seconds
            self._alone.tried(
                "reading its meter", name, partial(self._node(name).meter.read, told.watts, at, SELDOM_HOLE_SECONDS)
            )
            self._node(name).meter.thin(max(LEAST_HELD, MOST_HELD // len(self._nodes)))
        for found in snapshot.find(NODE_ENERGY_JOULES_TOTAL, source="counter"):
            name, at = found.sample.labels[0], now - found.age_seconds
            self._alone.tried("reading its counter", name, partial(self._node(name).meter.count, found.sample.value, at))
        for found in snapshot.find(GPU_POWER_LIMIT_WATTS, kind="enforced"):
            name, _, uuid, _ = found.sample.labels
            if name in self._nodes:
                self._nodes[name].limits[uuid] = found.sample.value
        self._figures.see(snapshot)

    def inventory(self, inventory: Inventory) -> None:
        """What stands in the hall now."""
        self._inventory = inventory
        self._place_inventory()
        self._figures.keep({node.name for node in inventory.nodes})

    def settle(self, now: float) -> Settled:
        """All that can be settled by now (the wall clock), not yet counted as written: that is said by `committed`."""
        shift = self._clock() - self._now
        self._roster.place(now - shift)
        if 0 < self._expected_schedulers <= len(self._roster.words):
            self._roster.abandon()
        units: dict[int, Priced] = {}

        def price(at: float) -> Priced:
            minute = int(at // 60)
            if minute not in units:
                units[minute] = self._prices.price(1.0, minute * 60.0)
            return units[minute]

        batches = []
        self._pending.clear()
        budget = MOST_ENTRIES
        for node in sorted(self._nodes.values(), key=lambda each: each.settled or 0.0):
            is_far = len(node.entries) > FEW_ENTRIES
            if node.name in self._refused or (is_far and budget <= 0):
                continue
            batch = self._alone.tried("settling it", node.name, partial(self._settle_node, node, now - shift, shift, price))
            if batch is not None:
                batches.append(batch)
                budget -= len(node.entries) if is_far else 0
        self._pending_runs = tuple(self._roster.changed.values())
        return Settled(batches=tuple(batches), runs=self._pending_runs)

    def committed(self, refused: tuple[str, ...] = ()) -> None:
        """The books hold what the last `settle` gave, but for refused nodes: those are to be restored from the books."""
        for name, pending in self._pending.items():
            if name in refused:
                self._refused[name] = self._nodes.pop(name)
                continue
            self._nodes[name].apply(pending.advanced, pending.token)
            self._figures.post(pending.ledgered, self._roster, pending.seconds)
        self._pending.clear()
        for run in self._pending_runs:
            if self._roster.changed.get(run.key) is run:
                del self._roster.changed[run.key]
        self._pending_runs = ()
        self._roster.forget(self._settled_until)
        self._figures.forget(lambda key: self._roster.run(key) is not None)

    def samples(self) -> Samples:
        """Jobs and their energy, for the hall."""
        shift = self._shift
        out = Samples()
        # Of nodes that were removed the books still know; who watches the ledger need not.
        names = {node.name for node in self._inventory.nodes} or self._nodes.keys()
        nodes = {name: node for name, node in self._nodes.items() if name in names}
        self._figures.samples(out, self._roster, nodes, shift)
        return out

    def findings(self) -> tuple[str, ...]:
        """What somebody should look at, in words."""
        return (*self._alone.findings(), *self._figures.findings())

    def _node(self, name: str) -> NodeState:
        if name not in self._nodes:
            self._nodes[name] = NodeState(name=name)
            self._place_inventory()
        return self._nodes[name]

    def _place_inventory(self) -> None:
        for entry in self._inventory.nodes:
            node = self._nodes.get(entry.name)
            if node is not None:
                node.node_gpus = entry.gpus

    def _settled_until(self, name: str) -> float:
        node = self._nodes.get(name)
        return self._now if node is None or node.settled is None else node.settled

    def _settle_node(self, node: NodeState, now: float, shift: float, price: Callable[[float], Priced]) -> NodeBatch | None:
        word = self._roster.word(node.name)
        node.is_managed = node.is_managed or self._roster.manages(node.name)
        since = node.settled if node.settled is not None else node.first()
        until = watermark(
            Watch(
                now=now,
                started=self._started,
                lag=self._settings.settle_seconds,
                word=word,
                journal=node.newest,
                had_journal=bool(node.gpu_bases or node.cpu_bases),
                meter=node.meter.newest,
                is_managed=node.is_managed or len(self._roster.words) < self._expected_schedulers,
            )
        )
        until = None if until is None else node.floor(until)
        if since is None or until is None or until <= since:
            return None
        span = node.span(
            since,
            until,
            shift=shift,
            roster=self._roster,
            is_overhead=self._is_overhead(node),
            idle_ratio=self._settings.idle_activity_ratio,
        )
        ledgered = settle(span, price)
        ledgered.check()
        advanced = node.advanced(span, ledgered.deficit)
        checkpoint = advanced.checkpoint(node.name, shift)
        self._pending[node.name] = _Pending(
            advanced=advanced, token=checkpoint.settled_until, ledgered=ledgered, seconds=until - since
        )
        return NodeBatch(
            since=node.token,
            checkpoint=checkpoint,
            postings=ledgered.postings(),
            uses=tuple(ledgered.uses.values()),
            hours=ledgered.node_hours(),
        )

    def _is_overhead(self, node: NodeState) -> bool:
        """What no scheduler gives to jobs serves the site, and so does what the settings name."""
        if not node.is_managed:
            return True
        return any(fnmatchcase(node.name, pattern) for pattern in self._settings.overhead_nodes)
