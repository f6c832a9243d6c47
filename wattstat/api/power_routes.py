"""The public calls about power: budgets, policies, holds, emergencies, the trail. Core decides; web says who asks.

Every call that acts takes `dry_run=true`: then it only tells the difference that it would make.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Annotated, Any, Literal, Protocol
from urllib.parse import quote

from fastapi import APIRouter, Body, Path, Query

from wattstat.access import Role
from wattstat.api import power_shapes as shapes
from wattstat.api.power_bodies import (
    Approval,
    CheckpointBody,
    EmergencyBody,
    GiveBackBody,
    HoldBody,
    MakeBody,
    PreviewBody,
    SignalBody,
    SimulateBody,
    Why,
)
from wattstat.api.power_calls import PowerCalls
from wattstat.api.problems import Problem

DryRun = Annotated[bool, Query(description="Only tell what would be different.")]
Name = Annotated[str, Path(description="Name of the policy.", max_length=64)]
Number = Annotated[int, Path(description="Its number, as the list has it.")]
Reason = Annotated[str, Query(description="Why; a few words for the trail.", min_length=1, max_length=500)]


class Rehearse(Protocol):
    """Whoever lets policies run on the site's past. Raises `Problem`."""

    def __call__(self, policies: Sequence[Mapping[str, Any]], days: float) -> Awaitable[dict[str, Any]]: ...


def router(power: PowerCalls, rehearse: Rehearse | None = None) -> APIRouter:
    """All routes. `rehearse`: None where there is no history to rehearse on."""
    routes = APIRouter(prefix="/api/power", tags=["power"])
    routes.include_router(_reading(power))
    routes.include_router(_policies(power))
    routes.include_router(_pins(power))
    routes.include_router(_telling(power))
    routes.include_router(_rehearsing(power, rehearse))
    return routes


def _reading(power: PowerCalls) -> APIRouter:
    routes = APIRouter()

    @routes.get("/status", summary="Mode, budgets, devices and what binds them now", responses=shapes.STATUS)
    async def status() -> dict[str, Any]:
        """A budget's `envelope_watts` is what it would carry if every device drew all that its confirmed cap lets it."""
        return await power.get("status")

    @routes.get("/audit", summary="The trail: who did what to which device, and why; the newest first", responses=shapes.AUDIT)
    async def audit(
        kind: Annotated[str, Query(description="Only records of this kind, such as order.")] = "",
        device: Annotated[str, Query(description="Only of this server and its GPUs, or of one GPU: node/uuid.")] = "",
        caller: Annotated[str, Query(description="Only of this caller; a page may then hold fewer than asked for.")] = "",
        limit: Annotated[int, Query(ge=1, le=1000, description="How many on a page.")] = 100,
        cursor: Annotated[str, Query(description="The `next` of the page before.")] = "",
    ) -> dict[str, Any]:
        """Every record names the hash of the one before it. `total` is null: nobody counts a trail to show a page of it."""
        asked = {"kind": kind, "device": device, "caller": caller, "limit": limit, "cursor": cursor}
        return await power.get("audit", asked)

    @routes.get("/audit/verify", summary="Whether the trail is as it was written", responses=shapes.VERIFIED)
    async def verify() -> dict[str, Any]:
        return await power.get("audit/verify")

    return routes


