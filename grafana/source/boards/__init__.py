"""One module a dashboard, each with its `BOARD`."""

from grafana.source.board import Board
from grafana.source.boards import gpu, node, overview, racks

BOARDS: tuple[Board, ...] = (overview.BOARD, racks.BOARD, node.BOARD, gpu.BOARD)
"""In the order in which one reads them."""
