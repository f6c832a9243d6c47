"""Less power while it is dear: posts the market's price, and keeps a policy that looks at it.

    */5 * * * *  WATTSTAT_TOKEN=... python price_signal.py prices.csv --above 0.35 --yes

`prices.csv` is what your supplier or exchange gives: two columns, the beginning of each interval (RFC 3339) and the price of a
kilowatt-hour. A price counts for 20 minutes; when this script no longer runs, the policy ends by itself.
"""

from __future__ import annotations

import argparse
import csv
from datetime import UTC, datetime
from pathlib import Path

from wattstat.client import Wattstat, WattstatError

SIGNAL = "spot-price"


def policy(above: float, percent: float) -> dict:
    """What is wanted, in the words of policies.yaml."""
    return {
        "name": "dear-power",
        "owner": "finance",
        "reason": f"A kilowatt-hour over {above:g} costs more than it earns",
        "mode": "enforce",
        "ask": {"gpu_cap": {"percent": percent}},
        # Ends 10 % lower than it begins, so that a price at the threshold does not switch it on and off.
        "when": {"signal": {"name": SIGNAL, "above": above, "release": round(0.9 * above, 4), "hold_minutes": 15}},
    }


def price_at(file: Path, now: datetime) -> float:
    """The price of the interval that began last. Raises `SystemExit` where the file knows none."""
    begun = []
    with file.open(newline="", encoding="utf-8") as lines:
        for row in csv.reader(lines):
            try:
                at, price = datetime.fromisoformat(row[0]), float(row[1])
            except (ValueError, IndexError):
                continue  # a heading
            if at <= now:
                begun.append((at, price))
    if not begun:
        raise SystemExit(
            f"{file}: has no price for {now:%Y-%m-%dT%H:%MZ} or before; expected lines such as 2026-11-23T08:00:00Z,0.31"
        )
    return max(begun)[1]


def main() -> None:
    """Post the price; save the policy where it is new or its numbers are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prices", type=Path)
    parser.add_argument("--above", type=float, default=0.35, help="price from which on less is drawn")
    parser.add_argument("--percent", type=float, default=70, help="of each GPU's default limit")
    parser.add_argument("--url", default="http://127.0.0.1:8050")
    parser.add_argument("--yes", action="store_true", help="do it, not only show")
    given = parser.parse_args()

    site, wanted = Wattstat(given.url), policy(given.above, given.percent)
    price = price_at(given.prices, datetime.now(UTC))
    if not given.yes:
        lowered = site.save(wanted, dry_run=True)["preview"]["lowered"]
        print(f"The price is {price:g}. While it is over {given.above:g}: {lowered} caps lower. --yes does it.")
        return
    if not site.save(wanted)["unchanged"]:
        site.enable("dear-power")
    site.signal(SIGNAL, price, minutes=20)
    print(f"The price is {price:g}: {'over' if price > given.above else 'not over'} {given.above:g}.")


if __name__ == "__main__":
    try:
        main()
    except WattstatError as error:
        raise SystemExit(str(error)) from None
