"""How the public calls ask the ledger: what has no sense, or cannot be answered now, becomes a problem document."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from fastapi import Request

from wattstat.api.energy import LedgerUnavailable, NoSuchNode
from wattstat.api.problems import Problem

Answer = TypeVar("Answer")


def asked(question: Callable[[], Answer]) -> Answer:
    """The answer. Raises `Problem`: a question that has no sense is the caller's mistake, a silent database nobody's."""
    try:
        return question()
    except NoSuchNode as err:
        raise Problem(404, "No such node", str(err)) from err
    except ValueError as err:
        raise Problem(400, "No such question", str(err)) from err
    except LedgerUnavailable as err:
        raise Problem(503, "The ledger is not available", str(err)) from err


def only_known(request: Request) -> None:
    """A dependency of all routes. Raises `Problem`: a misspelt filter that is let through is a wrong bill."""
    known = sorted(each.alias for each in request.scope["route"].dependant.query_params)
    unknown = sorted(request.query_params.keys() - set(known))
    if unknown:
        names = ", ".join(repr(name[:80]) for name in unknown[:5])
        raise Problem(400, "No such parameter", f"unknown: {names}; expected only {', '.join(known)}")
