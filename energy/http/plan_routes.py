"""The public call for plans; what the site's jobs teach is kept for a while, so that trying out figures is quick."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response

from energy.http import plan_wire, shapes
from energy.http.asked import asked
from energy.plans import learning
from energy.plans.boards import KEYS, Board, board
from energy.plans.plan import Plan, Site, Wish, plan
from wattstat import units
from wattstat.api.energy import EnergyReports
from wattstat.config.energy import Energy

KEEP_SECONDS = 600.0

Figure = float | None


def router(reports: EnergyReports, settings: Energy, clock: Callable[[], float]) -> APIRouter:
    """The route."""
    routes = APIRouter()
    lessons = _Lessons(reports, settings, clock)

    @routes.get("/api/plan", summary="What a training run will take: days, energy, cost, carbon", responses=shapes.PLAN)
    def plans(
        *,
        parameters: Annotated[str, Query(description="Parameters of the model: 175e9 or 175B.")],
        tokens: Annotated[str, Query(description="Tokens that it is trained on: 300e9 or 300B.")],
        gpu: Annotated[str, Query(description=f"GPU model: {', '.join(KEYS)}.")] = "h100-sxm",
        gpus: Annotated[int, Query(ge=1, description="How many GPUs.")] = 8,
        mfu: Annotated[Figure, Query(description="Model FLOPs utilization, 0 to 1.")] = None,
        progress: Annotated[Figure, Query(description="Share of the time that makes progress, 0 to 1.")] = None,
        cap_watts: Annotated[Figure, Query(description="Power limit of each GPU.")] = None,
        gpu_watts: Annotated[Figure, Query(description="What a GPU draws at work without a limit.")] = None,
        node_ratio: Annotated[Figure, Query(description="A server's power over its GPUs' power, such as 1.5.")] = None,
        flops_factor: Annotated[float, Query(description="FLOPs for a parameter and token.")] = 6.0,
        pue: Annotated[Figure, Query(description="The building's power usage effectiveness.")] = None,
        price: Annotated[Figure, Query(description="Price of a kilowatt-hour.")] = None,
        currency: Annotated[str, Query(description="Its currency.")] = "",
        grams_per_kwh: Annotated[Figure, Query(description="Grams of carbon dioxide for a kilowatt-hour.")] = None,
    ) -> Response:
        """What is not given is learnt from the site's own finished jobs on such GPUs, else taken from published figures.

        Every figure has a 90 % interval; `constants` says where each number comes from.
        """

        def answer() -> tuple[Wish, Plan]:
            wish = Wish(
                parameters=units.amount(parameters, "parameters"),
                tokens=units.amount(tokens, "tokens"),
                gpu=gpu,
                gpus=gpus,
                flops_factor=flops_factor,
                mfu=mfu,
                progress=progress,
                cap_watts=cap_watts,
                gpu_watts=gpu_watts,
                node_ratio=node_ratio,
                pue=pue,
                price_per_kwh=price,
                currency=currency,
                grams_per_kwh=grams_per_kwh,
            )
            return wish, plan(wish, lessons.of(board(gpu)))

        return JSONResponse(plan_wire.told(*asked(answer)))

    return routes


class _Lessons:
    """What was learnt for each board, for ten minutes."""

    def __init__(self, reports: EnergyReports, settings: Energy, clock: Callable[[], float]) -> None:
        self._reports, self._settings, self._clock = reports, settings, clock
        self._learnt: dict[str, tuple[float, Site]] = {}
        self._lock = threading.Lock()

    def of(self, gpu: Board) -> Site:
        now = self._clock()
        # One learns at a time: the others wait for what it finds.
        with self._lock:
            at, site = self._learnt.get(gpu.key, (float("-inf"), Site()))
            if not 0 <= now - at < KEEP_SECONDS:
                site = learning.learn(self._reports, gpu, self._settings, now)
                self._learnt[gpu.key] = now, site
        return site
