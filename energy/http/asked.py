"""How the public calls ask the ledger: what it refuses, or cannot answer now, becomes a problem document."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

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
