"""Errors of the public API as RFC 9457 problem documents."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from wattstat.api.alerts import AlertsUnavailable
from wattstat.api.live import CoreUnavailable


class Problem(Exception):
    """What went wrong, for whoever called: HTTP status, a short title, and the detail (what was expected, what to do)."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        """`more` are further members of the document."""
        super().__init__(detail)
        self.status = status
        self.title = title
        self.detail = detail
        self.headers = headers
        self.more = dict(more or {})


def problem_response(problem: Problem, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """A problem document."""
    told = {"type": "about:blank", "title": problem.title, "status": problem.status, "detail": problem.detail}
    document = {**told, **problem.more}
    return JSONResponse(
        document, status_code=problem.status, media_type="application/problem+json", headers=headers or problem.headers
    )


def install(app: FastAPI) -> None:
    """Answer `Problem`, what no route answers, bad parameters, and an absent core with problem documents."""

    @app.exception_handler(Problem)
    async def _problem(_: Request, error: Problem) -> JSONResponse:
        return problem_response(error)

    @app.exception_handler(HTTPException)
    async def _no_such_call(request: Request, error: HTTPException) -> JSONResponse:
        title = HTTPStatus(error.status_code).phrase
        detail = str(error.detail)
        if detail == title:  # nobody said more
            allowed = (error.headers or {}).get("Allow")
            expected = f"expected {allowed}" if allowed else "/api/docs lists the calls"
            detail = f"{request.method} {request.url.path[:200]} is not answered here; {expected}"
        return problem_response(Problem(error.status_code, title, detail), error.headers)

    @app.exception_handler(RequestValidationError)
    async def _bad_parameter(_: Request, error: RequestValidationError) -> JSONResponse:
        # Name, what was expected, what came: as FastAPI found them out.
        found = [f"{each['loc'][-1]}: {_complaint(each)}" for each in error.errors()]
        return problem_response(Problem(422, "Not understood", "; ".join(found)))

    @app.exception_handler(AlertsUnavailable)
    async def _no_alerts(_: Request, error: AlertsUnavailable) -> JSONResponse:
        return problem_response(Problem(503, "Alerts are not available", str(error)))

    @app.exception_handler(CoreUnavailable)
    async def _no_core(_: Request, error: CoreUnavailable) -> JSONResponse:
        return problem_response(Problem(503, "Core is not available", str(error)))


def _complaint(error: dict[str, Any]) -> str:
    if error["type"] == "missing":
        return "is missing; expected a value"
    return f"{error['msg']}; got {str(error.get('input'))[:80]!r}"