def _policies(power: PowerCalls) -> APIRouter:
    routes = APIRouter()

    @routes.get("/policies", summary="All policies", responses=shapes.POLICIES)
    async def policies(
        state: Annotated[Literal["", "draft", "approved", "enabled", "expired"], Query(description="Only in this state.")] = "",
    ) -> dict[str, Any]:
        return await power.get("policies", {"state": state})

    @routes.get("/policies/{name}", summary="One policy with its versions", responses=shapes.POLICY)
    async def policy(
        name: Name, version: Annotated[int | None, Query(description="Another version than the one that counts.")] = None
    ) -> dict[str, Any]:
        return await power.get(_path(name), {"version": version})

    @routes.post("/preview", summary="What would be different", description=_needs(Role.VIEWER), responses=shapes.PREVIEW)
    async def preview(body: PreviewBody) -> dict[str, Any]:
        return await power.ask("POST", "preview", body=body.model_dump(mode="json"))

    @routes.post("/policies", summary="Save a policy", description=_needs(Role.AUTHOR), responses=shapes.SAVED)
    @routes.put("/policies/{name}", summary="Save a version", description=_needs(Role.AUTHOR), responses=shapes.SAVED)
    async def save(
        body: Annotated[dict[str, Any], Body(description="The policy, with the words of policies.yaml.")],
        *,
        name: str = "",
        expected: Annotated[int | None, Query(description="The newest version that you have seen; another refuses.")] = None,
        dry_run: DryRun = False,
    ) -> dict[str, Any]:
        return await power.ask(
            "PUT", _path(name or str(body.get("name", "-"))), params={"expected": expected, "dry_run": dry_run}, body=body
        )

    @routes.delete("/policies/{name}", summary="End a policy", description=_needs(Role.AUTHOR), responses=shapes.SAVED)
    async def end(name: Name, reason: Reason, *, dry_run: DryRun = False) -> dict[str, Any]:
        return await power.ask("DELETE", _path(name), params={"dry_run": dry_run, "reason": reason})

    @routes.post(
        "/policies/{name}/approve",
        summary="Approve what somebody else asked for",
        description=_needs(Role.APPROVER),
        responses=shapes.SAVED,
    )
    async def approve(name: Name, body: Approval, *, dry_run: DryRun = False) -> dict[str, Any]:
        return await _act(power, name, "approve", dry_run, body.model_dump(exclude_none=True))

    @routes.post("/policies/{name}/reject", summary="Turn it down", description=_needs(Role.APPROVER), responses=shapes.SAVED)
    async def reject(name: Name, body: Why, *, dry_run: DryRun = False) -> dict[str, Any]:
        return await _act(power, name, "reject", dry_run, body.model_dump())

    @routes.post(
        "/policies/{name}/enable", summary="Put it in force", description=_needs(Role.OPERATOR), responses=shapes.SAVED
    )
    async def enable(name: Name, *, dry_run: DryRun = False) -> dict[str, Any]:
        return await _act(power, name, "enable", dry_run, None)

    @routes.post(
        "/policies/{name}/disable", summary="Take it out of force", description=_needs(Role.OPERATOR), responses=shapes.SAVED
    )
    async def disable(name: Name, body: Why, *, dry_run: DryRun = False) -> dict[str, Any]:
        return await _act(power, name, "disable", dry_run, body.model_dump())

    return routes


def _pins(power: PowerCalls) -> APIRouter:
    routes = APIRouter()

    @routes.get("/hold", summary="The holds", responses=shapes.HOLDS)
    async def holds() -> dict[str, Any]:
        return await power.get("hold")

    @routes.post("/hold", summary="Pin devices at watts", description=_needs(Role.OPERATOR), responses=shapes.HOLD)
    async def hold(body: HoldBody, *, dry_run: DryRun = False) -> dict[str, Any]:
        return await power.ask("POST", "hold", params={"dry_run": dry_run}, body=body.model_dump())

    @routes.delete("/hold/{number}", summary="Release a hold", description=_needs(Role.OPERATOR), responses=shapes.HOLD)
    async def release(number: Number, reason: Reason, *, dry_run: DryRun = False) -> dict[str, Any]:
        return await power.ask("DELETE", f"hold/{number}", params={"dry_run": dry_run, "reason": reason})

    @routes.post(
        "/hold/{number}/approve",
        summary="Approve another person's hold",
        description=_needs(Role.APPROVER),
        responses=shapes.HOLD,
    )
    async def approve_hold(number: Number, *, dry_run: DryRun = False) -> dict[str, Any]:
        return await power.ask("POST", f"hold/{number}/approve", params={"dry_run": dry_run})

    @routes.post(
        "/give-back",
        summary="Give devices what their operator had set, where nothing is enforced any more",
        description=_needs(Role.APPROVER),
        responses=shapes.GIVEN,
    )
    async def give_back(body: GiveBackBody, *, dry_run: DryRun = False) -> dict[str, Any]:
        return await power.ask("POST", "give-back", params={"dry_run": dry_run}, body=body.model_dump())

    @routes.get("/emergency", summary="The emergencies that are on", responses=shapes.EMERGENCIES)
    async def emergencies() -> dict[str, Any]:
        return await power.get("emergency")

    @routes.post("/emergency", summary="Lowest limits at once", description=_needs(Role.OPERATOR), responses=shapes.EMERGENCY)
    async def emergency(body: EmergencyBody, *, dry_run: DryRun = False) -> dict[str, Any]:
        return await power.ask("POST", "emergency", params={"dry_run": dry_run}, body=body.model_dump())

    @routes.delete("/emergency/{number}", summary="All clear", description=_needs(Role.OPERATOR), responses=shapes.EMERGENCY)
    async def all_clear(number: Number, reason: Reason, *, dry_run: DryRun = False) -> dict[str, Any]:
        return await power.ask("DELETE", f"emergency/{number}", params={"dry_run": dry_run, "reason": reason})

    return routes


