"""What a controller's answer to a write means: the one place that knows the message ids.

Sources: Dell's EEMI registry 2.7.0 and 2.9.0, recorded bodies, DMTF's Base registry. `docs/actuation.md` says what to do.
"""

from __future__ import annotations

from dataclasses import dataclass

from power.model import Outcome
from wattstat.members import Body, member, objects, text

# System Lockdown mode: nothing helps but switching it off on the iDRAC.
LOCKED = frozenset({"SYS406", "RAC1201", "RAC095", "LC087"})
UNLICENSED = frozenset({"LIC501", "LIC503", "SYS461", "InsufficientLicense", "LicenseRequired"})
OUT_OF_RANGE = frozenset({"SYS409", "PropertyValueOutOfRange", "PropertyValueNotInList", "PropertyValueTypeError"})
# An import or export runs, or a provider is starting: minutes, not seconds.
BUSY = frozenset({"SYS431", "RAC0508", "RAC0218", "ServiceTemporarilyUnavailable", "ServiceInUnknownState"})
CAP_SWITCHED_OFF = frozenset({"SYS432", "RAC1010"})
WANTS_ETAG = frozenset({"SYS404", "PreconditionFailed", "PreconditionRequired"})
RESTART = frozenset({"SYS430"})
NO_RIGHT = frozenset({"InsufficientPrivilege", "SYS415", "AccessDenied"})
NOT_THERE = frozenset({"SYS403", "ResourceMissingAtURI", "ResourceNotFound"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What an answer means; `outcome` None is a success that read-back must confirm.

    `switch_on_first` asks for the setting before the value, `wants_etag` for the same request with If-Match: both mean that
    nothing was written. `gone`: what was written to is not there (any more).
    """

    outcome: Outcome | None
    detail: str = ""
    switch_on_first: bool = False
    wants_etag: bool = False
    gone: bool = False


def verdict(status: int, body: Body) -> Verdict:
    """What an answer to a write means."""
    entries = list(objects(member(body, "error", "@Message.ExtendedInfo"))) + list(
        objects(member(body, "@Message.ExtendedInfo"))
    )
    ids = {text(entry.get("MessageId")).rpartition(".")[2] for entry in entries}
    good = 200 <= status < 300
    said = _said(status, entries) if not good or ids & (LOCKED | UNLICENSED | OUT_OF_RANGE | CAP_SWITCHED_OFF | RESTART) else ""
    if ids & LOCKED:
        return Verdict(outcome=Outcome.LOCKED, detail=f"{said}; System Lockdown mode is on: switch it off on the iDRAC")
    if ids & UNLICENSED:
        return Verdict(outcome=Outcome.UNLICENSED, detail=f"{said}; power capping needs an Enterprise or Datacenter licence")
    if ids & CAP_SWITCHED_OFF:
        return Verdict(outcome=Outcome.REFUSED, detail=said, switch_on_first=True)
    if ids & OUT_OF_RANGE:
        return Verdict(outcome=Outcome.OUT_OF_RANGE, detail=said)
    if good:
        return Verdict(outcome=Outcome.PENDING_RESTART if ids & RESTART else None, detail=said)
    return _refusal(status, ids, said)


def _refusal(status: int, ids: set[str], said: str) -> Verdict:
    if status in {412, 428} or ids & WANTS_ETAG:
        return Verdict(outcome=Outcome.REFUSED, detail=said, wants_etag=True)
    if status in {429, 503} or ids & BUSY:
        return Verdict(outcome=Outcome.UNREACHABLE, detail=f"{said}; busy, asked again later")
    if status in {404, 405, 410} or ids & NOT_THERE:
        return Verdict(outcome=Outcome.REFUSED, detail=said, gone=True)
    if ids & NO_RIGHT or status == 401:
        return Verdict(outcome=Outcome.REFUSED, detail=f"{said}; the account needs the right to configure")
    if status == 403:
        # Dell's API guide: without the licence "certain Redfish APIs may not be accessible and return 403".
        return Verdict(outcome=Outcome.UNLICENSED, detail=f"{said}; the licence or the account's rights do not cover it")
    return Verdict(outcome=Outcome.UNREACHABLE if status >= 500 else Outcome.REFUSED, detail=said)


def _said(status: int, entries: list[Body]) -> str:
    """The ids and the first sentence, as an operator wants to search for them."""
    told = [each for each in entries if text(each.get("MessageId")).rpartition(".")[2] not in {"Success", "GeneralError"}]
    ids = ", ".join(text(entry.get("MessageId")).rpartition(".")[2] for entry in told)
    sentence = next((text(entry.get("Message")) for entry in told if text(entry.get("Message"))), "")
    return ": ".join(part for part in (f"HTTP {status}", ids, sentence[:200]) if part)
