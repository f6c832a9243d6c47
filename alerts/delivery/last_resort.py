"""`python -m alerts.delivery.last_resort`: sends one message to an Apprise address. Both come on standard input, as JSON.

A process of its own: the supervisor that starts it must not carry what speaks to a hundred services.
"""

from __future__ import annotations

import json
import sys

from alerts.delivery.apprise_sender import NotSent, send_now
from alerts.delivery.message import Message


def main() -> int:
    """0 when the service took it; otherwise 1, and why on standard error."""
    asked = json.load(sys.stdin)
    message = Message(subject=asked["subject"], body=asked["body"], severity=asked["severity"], is_over=asked["is_over"])
    try:
        send_now(asked["url"], message)
    except NotSent as err:
        sys.stderr.write(f"{err}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
