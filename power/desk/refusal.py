"""Why the desk does not do what it was asked; over HTTP a problem document (RFC 9457)."""

from __future__ import annotations

from typing import Any


class Refusal(Exception):
    """What somebody who asked is told: HTTP status, a short title, and what was expected or what to do.

    `more` are further members of the problem document, such as the limits that lack watts.
    """

    def __init__(self, status: int, title: str, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail, self.more = status, title, detail, more

    def document(self) -> dict[str, Any]:
        """The problem document."""
        return {"type": "about:blank", "title": self.title, "status": self.status, "detail": self.detail, **self.more}
