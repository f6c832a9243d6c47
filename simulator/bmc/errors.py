"""Answers that are no resource: errors and successes in the words of Dell's message registry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

REGISTRY = "IDRAC.2.8"


@dataclass(frozen=True, slots=True)
class Message:
    """A message of the registry: its id, its text, how grave it is and what to do."""

    id: str
    text: str
    severity: str = "Warning"
    resolution: str = "No response action is required."


BAD_LOGIN = Message(
    "SYS415",
    "Unable to complete the operation because an invalid username and/or password is entered,"
    " and therefore authentication failed.",
    resolution="Enter valid user name and password and retry the operation.",
)
SESSIONS_FULL = Message(
    "RAC0218",
    "The maximum number of user sessions is reached.",
    "Informational",
    "Close one or more sessions before opening another session.",
)
NOT_FOUND = Message(
    "SYS403",
    "Unable to complete the operation because the resource {0} entered in not found.",
    "Critical",
    "Enter the correct resource and retry the operation.",
)
BAD_JSON = Message(
    "SYS405",
    "Unable to complete the operation because the JSON data format entered is invalid.",
    "Critical",
    "Do the following and the retry the operation: 1) Enter the correct JSON data format and retry the operation.",
)
UNKNOWN_PROPERTY = Message(
    "SYS429",
    "The property {0} is not in the list of valid properties for the resource.",
    resolution="Remove the unknown property and retry the operation.",
)
BAD_VALUE = Message(
    "SYS409",
    "Unable to complete the operation because the value {0} entered for the property {1} is not in the range {2}.",
    resolution="Enter a valid value from the enumerated list and retry the operation.",
)
LOCKED_DOWN = Message(
    "SYS406",
    "Unable to complete the operation because the system is in System Lockdown mode.",
    "Critical",
    "Disable System Lockdown mode and retry the operation.",
)
CAP_DISABLED = Message(
    "SYS432",
    "Unable to set the Power Cap value because the PowerCapSetting feature is disabled.",
    resolution="Enable the PowerCapSetting feature by using the PATCH operation on the Redfish OemAttributes URL.",
)
UNLICENSED = Message(
    "LIC501",
    "A required license is missing or expired.",
    resolution="Obtain an appropriate license from Dell Digital Locker and then try again.",
)
DONE = Message("SYS413", "The operation successfully completed.", "OK")
NOT_READY = Message(
    "RAC0508",
    "Unable to complete the operation because the provider is not ready.",
    "Critical",
    "Wait for few minutes, refresh the page and retry. If the problem persists, reset the iDRAC and retry the operation.",
)
NOT_ALLOWED = Message(
    "SYS402",
    "Unable to complete the operation because the Http method is not supported on the resource.",
    "Critical",
    "Enter the correct http method and retry the operation.",
)


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and a body."""

    status: int
    body: dict[str, Any]


def refusal(status: int, message: Message, *arguments: str) -> Answer:
    """An error body."""
    return Answer(
        status,
        {
            "error": {
                "@Message.ExtendedInfo": [_entry(message, arguments)],
                "code": "Base.1.12.GeneralError",
                "message": "A general error has occurred. See ExtendedInfo for more information",
            }
        },
    )


def success() -> Answer:
    """The body of a write that was done."""
    generic = {
        "Message": "The request completed successfully.",
        "MessageArgs": [],
        "MessageArgs@odata.count": 0,
        "MessageId": "Base.1.12.Success",
        "RelatedProperties": [],
        "RelatedProperties@odata.count": 0,
        "Resolution": "None",
        "Severity": "OK",
    }
    return Answer(200, {"@Message.ExtendedInfo": [generic, _entry(DONE, ())]})


def _entry(message: Message, arguments: tuple[str, ...]) -> dict[str, Any]:
    return {
        "Message": message.text.format(*arguments),
        "MessageArgs": list(arguments),
        "MessageArgs@odata.count": len(arguments),
        "MessageId": f"{REGISTRY}.{message.id}",
        "RelatedProperties": [],
        "RelatedProperties@odata.count": 0,
        "Resolution": message.resolution,
        "Severity": message.severity,
    }
