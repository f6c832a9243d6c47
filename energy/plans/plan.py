"""What a training run will take: days, energy, money and carbon, each with a 90 % interval. Pure arithmetic.

    FLOPs = 6 x parameters x tokens                            (Kaplan 2020: 2 forward, 4 backward)
    days  = FLOPs / (GPUs x peak x MFU x share of time that makes progress x throughput under the cap) / 86,400
    MWh   = GPUs x (watts of a GPU + watts of its share of the server) x hours x (1 + network and storage)

Every constant says where it comes from: what was asked for, the site's own finished jobs, its settings, or published figures.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from energy.plans import capping
from energy.plans.boards import Board, board
from energy.plans.quantity import Quantity, about, exact, product, total

MFU = Quantity(
    value=0.40, low=0.32, high=0.48, source="public BF16 training on H100: 35 to 45 % (Llama 3 405B: 38 to 43 % while it ran)"
)
PROGRESS = Quantity(
    value=0.93, low=0.85, high=0.99, source="restarts, checkpoints, evaluation; Llama 3 405B: over 90 % on 16,384 GPUs"
)
GPU_SHARE = Quantity(
    value=0.92, low=0.82, high=1.0,
    source="8 x H100 server in heavy training: 76 % of 10.2 kW (arXiv 2506.14551), two thirds of it in the GPUs",
)  # fmt: skip
NODE_RATIO = Quantity(
    value=1.5, low=1.35, high=1.65, source="8 x H100 server: 8.4 kW measured beside 8 x 700 W (arXiv 2412.08602)"
)
NODE_RATIO_PCIE = Quantity(
    value=1.5, low=1.25, high=1.8, source="as in servers of 8 x H100 (arXiv 2412.08602); PCIe servers vary more"
)
FABRIC = Quantity(value=1.06, low=1.03, high=1.10, source="switches and storage: an estimate of 3 to 10 % of the servers")
STATED_RATIO = 0.05
"""A figure that somebody states as measured still varies from run to run."""
HIGH_MFU = 0.5
CAP_SHARES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)


MOST_GPUS = 10_000_000
_CURRENCY = re.compile("[A-Z]{3}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is planned. None: to be learnt from the site, or taken from published figures."""

    parameters: float
    tokens: float
    gpu: str
    gpus: int
    flops_factor: float = 6.0
    mfu: float | None = None
    progress: float | None = None
    cap_watts: float | None = None
    gpu_watts: float | None = None
    node_ratio: float | None = None
    pue: float | None = None
    price_per_kwh: float | None = None
    currency: str = ""
    grams_per_kwh: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What is known of the site: by its own finished jobs on such GPUs, and by its settings."""

    jobs: int = 0
    gpu_watts: Quantity | None = None
    node_ratio: Quantity | None = None
    tensor_active: Quantity | None = None
    price_per_kwh: Quantity | None = None
    grams_per_kwh: Quantity | None = None
    pue: Quantity | None = None
    currency: str = "EUR"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capped:
    """The same run under another power limit."""

    cap_watts: float
    days: Quantity
    energy_joules: Quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The answer. `energy_joules`: servers, network and storage; `facility_joules` with the PUE, where one is known."""

    board: Board
    gpus: int
    nodes: int
    flops: float
    cap_watts: float | None
    days: Quantity
    power_watts: Quantity
    energy_joules: Quantity
    facility_joules: Quantity | None
    cost: Quantity | None
    currency: str
    carbon_grams: Quantity | None
    caps: tuple[Capped, ...]
    notes: tuple[str, ...]
    constants: Mapping[str, Quantity] = field(default_factory=lambda: MappingProxyType({}))


def plan(wish: Wish, site: Site | None = None) -> Plan:
    """The plan for a wish. Raises `ValueError` naming what has no sense and what was expected."""
    _check(wish)
    site = site or Site()
    gpu = board(wish.gpu)
    constants = _constants(wish, site, gpu)
    days, watts = _days(wish, gpu, constants, wish.cap_watts), _watts(constants, wish.cap_watts)
    energy = product(days, watts).times(wish.gpus * 86_400)
    pue, price, grams = (constants.get(name) for name in ("pue", "price_per_kwh", "grams_per_kwh"))
    facility = None if pue is None else product(energy, pue)
    paid = (facility or energy).times(1 / 3.6e6)
    return Plan(
        board=gpu,
        gpus=wish.gpus,
        nodes=math.ceil(wish.gpus / gpu.per_node),
        flops=_flops(wish),
        cap_watts=wish.cap_watts,
        days=days,
        power_watts=watts.times(wish.gpus),
        energy_joules=energy,
        facility_joules=facility,
        cost=None if price is None else product(paid, price),
        currency=wish.currency or site.currency,
        carbon_grams=None if grams is None else product(paid, grams),
        caps=tuple(_capped(wish, gpu, constants, share) for share in CAP_SHARES),
        notes=tuple(_notes(site, constants)),
        constants=MappingProxyType(constants),
    )


def implied_mfu(*, parameters: float, tokens: float, gpu: str, gpus: int, days: float, flops_factor: float = 6.0) -> float:
    """The share of the peak that a run must have reached to end in so many days."""
    return flops_factor * parameters * tokens / (gpus * board(gpu).peak_flops * days * 86_400)


