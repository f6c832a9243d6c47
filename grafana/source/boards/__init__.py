"""One module a dashboard, each with its `BOARD`."""

from grafana.source.board import Board
from grafana.source.boards import gpu, jobs, node, overview, racks

BOARDS: tuple[Board, ...] = (overview.BOARD, racks.BOARD, node.BOARD, gpu.BOARD, jobs.BOARD)
"""In the order in which one reads them."""
