"""The machines of the hall: what a data sheet or a recording says of each GPU and server model."""

from __future__ import annotations

import math
from dataclasses import dataclass

GIB = 1 << 30
MIB = 1 << 20
# Of the supplies: from a fifth of their load to nine tenths, and at full load, as when the other feed is lost.
USUAL_EFFICIENCY = 0.94
FULL_LOAD_EFFICIENCY = 0.914
STANDBY_WATTS = 9.0
# One socket draws a little more than the other.
CPU_SKEW = 1.03


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuModel:
    """A GPU. `peak_watts` is its draw at full load without a limit; the thermal resistance holds at 60 % fan speed."""

    key: str
    name: str
    architecture: str
    memory_bytes: int
    idle_watts: float
    peak_watts: float
    limit_min_watts: float
    limit_max_watts: float
    clock_max_mhz: float
    clock_idle_mhz: float
    memory_clock_mhz: float
    thermal_resistance: float
    slowdown_celsius: float
    memory_share: float
    has_hbm: bool
    has_gpm: bool
    nvlinks: int
    nvlink_bytes_per_second: float
    pcie_generation: int
    pcie_bytes_per_second: float
    pci_device: int
    part_number: str


H100_SXM = GpuModel(
    key="h100-sxm",
    name="NVIDIA H100 80GB HBM3",
    architecture="hopper",
    memory_bytes=81559 * MIB,
    idle_watts=70,
    peak_watts=735,
    limit_min_watts=200,
    limit_max_watts=700,
    clock_max_mhz=1980,
    clock_idle_mhz=345,
    memory_clock_mhz=2619,
    thermal_resistance=0.062,
    slowdown_celsius=87,
    memory_share=0.125,
    has_hbm=True,
    has_gpm=True,
    nvlinks=18,
    nvlink_bytes_per_second=450e9,
    pcie_generation=5,
    pcie_bytes_per_second=55e9,
    pci_device=0x233010DE,
    part_number="2330-885-A1",
)
L40 = GpuModel(
    key="l40",
    name="NVIDIA L40",
    architecture="ada",
    memory_bytes=46068 * MIB,
    idle_watts=36,
    peak_watts=308,
    limit_min_watts=100,
    limit_max_watts=300,
    clock_max_mhz=2490,
    clock_idle_mhz=210,
    memory_clock_mhz=9001,
    thermal_resistance=0.15,
    slowdown_celsius=95,
    memory_share=0.15,
    has_hbm=False,
    has_gpm=False,
    nvlinks=0,
    nvlink_bytes_per_second=0,
    pcie_generation=4,
    pcie_bytes_per_second=26e9,
    pci_device=0x26B510DE,
    part_number="900-2G133-0010-000",
)
L4 = GpuModel(
    key="l4",
    name="NVIDIA L4",
    architecture="ada",
    memory_bytes=23034 * MIB,
    idle_watts=16,
    peak_watts=76,
    limit_min_watts=40,
    limit_max_watts=72,
    clock_max_mhz=2040,
    clock_idle_mhz=210,
    memory_clock_mhz=6251,
    thermal_resistance=0.55,
    slowdown_celsius=93,
    memory_share=0.15,
    has_hbm=False,
    has_gpm=False,
    nvlinks=0,
    nvlink_bytes_per_second=0,
    pcie_generation=4,
    pcie_bytes_per_second=13e9,
    pci_device=0x27B810DE,
    part_number="900-2G193-0000-000",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerModel:
    """A server. Watts are DC, behind the supplies; `board_*` is NVSwitch, baseboard and bridges, idle and under load."""

    key: str
    name: str
    height: int
    gpu: GpuModel | None
    gpus: int
    hgx: bool
    idrac: int
    psus: int
    psu_watts: float
    cpu: str
    cores: int
    cpu_idle_watts: float
    cpu_peak_watts: float
    dimms: int
    dimm_gib: int
    dram_idle_watts: float
    dram_peak_watts: float
    nic_watts: float
    board_idle_watts: float
    board_peak_watts: float
    other_watts: float
    fans: int
    fan_max_rpm: float
    fan_max_watts: float
    fan_floor: float
    drives: int
    cap_min_watts: float
    cap_max_watts: float

    @property
    def gpu_limit_watts(self) -> float:
        """The highest limits of its GPUs together."""
        return self.gpu.limit_max_watts * self.gpus if self.gpu else 0.0

    @property
    def rest_watts(self) -> float:
        """The most that it draws at its inlets beside its GPUs, everything at full load and its supplies at their worst."""
        processors = 2 * self.cpu_peak_watts * CPU_SKEW + 2 * self.dram_peak_watts
        rest = processors + self.nic_watts + self.other_watts + self.board_peak_watts + self.fan_max_watts
        worse = 1 / FULL_LOAD_EFFICIENCY - 1 / USUAL_EFFICIENCY
        watts = rest / FULL_LOAD_EFFICIENCY + self.gpu_limit_watts * worse + STANDBY_WATTS * self.psus
        return 10.0 * math.ceil(watts / 10)

    @property
    def max_watts(self) -> float:
        """The most that it draws at its inlets at all."""
        return 10.0 * math.ceil((self.rest_watts + self.gpu_limit_watts / USUAL_EFFICIENCY) / 10)

    @property
    def generation(self) -> str:
        """What the controller calls the platform."""
        return "17G Monolithic" if self.idrac == 10 else "16G Monolithic"


_SAPPHIRE = "Intel(R) Xeon(R) Platinum 8480+"
XE9680 = ServerModel(
    key="xe9680",
    name="PowerEdge XE9680",
    height=6,
    gpu=H100_SXM,
    gpus=8,
    hgx=True,
    idrac=9,
    psus=6,
    psu_watts=2800,
    cpu=_SAPPHIRE,
    cores=56,
    cpu_idle_watts=105,
    cpu_peak_watts=350,
    dimms=32,
    dimm_gib=64,
    dram_idle_watts=48,
    dram_peak_watts=110,
    nic_watts=240,
    board_idle_watts=240,
    board_peak_watts=620,
    other_watts=110,
    fans=16,
    fan_max_rpm=17600,
    fan_max_watts=2300,
    fan_floor=0.3,
    drives=8,
    cap_min_watts=5950,
    cap_max_watts=10200,
)
XE8640 = ServerModel(
    key="xe8640",
    name="PowerEdge XE8640",
    height=4,
    gpu=H100_SXM,
    gpus=4,
    hgx=True,
    idrac=9,
    psus=4,
    psu_watts=2800,
    cpu=_SAPPHIRE,
    cores=56,
    cpu_idle_watts=105,
    cpu_peak_watts=350,
    dimms=32,
    dimm_gib=32,
    dram_idle_watts=36,
    dram_peak_watts=84,
    nic_watts=110,
    board_idle_watts=70,
    board_peak_watts=160,
    other_watts=80,
    fans=12,
    fan_max_rpm=17600,
    fan_max_watts=1300,
    fan_floor=0.3,
    drives=8,
    cap_min_watts=3250,
    cap_max_watts=5600,
)
R760XA_L40 = ServerModel(
    key="r760xa-l40",
    name="PowerEdge R760xa",
    height=2,
    gpu=L40,
    gpus=4,
    hgx=False,
    idrac=9,
    psus=2,
    psu_watts=2800,
    cpu="Intel(R) Xeon(R) Gold 6448Y",
    cores=32,
    cpu_idle_watts=70,
    cpu_peak_watts=225,
    dimms=16,
    dimm_gib=32,
    dram_idle_watts=20,
    dram_peak_watts=46,
    nic_watts=40,
    board_idle_watts=35,
    board_peak_watts=60,
    other_watts=60,
    fans=6,
    fan_max_rpm=24000,
    fan_max_watts=420,
    fan_floor=0.22,
    drives=6,
    cap_min_watts=1270,
    cap_max_watts=2150,
)
# A stand-in for the next generation's controllers: iDRAC10 came with 17G, and a hall in change shows both.
R760XA_L4 = ServerModel(
    key="r760xa-l4",
    name="PowerEdge R760xa",
    height=2,
    gpu=L4,
    gpus=4,
    hgx=False,
    idrac=10,
    psus=2,
    psu_watts=1400,
    cpu="Intel(R) Xeon(R) Gold 6430",
    cores=32,
    cpu_idle_watts=70,
    cpu_peak_watts=270,
    dimms=16,
    dimm_gib=32,
    dram_idle_watts=20,
    dram_peak_watts=46,
    nic_watts=40,
    board_idle_watts=30,
    board_peak_watts=45,
    other_watts=55,
    fans=6,
    fan_max_rpm=24000,
    fan_max_watts=380,
    fan_floor=0.2,
    drives=6,
    cap_min_watts=760,
    cap_max_watts=1280,
)
R660 = ServerModel(
    key="r660",
    name="PowerEdge R660",
    height=1,
    gpu=None,
    gpus=0,
    hgx=False,
    idrac=10,
    psus=2,
    psu_watts=1100,
    cpu="Intel(R) Xeon(R) Gold 6430",
    cores=32,
    cpu_idle_watts=68,
    cpu_peak_watts=270,
    dimms=16,
    dimm_gib=16,
    dram_idle_watts=16,
    dram_peak_watts=38,
    nic_watts=28,
    board_idle_watts=20,
    board_peak_watts=25,
    other_watts=35,
    fans=8,
    fan_max_rpm=26000,
    fan_max_watts=260,
    fan_floor=0.18,
    drives=4,
    cap_min_watts=480,
    cap_max_watts=830,
)

# The reference design in small: sixteen servers with 88 GPUs.
MIX: tuple[tuple[ServerModel, int], ...] = ((XE9680, 8), (XE8640, 2), (R760XA_L40, 2), (R760XA_L4, 2), (R660, 2))
