"""GPUs in band, through NVIDIA's own binding of NVML. Runs in `wattstat agent`.

`source` the node's GPUs as the frame sees them · `library` the session with the driver · `device` one GPU · `binding` the right
module and what its errors mean · `fast`, `medium`, `slow` what is read how often · `gpm` activity between two samples ·
`events` XID errors · `counters` what is kept over sessions · `journal` what readings add up to · `sharing` who was active on a
shared GPU · `samples` the metrics.
"""

from __future__ import annotations

from typing import Any

from collectors.frame.source import Tier
from collectors.nvml.binding import find
from collectors.nvml.journal import Counted, NodeMeter
from collectors.nvml.source import MEDIUM_SECONDS, NvmlSource
from wattstat.config import Config

__all__ = ["Counted", "NodeMeter", "NvmlSource", "sources"]


def sources(config: Config, node: str, *, nvml: Any = None) -> list[NvmlSource]:
    """The GPUs of this node. Raises `NotSupported` when the Python binding is missing or the wrong one."""
    every = config.agent.every_seconds
    slow = config.agent.slow_every_seconds
    tiers = (
        # A call into the driver may take seconds when a GPU is in trouble; it is given up after ten.
        Tier("fast", every, 10.0),
        Tier("medium", max(every, min(MEDIUM_SECONDS, slow)), 20.0),
        Tier("slow", slow, 30.0),
    )
    return [NvmlSource(target=node, nvml=nvml or find(), tiers=tiers, proc=config.agent.proc)]
