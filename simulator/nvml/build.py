"""Builds the C library with the machine's compiler, or else with the one in PyPI's `ziglang` wheel."""

from __future__ import annotations

import ctypes
import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from simulator.nvml.layout import c_header

SONAME = "libnvidia-ml.so.1"
STATE_VARIABLE = "WATTSTAT_SIM_NVML_STATE"
SOURCES = Path(__file__).parent / "library"


class BuildError(RuntimeError):
    """The library could not be built; the message says what is missing and how to get it."""


def build(directory: Path | None = None, *, sources: Path = SOURCES) -> Path:
    """Build the library unless it is there already. Returns its folder, for LD_LIBRARY_PATH.

    Without a directory it goes to the user's cache. What was built from other sources is never taken for this one.
    """
    layout = c_header()
    files = sorted(sources.glob("*.[ch]"))
    header = nvml_header()
    digest = hashlib.sha256(layout.encode())
    for path in (*files, header):
        digest.update(path.read_bytes())
    folder = (directory or _cache()) / f"nvml-{digest.hexdigest()[:16]}"
    target = folder / SONAME
    if target.exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "layout.h").write_text(layout, encoding="utf-8")
    fresh = folder / f".{SONAME}.{os.getpid()}"
    flags = ["-shared", "-fPIC", "-O2", "-std=gnu11", "-Wall", "-Wextra", "-pthread", f"-Wl,-soname,{SONAME}"]
    includes = [f"-I{folder}", f"-I{header.parent}"]
    units = [str(path) for path in files if path.suffix == ".c"]
    command = [*compiler(), *flags, *includes, *units, "-o", str(fresh)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own command
    if done.returncode != 0:
        raise BuildError(f"building {SONAME} failed: {' '.join(command)}\n{done.stderr}")
    fresh.replace(target)
    return folder


def environment(library: Path, state: Path) -> dict[str, str]:
    """The variables that make a process load the library and find its state."""
    inherited = os.environ.get("LD_LIBRARY_PATH", "")
    return {
        "LD_LIBRARY_PATH": f"{library}:{inherited}" if inherited else str(library),
        STATE_VARIABLE: str(state),
    }


def preload(library: Path) -> None:
    """Load the library into this process: who asks for it by name later gets this one. State is found at each `nvmlInit`."""
    ctypes.CDLL(str(library / SONAME), mode=ctypes.RTLD_GLOBAL)


def compiler() -> list[str]:
    """The command of a C compiler."""
    for name in (os.environ.get("CC", ""), "cc", "gcc", "clang"):
        if name and shutil.which(name):
            return [name]
    if importlib.util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc"]
    raise BuildError("no C compiler: install gcc, or `pip install ziglang`")


def nvml_header() -> Path:
    """Where the package nvidia-nvml-dev has put nvml.h."""
    found = next(_headers(), None)
    if found is None:
        raise BuildError("nvml.h is missing: `pip install nvidia-nvml-dev`")
    return found


def _headers() -> Iterator[Path]:
    for distribution in importlib.metadata.distributions():
        name = str(distribution.metadata["Name"] or "").lower()
        if name.startswith("nvidia-nvml-dev"):
            for file in distribution.files or ():
                if file.name == "nvml.h":
                    yield Path(str(distribution.locate_file(file)))


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wattstat"
