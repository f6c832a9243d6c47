"""What an asking brought, and what it means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from collectors.slurm import document, text
from collectors.slurm.job import Job, NodeRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer as it came: a JSON document, or text."""

    form: Literal["json", "text"]
    body: Any


class Way(Protocol):
    """A way to ask Slurm."""

    way: str

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def jobs(self) -> Answer: ...

    async def nodes(self) -> Answer: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Jobs and nodes, and how many records were not to be understood."""

    jobs: tuple[Job, ...] = ()
    nodes: tuple[NodeRecord, ...] = ()
    unknown: int = 0


def jobs_of(answer: Answer) -> tuple[tuple[Job, ...], int]:
    """The jobs of an answer, and how many records were not to be understood."""
    return text.jobs(str(answer.body)) if answer.form == "text" else document.jobs(answer.body)


def nodes_of(answer: Answer) -> tuple[tuple[NodeRecord, ...], int]:
    """The nodes of an answer, and how many records were not to be understood."""
    return text.nodes(str(answer.body)) if answer.form == "text" else document.nodes(answer.body)
