"""Errors of the public API as RFC 9457 problem documents."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from wattstat.api.live import CoreUnavailable


class Problem(Exception):
    """What went wrong, for whoever called: HTTP status, a short title, and the detail (what was expected, what to do)."""

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title
        self.detail = detail


def problem_response(problem: Problem) -> JSONResponse:
    """A problem document."""
    document = {"type": "about:blank", "title": problem.title, "status": problem.status, "detail": problem.detail}
    return JSONResponse(document, status_code=problem.status, media_type="application/problem+json")


def install(app: FastAPI) -> None:
    """Answer `Problem` and an absent core with problem documents."""

    @app.exception_handler(Problem)
    async def _problem(_: Request, error: Problem) -> JSONResponse:
        return problem_response(error)

    @app.exception_handler(CoreUnavailable)
    async def _no_core(_: Request, error: CoreUnavailable) -> JSONResponse:
        return problem_response(Problem(503, "Core is not available", str(error)))