def _check(wish: Wish) -> None:
    positive = ("parameters", "tokens", "gpus", "flops_factor", "mfu", "progress", "gpu_watts", "cap_watts", "pue")
    for name in positive:
        value = getattr(wish, name)
        if value is not None and not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name}: {value!r} has no sense; expected a positive number")
    _check_site(wish)
    # Callers write `price`.
    for name, written in (("price_per_kwh", "price"), ("grams_per_kwh", "grams_per_kwh")):
        value = getattr(wish, name)
        if value is not None and not (math.isfinite(value) and value >= 0):
            raise ValueError(f"{written}: {value!r} has no sense; expected zero or more")
    for name in ("mfu", "progress"):
        value = getattr(wish, name)
        if value is not None and value > 1:
            raise ValueError(f"{name}: {value!r} has no sense; expected a ratio from 0 to 1, such as 0.4")
    for name in ("pue", "node_ratio"):
        value = getattr(wish, name)
        if value is not None and not 1 <= value < 10:
            raise ValueError(f"{name}: {value!r} has no sense; expected 1 or more, such as 1.3")


def _check_site(wish: Wish) -> None:
    if wish.gpus > MOST_GPUS:
        raise ValueError(f"gpus: {wish.gpus!r} has no sense; expected at most {MOST_GPUS:,}")
    if wish.currency and not _CURRENCY.fullmatch(wish.currency):
        raise ValueError(f"currency: {wish.currency[:40]!r} is no currency; expected three capital letters, such as EUR")


def _constants(wish: Wish, site: Site, gpu: Board) -> dict[str, Quantity]:
    found = {
        "mfu": _stated(wish.mfu) or _mfu(site),
        "progress": _stated(wish.progress) or PROGRESS,
        "gpu_watts": _stated(wish.gpu_watts) or site.gpu_watts or GPU_SHARE.times(gpu.limit_watts),
        "node_ratio": _stated(wish.node_ratio) or site.node_ratio or (NODE_RATIO if gpu.per_node == 8 else NODE_RATIO_PCIE),
        "fabric": FABRIC,
        "throughput": capping.throughput(gpu, wish.cap_watts),
        "peak_flops": exact(gpu.peak_flops, gpu.source),
        "pue": _given(wish.pue) or site.pue,
        "price_per_kwh": _given(wish.price_per_kwh) or site.price_per_kwh,
        "grams_per_kwh": _given(wish.grams_per_kwh) or site.grams_per_kwh,
    }
    return {name: value for name, value in found.items() if value is not None}


def _stated(value: float | None) -> Quantity | None:
    return None if value is None else about(value, STATED_RATIO, "as stated, 5 % either way")


def _given(value: float | None) -> Quantity | None:
    return None if value is None else exact(value, "as stated")


def _mfu(site: Site) -> Quantity:
    """No run computes more than its tensor cores are active: where the site's own jobs stay below the usual, they count."""
    measured = site.tensor_active
    return measured if measured is not None and measured.value < MFU.value else MFU


def _flops(wish: Wish) -> float:
    return wish.flops_factor * wish.parameters * wish.tokens


def _days(wish: Wish, gpu: Board, constants: Mapping[str, Quantity], cap_watts: float | None) -> Quantity:
    pace = (constants["mfu"], constants["progress"], capping.throughput(gpu, cap_watts))
    return product(over=pace).times(_flops(wish) / (wish.gpus * gpu.peak_flops * 86_400))


def _watts(constants: Mapping[str, Quantity], cap_watts: float | None) -> Quantity:
    """Of one GPU and its share of everything round it. A cap lowers the GPU's part only: fans and hosts stay as they are."""
    free, ratio = constants["gpu_watts"], constants["node_ratio"]
    around = Quantity(
        value=free.value * (ratio.value - 1),
        low=free.value * max(ratio.low - 1, 0.02),
        high=free.value * max(ratio.high - 1, 0.03),
    )
    device = capping.drawn(free, cap_watts)
    return product(total(device, around) if ratio.value > 1 else device, constants["fabric"])


def _capped(wish: Wish, gpu: Board, constants: Mapping[str, Quantity], share: float) -> Capped:
    cap = share * gpu.limit_watts
    days = _days(wish, gpu, constants, cap)
    return Capped(cap_watts=cap, days=days, energy_joules=product(days, _watts(constants, cap)).times(wish.gpus * 86_400))


def _notes(site: Site, constants: Mapping[str, Quantity]) -> Iterator[str]:
    mfu = constants["mfu"].value
    if mfu > HIGH_MFU:
        yield f"An MFU of {mfu:.0%} is above what public runs reach (35 to 45 % on H100): read the days as the best case."
    if site.tensor_active is not None and mfu > site.tensor_active.value:
        active = f"{site.tensor_active.value:.0%}"
        yield f"The site's own jobs kept the tensor cores active for {active} of the time; no MFU can be above that."
    yield from (text for name, text in _MISSING.items() if name not in constants)


_MISSING = {
    "pue": "No PUE is known, so the building's cooling is in none of the figures.",
    "price_per_kwh": "No price is known, so there is no cost; state one, or set energy.tariff.",
    "grams_per_kwh": "No carbon intensity is known, so there is no carbon; state one, or set energy.carbon.",
}
