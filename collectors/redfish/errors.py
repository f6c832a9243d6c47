"""The one place where what a BMC, aiohttp or the Redfish library says becomes an error of the collector frame."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
from redfish.aio import (
    AsyncRestResponse,
    RedfishConnectionError,
    RedfishError,
    RedfishInvalidTargetError,
    RedfishTimeoutError,
)

from collectors.frame import AuthFailed, BadPayload, CollectError, NotSupported, Throttled, Unreachable
from wattstat.members import Body, as_body, member, objects, text

# Dell's message registry (EEMI 2.7.0): what asks for patience, and what a licence forbids.
BUSY = ("RAC0218", "RAC0508", "SYS431", "ServiceTemporarilyUnavailable", "SessionLimitExceeded", "ServiceInUnknownState")
LICENCE = ("LIC501", "LIC503", "SYS461", "InsufficientLicense", "LicenseRequired")
LONGEST_WAIT_SECONDS = 3600.0
_STATUS: dict[int, tuple[type[CollectError], str]] = {
    401: (AuthFailed, ": the credentials are refused; check user and password of this BMC in wattstat.yaml"),
    403: (AuthFailed, ": forbidden; the account needs the right to log in and to read"),
    **dict.fromkeys((404, 405, 410, 501), (NotSupported, "")),
}


@contextmanager
def mapped(what: str) -> Iterator[None]:
    """Turn errors of the library and of the transport into errors of the frame; `what` says what was being asked."""
    try:
        yield
    except RedfishTimeoutError as err:
        raise Unreachable(f"{what}: no answer in time") from err
    except RedfishConnectionError as err:
        raise _of_connection(what, err.__cause__ or err) from err
    except RedfishInvalidTargetError as err:
        raise BadPayload(f"{what}: the service links to another host, which is not followed") from err
    except RedfishError as err:
        raise BadPayload(f"{what}: {err}") from err
    except OSError as err:
        raise Unreachable(f"{what}: {str(err) or 'no answer in time'}") from err
    except RuntimeError as err:
        if str(err) != "Session is closed":  # aiohttp's words
            raise
        raise Unreachable(f"{what}: the session was closed meanwhile") from err


def body_of(answer: AsyncRestResponse, what: str) -> Body:
    """The JSON object of a good answer. Raises the error that a bad one stands for."""
    if not 200 <= answer.status < 300:
        raise of_status(answer, what)
    try:
        body = json.loads(answer.read)
    except ValueError as err:
        raise BadPayload(f"{what}: expected JSON, got {_excerpt(answer)}") from err
    if not isinstance(body, dict):
        raise BadPayload(f"{what}: expected a JSON object, got {type(body).__name__}")
    return body


def object_of(answer: AsyncRestResponse) -> Body:
    """The JSON object of any answer; an empty one where there is none."""
    try:
        body = json.loads(answer.read) if answer.read else None
    except ValueError:
        return {}
    return as_body(body)


def of_status(answer: AsyncRestResponse, what: str) -> CollectError:
    """The error that an unsuccessful status stands for."""
    ids, why = _messages(answer)
    told = f"{what}: HTTP {answer.status}" + (f", {why}" if why else "")
    if answer.status in {429, 503} or _names(ids, BUSY):
        return Throttled(told, retry_after_seconds=retry_after(answer))
    if _names(ids, LICENCE):
        return NotSupported(f"{told}: the BMC's licence does not cover it")
    kind, advice = _STATUS.get(answer.status, (Unreachable if answer.status >= 500 else BadPayload, ""))
    return kind(told + advice)


def retry_after(answer: AsyncRestResponse) -> float | None:
    """The seconds that `Retry-After` asks for, written as a number or as a date; at most an hour."""
    value = text(answer.getheader("Retry-After"))
    if value.isdecimal():
        return min(float(value), LONGEST_WAIT_SECONDS)
    try:
        seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        return None
    return min(max(seconds, 0.0), LONGEST_WAIT_SECONDS)


def message_ids(answer: AsyncRestResponse) -> tuple[str, ...]:
    """The message ids of an answer's extended information, without registry and version."""
    return _messages(answer)[0]


def _of_connection(what: str, err: BaseException) -> CollectError:
    if isinstance(err, aiohttp.ServerFingerprintMismatch):
        return AuthFailed(
            f"{what}: the certificate's SHA-256 fingerprint is {err.got.hex(':')}, the inventory pins {err.expected.hex(':')}; "
            "if the certificate was renewed on purpose, pin the new one"
        )
    if isinstance(err, aiohttp.ClientConnectorCertificateError):
        return AuthFailed(
            f"{what}: the certificate is not trusted ({err.certificate_error}); "
            "set tls.ca_file or tls.fingerprint for this BMC in the inventory"
        )
    if isinstance(err, aiohttp.ClientPayloadError):
        return BadPayload(f"{what}: the body ended early ({err})")
    if isinstance(err, aiohttp.ClientResponseError):
        return BadPayload(f"{what}: not HTTP as promised ({err.message})")
    return Unreachable(f"{what}: {err}" if str(err) else f"{what}: {type(err).__name__}")


def _messages(answer: AsyncRestResponse) -> tuple[tuple[str, ...], str]:
    try:
        body: Any = json.loads(answer.read) if answer.read else None
    except ValueError:
        return (), _excerpt(answer)
    entries = list(objects(member(body, "error", "@Message.ExtendedInfo"))) or list(
        objects(member(body, "@Message.ExtendedInfo"))
    )
    ids = tuple(text(entry.get("MessageId")).rpartition(".")[2] for entry in entries)
    said = next((text(entry.get("Message")) for entry in entries), "") or text(member(body, "error", "message"))
    return ids, said[:200]


def _names(ids: tuple[str, ...], known: tuple[str, ...]) -> bool:
    return any(each in known for each in ids)


def _excerpt(answer: AsyncRestResponse) -> str:
    start = answer.read[:40].decode("utf-8", "replace").strip()
    return f"{start!r}…" if start else "nothing"
