"""The ledger at work in the core process: readings in, postings into the books, samples out.

The event loop only puts what comes into an inbox. One worker thread does all the rest, because settling a thousand nodes and
writing a transaction take longer than a device may wait for its next question.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import structlog

from energy.ledger.inbox import Inbox
from energy.ledger.ledger import Ledger, Settled
from energy.model import Books, BooksError
from wattstat.catalogue.metric import Samples
from wattstat.hall import Block, BlockKey, Hall, Snapshot
from wattstat.inventory import Inventory
from wattstat.jobs import Observed, Run
from wattstat.journal import NodeJournal

# How often readings are taken in and the samples are renewed; settling has its own, longer beat.
BEAT_SECONDS = 5.0
PRICES_SECONDS = 30.0
# Old details go twice a day, first when the start is over.
THIN_SECONDS, FIRST_THIN_SECONDS = 43_200.0, 600.0
BLOCK = BlockKey("ledger", "core", "ledger")

log = structlog.get_logger(__name__)


@dataclass(kw_only=True)
class LedgerService:
    """Keeps the ledger. `observe`, `journal` and `inventory` may be called from the event loop at any time.

    `open_books` and `open_ledger` are called in the worker, again and again until the books can be opened.
    """

    open_books: Callable[[], Books]
    open_ledger: Callable[[Books], Ledger]
    hall: Hall
    settle_seconds: float
    detail_days: float = 400
    refresh_prices: Callable[[], Awaitable[None]] | None = None
    price_problem: Callable[[], str] = str
    clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    beat_seconds: float = BEAT_SECONDS
    trouble: str = ""
    findings: tuple[str, ...] = ()
    open_runs: tuple[Run, ...] | None = None
    """The runs that were alive when core last ran; None until the books are open."""
    inbox: Inbox = field(default_factory=Inbox)
    _books: Books | None = None
    _ledger: Ledger | None = None
    _pending: Settled | None = None

    def observe(self, observed: Observed) -> None:
        """Take what a scheduler said."""
        self.inbox.put(observed)

    def journal(self, journal: NodeJournal) -> None:
        """Take what a node's meters counted."""
        self.inbox.put(journal)

    def inventory(self, inventory: Inventory) -> None:
        """Take what stands in the hall."""
        self.inbox.put(inventory)

    async def run(self, stop: asyncio.Event) -> None:
        """Keep the ledger until `stop` is set; then settle once more."""
        loop = asyncio.get_running_loop()
        others = [asyncio.ensure_future(self._refresh()), asyncio.ensure_future(self._thin())]
        worker = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        due = self.monotonic()
        try:
            while not stop.is_set():
                is_due = self.monotonic() >= due
                if is_due:
                    due = self.monotonic() + self.settle_seconds
                self._post(await loop.run_in_executor(worker, self._beat, self.hall.snapshot(), is_due))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), self.beat_seconds)
            await loop.run_in_executor(worker, self._beat, self.hall.snapshot(), True)
        finally:
            for other in others:
                other.cancel()
            worker.shutdown(wait=True)

    def status(self) -> dict[str, Any]:
        """How the ledger is: what keeps it from its books or prices (empty: nothing), and what it found."""
        return {"trouble": self.trouble, "price_trouble": self.price_problem(), "findings": list(self.findings)}

    async def _refresh(self) -> None:
        """Keep the carbon intensity current. The service's own beat decides when it is asked."""
        while self.refresh_prices is not None:
            await self.refresh_prices()
            await asyncio.sleep(PRICES_SECONDS)

    async def _thin(self) -> None:
        """Let old details go, in a thread of its own: settling does not wait for it, only for one transaction of it."""
        await asyncio.sleep(FIRST_THIN_SECONDS)
        while True:
            if self._books is not None:
                try:
                    removed = await asyncio.to_thread(self._books.thin, self.clock(), self.detail_days)
                except BooksError as error:
                    log.warning("old details of the ledger could not be removed", why=str(error))
                else:
                    log.info("old details of the ledger are gone", rows=removed)
            await asyncio.sleep(THIN_SECONDS)

    def _beat(self, snapshot: Snapshot, settle: bool) -> Samples:
        """In the worker: take in what came, settle where it is time."""
        ledger = self._opened()
        if ledger is None:
            return Samples()
        for told in self.inbox.take():
            match told:
                case NodeJournal():
                    ledger.journal(told)
                case Observed():
                    ledger.observe(told)
                case Inventory():
                    ledger.inventory(told)
        ledger.see(snapshot)
        if settle:
            self._settle(ledger)
            self.findings = ledger.findings()
        return ledger.samples()

    def _opened(self) -> Ledger | None:
        """The ledger where the books end; None while they cannot be opened: core goes on without it."""
        if self._ledger is None:
            try:
                self._books = self._books or self.open_books()
                ledger = self.open_ledger(self._books)
                ledger.restore()
                self.open_runs = self._books.open_runs()
            except BooksError as error:
                self._tell(str(error))
                return None
            self._tell("")
            self._ledger = ledger
        return self._ledger

    def _settle(self, ledger: Ledger) -> None:
        """Write what is due. What could not be written is written first the next time: nothing is settled past it."""
        if self._books is None:
            return
        try:
            if ledger.has_refused:
                ledger.restore()
            if self._pending is None:
                self._pending = ledger.settle(self.clock())
            refused = self._books.commit(self._pending.batches, self._pending.runs)
            self._pending = None
            ledger.committed(refused)
            if refused:
                log.warning("the books were ahead of the ledger; it takes up what they hold", nodes=list(refused))
                ledger.restore()
        except BooksError as error:
            self._tell(str(error))
            return
        self._tell("")

    def _tell(self, trouble: str) -> None:
        """Say once when the books begin to fail, and once when they work again."""
        if trouble and not self.trouble:
            log.error("the ledger cannot be written; its readings are kept and written later", why=trouble)
        elif self.trouble and not trouble:
            log.info("the ledger is written again")
        self.trouble = trouble

    def _post(self, samples: Samples) -> None:
        # Two beats may be late before the block is stale: a commit of many nodes takes its time.
        block = Block(key=BLOCK, samples=tuple(samples), taken_at=self.clock(), interval_seconds=3 * self.beat_seconds)
        self.hall.post(block)
