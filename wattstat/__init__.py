"""Wattstat: every watt and every joule of a GPU cluster, who used them, and how to keep them under budget."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("wattstat")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0+unknown"
