"""Work on thousands of alerts goes to a thread, so that the event loop answers everybody else meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

HERE = 100
"""Up to so many are worked on where they are: a thread would cost more."""

Given = ParamSpec("Given")
Found = TypeVar("Found")


async def aside(size: int, work: Callable[Given, Found], *args: Given.args, **kwargs: Given.kwargs) -> Found:
    """What `work` gives; in a thread when it is about many."""
    if size <= HERE:
        return work(*args, **kwargs)
    return await asyncio.to_thread(work, *args, **kwargs)
