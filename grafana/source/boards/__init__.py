"""One module a dashboard, each with its `BOARD`."""

from grafana.source.board import Board
from grafana.source.boards import alerts, fabric, gpu, itself, jobs, node, overview, power, racks, storage

BOARDS: tuple[Board, ...] = (
    overview.BOARD,
    racks.BOARD,
    node.BOARD,
    gpu.BOARD,
    jobs.BOARD,
    power.BOARD,
    storage.BOARD,
    fabric.BOARD,
    alerts.BOARD,
    itself.BOARD,
)
"""In the order in which one reads them."""
