"""What can go wrong when a device is asked. Each collector maps its vendor's errors to these in one place.

CollectError
├── Unreachable    no connection, time-out, connection broken: the device is away or overloaded
├── AuthFailed     the device answers and refuses our credentials or certificate: asking again does not help
├── NotSupported   the device does not have this; remembered, silent
├── BadPayload     the answer is not what the protocol promises
└── Throttled      the device asks for patience (503, Retry-After, session limit)
"""

from __future__ import annotations


class CollectError(Exception):
    """A device could not be read. The message says what, where, and what to do."""

    kind = "other"


class Unreachable(CollectError):
    kind = "unreachable"


class AuthFailed(CollectError):
    kind = "auth"


class NotSupported(CollectError):
    kind = "not_supported"


class BadPayload(CollectError):
    kind = "bad_payload"


class Misconfigured(CollectError):
    kind = "configuration"


class Throttled(CollectError):
    """Carries `retry_after_seconds` where the device named a time."""

    kind = "throttled"

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
