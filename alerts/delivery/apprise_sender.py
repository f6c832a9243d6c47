"""Sends a message to an Apprise address, in a thread of its own: a service that hangs delays nobody else."""

from __future__ import annotations

import asyncio
import threading
from typing import Protocol

import apprise

from alerts.delivery.message import Message

TIMEOUT_SECONDS = 45.0
"""How long a service may take in all; Apprise itself gives up after a few seconds without a byte."""

_ASSET = apprise.AppriseAsset(app_id="Wattstat", app_desc="Wattstat", app_url="", service_timeout=TIMEOUT_SECONDS - 5)
_KINDS = {
    "critical": apprise.NotifyType.FAILURE,
    "warning": apprise.NotifyType.WARNING,
}


class NotSent(Exception):
    """A message that a service did not take. The message says what it answered; no address stands in it."""


class Send(Protocol):
    """Takes a message to an address. Raises `NotSent`."""

    async def __call__(self, url: str, message: Message) -> None:
        """Return when the service has taken it."""


async def send(url: str, message: Message) -> None:
    """Send to one Apprise address."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def settle(refused: NotSent | None) -> None:
        if done.done():
            return
        if refused is None:
            done.set_result(None)
        else:
            done.set_exception(refused)

    def work() -> None:
        # What else a service's code may raise ends this thread, with a trace; whoever waits hears of it at once.
        refused: NotSent | None = NotSent("the code that speaks to this service failed; web's log has the trace")
        try:
            send_now(url, message)
            refused = None
        except NotSent as err:
            refused = err
        finally:
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle, refused)

    # Nobody waits for this thread when the process ends: what hangs may be left behind.
    threading.Thread(target=work, name="alert-sender", daemon=True).start()
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await done
    except TimeoutError as err:
        raise NotSent(f"no answer within {TIMEOUT_SECONDS:g} s") from err


def send_now(url: str, message: Message) -> None:
    """The same, for callers without a loop."""
    service = apprise.Apprise.instantiate(url, asset=_ASSET)
    if service is None:
        raise NotSent(
            "Apprise does not know this kind of address; look at https://github.com/caronc/apprise for how it is written"
        )
    sender = apprise.Apprise(asset=_ASSET)
    sender.add(service)
    kind = apprise.NotifyType.SUCCESS if message.is_over else _KINDS.get(message.severity, apprise.NotifyType.INFO)
    with sender.notify(body=message.body, title=message.subject, notify_type=kind, body_format="text", log_level=30) as result:
        if not result:
            raise NotSent(_reason([entry.message for entry in result.logs()]))


def _reason(lines: list[str]) -> str:
    return lines[-1].strip() if lines else "the service refused the message or could not be reached"
