"""An emergency drill for one rack: how many seconds until every GPU in it confirms its lowest limit?

    WATTSTAT_TOKEN=... python emergency_drill.py r01

You must type the rack's name, for this is no rehearsal: jobs there run at their slowest until the drill is over, and caps rise
slowly after it. It ends by itself after five minutes, even if this script dies.
"""

from __future__ import annotations

import argparse
import time

from wattstat.client import Wattstat, WattstatError


def confirmed(site: Wattstat, rack: str) -> tuple[int, int]:
    """How many GPUs of the rack confirm their lowest limit, and how many there are."""
    gpus = [each for each in site.status()["devices"] if each["rack"] == rack and each["device"] != each["node"]]
    lowest = [each for each in gpus if each["confirmed_watts"] is not None and each["confirmed_watts"] <= each["min_watts"] + 1]
    return len(lowest), len(gpus)


def main() -> None:
    """Show, ask, go down, measure, end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rack", help="name of the rack, such as r01")
    parser.add_argument("--confirm", help="the rack's name, typed again; asked for unless given")
    parser.add_argument("--within", type=float, default=60, help="seconds to wait at most")
    parser.add_argument("--url", default="http://127.0.0.1:8050")
    given = parser.parse_args()

    site, reason = Wattstat(given.url), "emergency drill"
    scope = f"rack/{given.rack}"
    tried = site.emergency(scope, reason, confirm="", dry_run=True)
    print(f"{tried['preview']['lowered']} caps would go down; jobs touched: {tried['preview']['jobs'] or 'none'}")
    word = given.confirm or input(f"Type {tried['confirm']} to begin the drill: ")

    drill = site.emergency(scope, reason, confirm=word, minutes=5)
    began, done, there = time.monotonic(), 0, 1
    try:
        while done < there and time.monotonic() - began < given.within:
            done, there = confirmed(site, given.rack)
            time.sleep(0 if done == there else 0.2)
        took = time.monotonic() - began
    finally:
        site.all_clear(drill["id"], "the drill is over")
    print(f"{done} of {there} GPUs confirmed their lowest limit within {took:.1f} s. All clear.")
    if not done or done < there:
        raise SystemExit(1)


if __name__ == "__main__":
    try:
        main()
    except WattstatError as error:
        raise SystemExit(str(error)) from None
