"""GPUs by model: what they can compute and may draw, as their makers' data sheets say."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A GPU model. `peak_flops`: dense BF16 with FP32 accumulation, a second; `limit_watts`: the default power limit.

    `pattern` finds it in the name that NVML tells. `per_node` is how many the servers of its class hold.
    """

    key: str
    name: str
    pattern: str
    peak_flops: float
    limit_watts: float
    per_node: int
    source: str


# Data sheets state BF16 with sparsity for Hopper, Ada and Blackwell; dense is the half of it.
BOARDS = (
    Board(
        key="h100-sxm", name="H100 SXM", pattern=r"H100(?!.*(PCIe|NVL)).*HBM3|H100[- ]SXM", peak_flops=989.4e12,
        limit_watts=700, per_node=8, source="NVIDIA H100 data sheet: 1,979 TFLOPS with sparsity, 700 W",
    ),
    Board(
        key="h100-pcie", name="H100 PCIe", pattern=r"H100.*PCIe", peak_flops=756e12, limit_watts=350, per_node=4,
        source="NVIDIA H100 PCIe data sheet: 1,513 TFLOPS with sparsity, 350 W",
    ),
    Board(
        key="h100-nvl", name="H100 NVL", pattern=r"H100.*NVL", peak_flops=835e12, limit_watts=400, per_node=4,
        source="NVIDIA H100 data sheet, NVL: 1,671 TFLOPS with sparsity, 350-400 W",
    ),
    Board(
        key="h200-sxm", name="H200 SXM", pattern=r"H200(?!.*NVL)", peak_flops=989.4e12, limit_watts=700, per_node=8,
        source="NVIDIA H200 data sheet: 1,979 TFLOPS with sparsity, 700 W",
    ),
    Board(
        key="b200", name="B200", pattern=r"\bB200\b", peak_flops=2250e12, limit_watts=1000, per_node=8,
        source="NVIDIA HGX B200 data sheet: 4.5 PFLOPS with sparsity a GPU, up to 1,000 W",
    ),
    Board(
        key="a100-sxm", name="A100 SXM", pattern=r"A100.*SXM", peak_flops=312e12, limit_watts=400, per_node=8,
        source="NVIDIA A100 data sheet: 312 TFLOPS dense, 400 W",
    ),
    Board(
        key="a100-pcie", name="A100 PCIe 80 GB", pattern=r"A100.*PCIe", peak_flops=312e12, limit_watts=300, per_node=4,
        source="NVIDIA A100 80 GB PCIe data sheet: 312 TFLOPS dense, 300 W",
    ),
    Board(
        key="l40s", name="L40S", pattern=r"\bL40S\b", peak_flops=362.05e12, limit_watts=350, per_node=4,
        source="NVIDIA L40S data sheet: 733 TFLOPS with sparsity (362.05 dense), 350 W",
    ),
    Board(
        key="l40", name="L40", pattern=r"\bL40\b", peak_flops=181.05e12, limit_watts=300, per_node=4,
        source="NVIDIA L40 data sheet: 181.05 TFLOPS dense, 300 W",
    ),
    Board(
        key="l4", name="L4", pattern=r"\bL4\b", peak_flops=121e12, limit_watts=72, per_node=4,
        source="NVIDIA L4 data sheet: 242 TFLOPS with sparsity, 72 W",
    ),
)  # fmt: skip
BY_KEY = {board.key: board for board in BOARDS}
KEYS = tuple(BY_KEY)

_MEANT = {"h100": "h100-sxm", "h200": "h200-sxm", "a100": "a100-sxm"}


def board(key: str) -> Board:
    """The board that somebody names. Raises `ValueError` with all names."""
    wanted = key.strip().lower().replace("_", "-").replace(" ", "-")
    found = BY_KEY.get(_MEANT.get(wanted, wanted))
    if found is None:
        raise ValueError(f"gpu: {key!r} is not known; expected one of {', '.join(KEYS)}")
    return found


def of_model(model: str) -> Board | None:
    """The board of a name that NVML tells, such as `NVIDIA H100 80GB HBM3`; None where it is not known."""
    return next((each for each in BOARDS if re.search(each.pattern, model, re.IGNORECASE)), None)
