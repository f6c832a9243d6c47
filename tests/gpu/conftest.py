"""Tests of this folder need a real NVIDIA GPU. Where there is none, as on most machines, they are not collected at all."""

from __future__ import annotations

import shutil
import subprocess


def has_gpu() -> bool:
    """Whether nvidia-smi lists a GPU."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return False
    listed = subprocess.run([program, "-L"], capture_output=True, text=True, check=False, timeout=60)
    return listed.returncode == 0 and "GPU 0" in listed.stdout


collect_ignore_glob = [] if has_gpu() else ["test_*.py"]
