"""Wattstat: every watt and every joule of a GPU cluster, who used them, and how to keep them under budget."""


def __getattr__(name: str) -> str:
    """`__version__`, looked up when it is asked for: that costs more than a prolog has time for."""
    if name != "__version__":
        raise AttributeError(f"module 'wattstat' has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

    try:
        return version("wattstat")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "0+unknown"
