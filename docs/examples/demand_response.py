"""The grid asks for less: a quarter off the whole site for three hours, announced ten minutes before.

    WATTSTAT_TOKEN=... python demand_response.py 2026-07-01T14:00:00Z --minutes 180 --reduction 25 --yes

Power is measured before the notice, and is down a minute before the event begins. Who loses watts follows the priorities.
"""

from __future__ import annotations

import argparse
from datetime import datetime

from wattstat.client import Wattstat, WattstatError


def main() -> None:
    """Make the event from the predefined policy, show it, save and enable it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("start", type=datetime.fromisoformat, help="when it begins, with its time zone: 2026-07-01T14:00:00Z")
    parser.add_argument("--minutes", type=float, default=180)
    parser.add_argument("--reduction", type=float, default=25, help="percent")
    parser.add_argument("--notice", type=float, default=10, help="minutes before the start")
    parser.add_argument("--url", default="http://127.0.0.1:8050")
    parser.add_argument("--yes", action="store_true", help="save and enable it, not only show")
    given = parser.parse_args()
    if given.start.tzinfo is None:
        parser.error("start has no time zone; write Z or +02:00 behind it")

    site = Wattstat(given.url)
    event = site.make(
        "demand-response",
        owner="facility",
        name=f"dr-{given.start:%Y%m%d-%H%M}",
        mode="enforce",
        parameters={
            "start": given.start.isoformat(),
            "minutes": given.minutes,
            "reduction_percent": given.reduction,
            "notice_minutes": given.notice,
        },
    )
    shown = site.save(event, dry_run=True)["preview"]
    for lack in shown["deficits"]:
        print(f"{lack['limit']} would lack {lack['deficit_watts']:,.0f} W")
    if not given.yes:
        print(f"{event['name']} can be saved; nothing was done, --yes does it.")
        return
    site.save(event)
    print(f"{event['name']} is {site.enable(event['name'])['state']}; it ends by itself.")


if __name__ == "__main__":
    try:
        main()
    except WattstatError as error:
        raise SystemExit(str(error)) from None
