"""Real programs that tests drive: where they are, and what happens where they are not."""

from __future__ import annotations

import os
import shutil

import pytest


def required_program(name: str, *, package: str) -> str:
    """The program's path. Where it is absent the test skips and names the Debian package; where CI is set it fails."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")  # where a user's search path may not lead
    if found is None:
        reason = f"{name} is not installed (Debian package {package})"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found
