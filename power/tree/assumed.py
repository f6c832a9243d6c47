"""What servers and GPUs draw at most where neither the inventory nor the device says.

Planning figures, not measurements: they are higher than what a server needs, and cost budget that a site gets back by writing
`max_watts` and `rest_watts` into its inventory. The status shows how much of each worst case rests on them.
"""

from __future__ import annotations

import re
from typing import NamedTuple

AC_LOSS = 1 / 0.94
"""Watts at the inlet for a watt at a GPU. Power supplies with the Titanium label lose 4 to 9 %: they turn 94 % of it into DC at
20 % load, 96 % at half and 91 % at full (80 PLUS Titanium, 230 V internal redundant), and a pair shares its server's load."""


class Draw(NamedTuple):
    """The most that a server of some model draws."""

    rest_watts: float
    """Beyond its GPUs."""
    watts: float
    """With the GPUs that it comes with."""


SERVERS = {
    "XE9680": Draw(5540.0, 11_500.0),
    "XE8640": Draw(2620.0, 5600.0),
    "R760XA": Draw(1710.0, 3200.0),
    "R660": Draw(1400.0, 1400.0),
}
"""Planning maxima, as the reference design's tables have them at their upper end; the rest is what remains beside 8 GPUs of
700 W, 4 of 700 W and 4 of 350 W with their losses."""
UNKNOWN_SERVER = Draw(2800.0, 2800.0)
"""One of the larger supply units: a server that is fed redundantly must run on one. Its GPUs come on top."""
GPU_WATTS = {"H200": 700.0, "H100 NVL": 400.0, "H100 PCIE": 350.0, "H100": 700.0, "L40S": 350.0, "L40": 300.0, "L4": 72.0}
"""Highest limit by model, the more special name first. H100 PCIe: NVIDIA's product brief PB-11133; the rest: data sheets."""
UNKNOWN_GPU_WATTS = 700.0
"""The highest of the table."""


def server(model: str) -> Draw | None:
    """The most that a server of this model draws; None for a model that no table has."""
    name = model.upper()
    return next((draw for key, draw in SERVERS.items() if key in name), None)


def gpu_watts(model: str) -> float:
    """The highest power limit of a GPU of this model."""
    words = set(re.findall(r"[A-Z0-9]+", model.upper()))
    return next((watts for key, watts in GPU_WATTS.items() if words.issuperset(key.split())), UNKNOWN_GPU_WATTS)
