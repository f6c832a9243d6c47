"""Where the recorded answers of real devices are; they are not part of the repository."""

import os
from pathlib import Path

from tests.support.programs import missing

ROOT = Path(os.environ.get("WATTSTAT_SAMPLES", Path(__file__).parents[2].parent / "shared"))


def samples(*parts: str) -> Path:
    """A path among the samples. Skips the test where they are not there, fails it where `CI` is set."""
    path = ROOT.joinpath(*parts)
    if not path.exists():
        missing(f"no recorded samples at {path}; set WATTSTAT_SAMPLES to the directory that holds them")
    return path
