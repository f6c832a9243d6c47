"""`python -m simulator`: run a simulated hall until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
from pathlib import Path

from simulator.live import Options, run


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(
        prog="python -m simulator", description="A simulated hall behind the devices' own protocols."
    )
    parser.add_argument("--dir", type=Path, required=True, help="where configuration, inventory, state and history are written")
    parser.add_argument("--nodes", type=int, default=16, help="servers, in the proportions of the reference mix")
    parser.add_argument("--seed", type=int, default=4, help="the same seed gives the same hall, jobs and noise")
    parser.add_argument(
        "--web", default="127.0.0.1:8050", help="address that the written wattstat.yaml gives to the web process"
    )
    parser.add_argument("--history-hours", type=float, default=24, help="hours of history to write (0: none)")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds that every BMC answer takes")
    parser.add_argument("--bmc-only", action="store_true", help="only BMCs: no NVML, RAPL, agents or history")
    parser.add_argument("--no-jobs", action="store_true", help="no jobs of its own: they come over the control API")
    parser.add_argument("--model", default="", help="all servers of this model (xe9680, xe8640, r760xa-l40, r760xa-l4, r660)")
    parser.add_argument("--prefix", default="", help="call the servers by this and a number: gpu gives gpu01, gpu02 ...")
    parser.add_argument("--mig", action="append", default=[], metavar="NODE", help="cut the GPUs of this server by MIG")
    parser.add_argument("--core-port", type=int, default=0, help="port of core in the written wattstat.yaml (0: a free one)")
    given = parser.parse_args()
    options = Options(
        directory=given.dir.resolve(),
        nodes=given.nodes,
        seed=given.seed,
        web=given.web,
        history_hours=0 if given.bmc_only else given.history_hours,
        latency_seconds=given.latency,
        bmc_only=given.bmc_only,
        jobs=not given.no_jobs,
        model=given.model,
        prefix=given.prefix,
        mig=tuple(given.mig),
        core_port=given.core_port,
    )
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_until_told(options))


async def _until_told(options: Options) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await run(options, stop)


if __name__ == "__main__":
    main()
