"""The frame that runs collectors: registry, tiers, single flight, circuit breaker, bounds, and what it says about itself."""

from collectors.frame.errors import AuthFailed, BadPayload, CollectError, NotSupported, Throttled, Unreachable
from collectors.frame.source import Collected, Fetched, Part, Source, Tier

__all__ = [
    "AuthFailed",
    "BadPayload",
    "CollectError",
    "Collected",
    "Fetched",
    "NotSupported",
    "Part",
    "Source",
    "Throttled",
    "Tier",
    "Unreachable",
]