def _telling(power: PowerCalls) -> APIRouter:
    routes = APIRouter()

    @routes.get("/signals", summary="The numbers that were posted and count now", responses=shapes.SIGNALS)
    async def signals() -> dict[str, Any]:
        return await power.get("signals")

    @routes.put(
        "/signals/{name}",
        summary="Post a number that policies look at",
        description=_needs(Role.OPERATOR),
        responses=shapes.SIGNAL,
    )
    async def signal(name: Name, body: SignalBody) -> dict[str, Any]:
        return await power.ask("PUT", f"signals/{quote(name, safe='')}", body=body.model_dump())

    @routes.post(
        "/checkpoint",
        summary="A job writes a checkpoint: no planned cut meanwhile",
        description=_needs(Role.OPERATOR),
        responses=shapes.CHECKPOINT,
    )
    async def checkpoint(body: CheckpointBody) -> dict[str, Any]:
        return await power.ask("POST", "checkpoint", body=body.model_dump())

    @routes.get("/predefined", summary="Policies that people know by name", responses=shapes.PREDEFINED)
    async def predefined() -> dict[str, Any]:
        return await power.get("predefined")

    @routes.post(
        "/predefined/{name}", summary="Make one; nothing is saved", description=_needs(Role.VIEWER), responses=shapes.MADE
    )
    async def make(name: Name, body: MakeBody) -> dict[str, Any]:
        return await power.ask("POST", f"predefined/{quote(name, safe='')}", body=body.model_dump(mode="json"))

    return routes


def _rehearsing(power: PowerCalls, rehearse: Rehearse | None) -> APIRouter:
    routes = APIRouter()

    async def rehearsed(policies: Sequence[Mapping[str, Any]], body: SimulateBody) -> dict[str, Any]:
        if rehearse is None:
            raise Problem(501, "No rehearsals here", "this web process has nothing to rehearse on")
        return await rehearse(policies, body.days)

    @routes.post(
        "/policies/{name}/simulate",
        summary="What a saved policy would have done",
        description=_needs(Role.OPERATOR),
        responses=shapes.REHEARSED,
    )
    async def simulate(
        name: Name,
        body: SimulateBody,
        version: Annotated[int | None, Query(description="Another version than the one that counts.")] = None,
    ) -> dict[str, Any]:
        found = await power.get(_path(name), {"version": version})
        return await rehearsed([found["policy"]], body)

    @routes.post(
        "/simulate",
        summary="What policies that are not saved would have done",
        description=_needs(Role.OPERATOR),
        responses=shapes.REHEARSED,
    )
    async def try_out(body: SimulateBody) -> dict[str, Any]:
        return await rehearsed(body.policies, body)

    return routes


async def _act(power: PowerCalls, name: str, act: str, dry_run: bool, body: Any) -> dict[str, Any]:
    return await power.ask("POST", f"{_path(name)}/{act}", params={"dry_run": dry_run}, body=body)


def _path(name: str) -> str:
    return f"policies/{quote(name, safe='')}"


def _needs(role: Role) -> str:
    return f"Needs the role {role.name.lower()}."
