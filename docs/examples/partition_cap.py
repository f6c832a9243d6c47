"""A cap for each partition of Slurm (or namespace of Kubernetes), from a small table.

    WATTSTAT_TOKEN=... python partition_cap.py debug=350 inference=400 training=700 --yes

A GPU that no job of these partitions holds keeps its own limit. Run it again after a change: what is the same stays.
"""

from __future__ import annotations

import argparse

from wattstat.client import Wattstat, WattstatError


def policy(partition: str, watts: float) -> dict:
    """What is wanted, in the words of policies.yaml."""
    return {
        "name": f"partition-{partition}",
        "owner": "hpc",
        "reason": f"Work in {partition} needs no more than {watts:g} W a GPU",
        "mode": "enforce",
        "scope": {"partition": partition},
        "ask": {"gpu_cap": {"watts": watts}},
    }


def entry(text: str) -> tuple[str, float]:
    """`training=700` as partition and watts."""
    partition, _, watts = text.partition("=")
    return partition, float(watts)


def main() -> None:
    """Show all that is new or changed, then save and enable it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("caps", nargs="+", type=entry, metavar="PARTITION=WATTS")
    parser.add_argument("--url", default="http://127.0.0.1:8050")
    parser.add_argument("--yes", action="store_true", help="save and enable them, not only show")
    given = parser.parse_args()

    site = Wattstat(given.url)
    wanted = [policy(partition, watts) for partition, watts in given.caps]
    shown = site.preview(*wanted)["preview"]
    print(f"With all of them in force: {shown['lowered']} caps lower, {shown['raised']} higher.")
    for each in shown["changes"]:
        print(f"  {each['device']}: {each['before_watts']:g} W -> {each['after_watts']:g} W ({each['why']})")
    if not given.yes:
        print("Nothing was done; --yes does it.")
        return
    for each in wanted:
        saved = site.save(each)
        if saved["waits_for"]:
            print(f"{each['name']}: {saved['waits_for']['what']} waits for a second person: {saved['waits_for']['reason']}")
        else:
            print(f"{each['name']} is {site.enable(each['name'])['state']}{', as it was' if saved['unchanged'] else ''}.")


if __name__ == "__main__":
    try:
        main()
    except WattstatError as error:
        raise SystemExit(str(error)) from None
