"""The public calls about power: budgets, policies, holds, emergencies, the trail. Core decides; web says who asks."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from wattstat.api.power_calls import PowerCalls


def router(power: PowerCalls) -> APIRouter:
    """All routes."""
    routes = APIRouter(prefix="/api/power", tags=["power"])

    @routes.get("/status", summary="Mode, budgets, devices and what binds them now")
    async def status() -> dict[str, Any]:
        return await power.get("status")

    return routes
