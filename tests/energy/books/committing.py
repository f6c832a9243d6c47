"""Processes that commit in a loop until they are killed."""

from __future__ import annotations

import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path

from energy.books.booking import SqlBooks
from energy.database import open_books
from tests.energy.books.entries import HOUR, T0, batch, posting, run_of, use
from wattstat.config import Config
from wattstat.config.energy import Energy

NODES = ("n1", "n2", "n3")
STEP = 600
# Runs of a node follow each other, one every five steps; some are long over midnight.
STEPS_A_RUN = 5


def joules(node: str, step: int) -> float:
    """What one step posts to the node's run: never the same twice."""
    return 1000.0 + 7 * step + NODES.index(node)


def run_at(node: str, step: int):
    """The run of a node in a step, ended when its last step is posted."""
    number = step // STEPS_A_RUN
    start = T0 + number * STEPS_A_RUN * STEP
    is_last = step % STEPS_A_RUN == STEPS_A_RUN - 1
    end = start + STEPS_A_RUN * STEP if is_last else None
    return run_of(f"{node}-{number}", node=node, start=start, end=end, user=f"u{number % 3}")


def commit_from_here(books: SqlBooks) -> tuple[str, ...]:
    """One commit that follows on the checkpoints; the nodes that were refused."""
    settled = books.checkpoints()
    batches, runs = [], []
    for node in NODES:
        since = settled[node].settled_until if node in settled else None
        step = 0 if since is None else int((since - T0) / STEP)
        at = T0 + step * STEP
        run = run_at(node, step)
        hour = at - at % HOUR
        lines = [posting(run, hour, joules(node, step), node=node), posting(None, hour, 1.0, node=node)]
        batches.append(batch(since, at + STEP, *lines, node=node, uses=[use(run, node=node)]))
        runs.append(run)
    return books.commit(batches, runs)


def loop(url: str | None, folder: Path, ready: Connection) -> None:
    """Open the books, say so, and commit for ever."""
    books = open_books(Config(data_dir=folder, energy=Energy(database=url)))
    number = 0
    while True:
        ready.send(number)
        commit_from_here(books)
        number += 1


def nursery(url: str | None, folder: Path, orders: Connection, reports: Connection) -> None:
    """For each order a child that commits for ever and reports how often it did. It has all statements made already."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    books = open_books(Config(data_dir=folder, energy=Energy(database=url)))
    commit_from_here(books)
    books.close()
    while orders.recv():
        pid = os.fork()
        if pid == 0:
            number = 0
            while True:
                reports.send((os.getpid(), number))
                commit_from_here(books)
                number += 1
        orders.send(pid)
