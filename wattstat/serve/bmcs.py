"""The BMCs that collectors are logged in to, as those see them who set caps: one session for both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from collectors import redfish
from collectors.frame import CollectError, Source
from collectors.redfish.session import Answer, Session
from power.model import ActuatorError


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionBmc:
    """A session, with errors in the words of the room `power`."""

    node: str
    session: Session

    async def send(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Ask once. Raises `ActuatorError` where no answer came."""
        try:
            return await self.session.send(method, path, body, headers=headers)
        except CollectError as err:
            raise ActuatorError(f"BMC of {self.node}: {err}") from err


def bmcs(sources: Iterable[Source[Any]]) -> dict[str, SessionBmc]:
    """The BMC of each server among the sources that has one."""
    return {node: SessionBmc(node=node, session=session) for node, session in redfish.sessions(sources).items()}
