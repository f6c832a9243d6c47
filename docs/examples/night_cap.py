"""Less power by night: GPUs of some racks at 70 % of their default limit from 22:00 to 06:00, at the weekend until 08:00.

    WATTSTAT_TOKEN=... python night_cap.py 'r[01-04]' --percent 70 --timezone Europe/Berlin

Run it again with other numbers, and it saves the next version. Less power holds at once; more waits for a second person.
"""

from __future__ import annotations

import argparse

from wattstat.client import Wattstat, WattstatError


def policy(racks: str, percent: float, timezone: str) -> dict:
    """What is wanted, in the words of policies.yaml."""
    week = {"days": ["sun", "mon", "tue", "wed", "thu"], "start": "22:00", "end": "06:00"}
    weekend = {"days": ["fri", "sat"], "start": "22:00", "end": "08:00"}
    return {
        "name": "night-cap",
        "owner": "facility",
        "reason": "Half of the chillers are serviced by night",
        "mode": "enforce",
        "scope": {"rack": racks},
        "ask": {"gpu_cap": {"percent": percent}},
        "when": {"schedule": {"timezone": timezone, "spans": [week, weekend]}},
    }


def main() -> None:
    """Show what would be different, then save and enable it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("racks", help="racks, such as r01 or r[01-04]")
    parser.add_argument("--percent", type=float, default=70)
    parser.add_argument("--timezone", default="UTC")
    parser.add_argument("--url", default="http://127.0.0.1:8050")
    parser.add_argument("--yes", action="store_true", help="save and enable it, not only show")
    given = parser.parse_args()

    site = Wattstat(given.url)
    wanted = policy(given.racks, given.percent, given.timezone)
    shown = site.save(wanted, dry_run=True)["preview"]
    print(f"Once it holds: {shown['lowered']} caps lower, {shown['raised']} higher; jobs touched: {shown['jobs'] or 'none'}")
    if not given.yes:
        print("Nothing was saved; --yes saves it.")
        return
    saved = site.save(wanted)
    if saved["waits_for"]:
        print(f"{saved['waits_for']['what']} waits for a second person: {saved['waits_for']['reason']}")
    else:
        print(f"night-cap version {site.enable('night-cap')['version']} is in force by night.")


if __name__ == "__main__":
    try:
        main()
    except WattstatError as error:
        raise SystemExit(str(error)) from None
