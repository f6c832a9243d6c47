"""Entry point of the `wattstat` command.

What a job's start has to wait for is answered before anything is imported: typer alone takes longer than a prolog may.
"""

from __future__ import annotations

import sys

_HURRIED = ("slurm-prolog", "slurm-epilog", "boundary")


def main() -> None:
    """Run the command line."""
    arguments = sys.argv[1:]
    if arguments and arguments[0] in _HURRIED and "--help" not in arguments:
        from wattstat.prolog import main as hurried_main  # noqa: PLC0415 - only what is needed is imported

        hurried_main(arguments)
    from wattstat.cli import main as cli_main  # noqa: PLC0415

    cli_main()
