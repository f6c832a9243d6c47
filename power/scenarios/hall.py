"""The simulated hall's layout: which server hangs on which breaker, with plain arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from power.model import Floats, Ints
from power.scenarios.scenario import Scenario

ROWS_PER_BOARD = 5
BOARDS_PER_MAIN = 3
RACK_K, MAIN_K = 9.25, 1.25
"""Trip curves t = k (ratio - 1)^-2.04: racks and rows stand 40 % for 60 s, main boards 15 %."""


def sums(of: Ints, values: Floats, count: int) -> Floats:
    """Sums of values by what they belong to."""
    return np.bincount(of, weights=values, minlength=count).astype(np.float64, copy=False)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layer:
    """Breakers of one kind on one feed: `of_node[n]` is the breaker of server n."""

    kind: str
    feed: int
    names: tuple[str, ...]
    of_node: Ints
    rating_watts: Floats
    k: float

    def load(self, node_watts: Floats) -> Floats:
        """What each carries when the servers draw this through this feed."""
        return sums(self.of_node, node_watts, len(self.names))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layout:
    """The hall. `row_of_node` and `row_budget_watts` are what the figures are counted by."""

    nodes: int
    gpus: int
    """GPUs of one server."""
    feeds: int
    row_of_node: Ints
    rack_of_node: Ints
    row_budget_watts: Floats
    site_budget_watts: float
    layers: tuple[Layer, ...]
    rest_watts: float
    nameplate_watts: float
    gpu_min_watts: float
    gpu_max_watts: float
    gpu_idle_watts: float

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.row_budget_watts)

    def by_row(self, node_values: Floats) -> Floats:
        """Sums by row."""
        return sums(self.row_of_node, node_values, self.rows)


def layout(scenario: Scenario) -> Layout:
    """The hall that a scenario describes: site, main boards, boards, rows, racks, each with a breaker on every feed."""
    hall = scenario.hall
    per_row = hall.racks_per_row * hall.nodes_per_rack
    nodes = hall.rows * per_row
    node = np.arange(nodes)
    row_of_node, rack_of_node = node // per_row, node // hall.nodes_per_rack
    board_of_row = np.arange(hall.rows) // ROWS_PER_BOARD
    row_budget = np.full(hall.rows, scenario.budget.watts_per_node * per_row)
    row_rating = row_budget * hall.row_rating_ratio
    board_rating = sums(board_of_row, row_rating, 0)
    main_of_board = np.arange(len(board_rating)) // BOARDS_PER_MAIN
    main_rating = sums(main_of_board, board_rating, 0)
    rack_rating = np.full(hall.rows * hall.racks_per_row, hall.rack_rating_watts_per_node * hall.nodes_per_rack)
    plan = (
        ("main", main_of_board[board_of_row[row_of_node]], main_rating, MAIN_K),
        ("board", board_of_row[row_of_node], board_rating, RACK_K),
        ("row", row_of_node, row_rating, RACK_K),
        ("rack", rack_of_node, rack_rating, RACK_K),
    )
    layers = tuple(
        Layer(
            kind=kind,
            feed=feed,
            names=tuple(f"{kind}{number + 1:03d}-{'AB'[feed]}" for number in range(len(rating))),
            of_node=of_node,
            rating_watts=rating,
            k=k,
        )
        for kind, of_node, rating, k in plan
        for feed in range(hall.feeds)
    )
    return Layout(
        nodes=nodes,
        gpus=hall.gpus_per_node,
        feeds=hall.feeds,
        row_of_node=row_of_node,
        rack_of_node=rack_of_node,
        row_budget_watts=row_budget,
        site_budget_watts=float(row_budget.sum() * scenario.budget.site_ratio),
        layers=layers,
        rest_watts=hall.rest_watts,
        nameplate_watts=hall.nameplate_watts,
        gpu_min_watts=hall.gpu_min_watts,
        gpu_max_watts=hall.gpu_max_watts,
        gpu_idle_watts=hall.gpu_idle_watts,
    )
