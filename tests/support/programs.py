"""Real programs that tests drive: where they are, and what happens where they are not."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def missing(reason: str) -> NoReturn:
    """Skip the test and say why; fail it where CI is set: there nothing may be missing."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def required_program(name: str, *, package: str) -> str:
    """The program's path. Where it is absent the test skips and names the Debian package; where CI is set it fails."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")  # where a user's search path may not lead
    if found is None:
        missing(f"{name} is not installed (Debian package {package})")
    return found
