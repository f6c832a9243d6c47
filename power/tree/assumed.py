"""What servers and GPUs draw at most where neither the inventory nor the device says.

Planning figures, not measurements: they are higher than what a server needs, and cost budget that a site gets back by writing
`max_watts` and `rest_watts` into its inventory. The status shows how much of each worst case rests on them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

AC_LOSS = 1 / 0.94
"""Watts at the inlet for a watt at a GPU. Power supplies with the Titanium label lose 4 to 10 %: 94 % at 20 % load, 96 % at
half, 91 % at full (80 PLUS Titanium, 230 V internal redundant)."""

SERVER_REST_WATTS = {"XE9680": 5540.0, "XE8640": 2620.0, "R760XA": 1710.0, "R660": 1400.0}
"""Beyond the GPUs: planning maximum (11.5, 5.6, 3.2 and 1.4 kW) less the GPUs at their highest limit and their losses."""
UNKNOWN_REST_WATTS = 2800.0
"""Of a server that nobody knows: one of the larger supply units, since a redundantly fed server must run on one."""
GPU_WATTS = {"H200": 700.0, "H100 NVL": 400.0, "H100 PCIE": 350.0, "H100": 700.0, "L40S": 350.0, "L40": 300.0, "L4": 72.0}
"""Highest limit by model, the more special name first. H100 PCIe: NVIDIA's product brief PB-11133; the rest: data sheets."""
UNKNOWN_GPU_WATTS = 700.0
"""The highest of the table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumed:
    """A figure and whether a table's name matched; if not it is the fallback."""

    watts: float
    known: bool


def server_rest(model: str) -> Assumed:
    """The most that a server of this model draws beyond its GPUs."""
    name = model.upper()
    found = next((watts for key, watts in SERVER_REST_WATTS.items() if key in name), None)
    return Assumed(watts=UNKNOWN_REST_WATTS if found is None else found, known=found is not None)


def gpu_limit(model: str) -> Assumed:
    """The highest power limit of a GPU of this model."""
    words = " ".join(re.findall(r"[A-Z0-9]+", model.upper()))
    for key, watts in GPU_WATTS.items():
        if all(re.search(rf"\b{part}\b", words) for part in key.split()):
            return Assumed(watts=watts, known=True)
    return Assumed(watts=UNKNOWN_GPU_WATTS, known=False)
