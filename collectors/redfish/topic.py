"""A topic: one thing to learn from a BMC, with its own fetch, parse and samples, that fails alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from collectors.redfish.reader import Reader
from collectors.redfish.tree import Tree
from wattstat.catalogue.metric import Samples

Reading = TypeVar("Reading")
Documents = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Topic(Generic[Reading]):
    """`fetch` brings documents by name; `parse` and `samples` are pure and total, `samples` gets the node's name first."""

    name: str
    tier: str
    fetch: Callable[[Reader, Tree], Awaitable[Documents]]
    parse: Callable[[Tree, Documents], Reading]
    samples: Callable[[str, Reading], Samples]

    def samples_of(self, node: str, tree: Tree, documents: Documents) -> Samples:
        """Documents to samples in one step."""
        return self.samples(node, self.parse(tree, documents))
