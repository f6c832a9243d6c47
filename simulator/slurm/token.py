"""JSON web tokens as `scontrol token` makes them: HS256, with the user's name in `sun`."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json

HEADER = {"alg": "HS256", "typ": "JWT"}


def make(key: bytes, user: str, *, now: float, seconds: float) -> str:
    """A token for a user that ends after `seconds`."""
    claims = {"exp": int(now + seconds), "iat": int(now), "sun": user}
    signed = b".".join(_encoded(json.dumps(part, separators=(",", ":")).encode()) for part in (HEADER, claims))
    return (signed + b"." + _signature(key, signed)).decode()


def user_of(key: bytes, token: str, *, now: float) -> str | None:
    """Whose token it is; None where it is forged, broken or too old."""
    signed, _, signature = token.encode().rpartition(b".")
    if not hmac.compare_digest(signature, _signature(key, signed)):
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(signed.partition(b".")[2] + b"=="))
    except (ValueError, binascii.Error):
        return None
    return str(claims["sun"]) if claims["exp"] > now else None


def _signature(key: bytes, signed: bytes) -> bytes:
    return _encoded(hmac.new(key, signed, hashlib.sha256).digest())


def _encoded(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
