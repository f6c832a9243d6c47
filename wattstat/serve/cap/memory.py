"""What the guard knows, and that it is on disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import structlog

from wattstat.serve.cap.record import NO_FENCE, Record, Store, Token

log = structlog.get_logger(__name__)

_LOST = {
    "fence": "the file with the highest token was lost: an older controller may be let in until the next one has spoken",
    "caps": "what was noted of earlier caps is lost: the operator's own limits are not known",
}


@dataclass(kw_only=True)
class Memory:
    """The highest token and the record of caps. `trouble` says why they are not on disk, where they are not."""

    store: Store
    token: Token = field(init=False)
    record: Record = field(init=False)
    trouble: str = ""
    _lost: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.token, self.record, self._lost = self.store.load()

    def save(self) -> str:
        """Put what is known on disk; what went wrong with that, in words."""
        trouble = ""
        try:
            self.store.save(self.token, self.record)
        except OSError as error:
            trouble = f"{self.store.folder} cannot be written ({error.strerror})"
        if trouble and not self.trouble:
            log.error("caps cannot be noted on disk", why=trouble)
        elif self.trouble and not trouble:
            log.info("caps are noted on disk again")
        self.trouble = trouble
        return trouble

    def change(self, **members: Any) -> str:
        """Change the record, on disk too; what went wrong with that, in words."""
        self.record = self.record.model_copy(update=members)
        return self.save()

    @property
    def words(self) -> str:
        """What whoever looks should know of it."""
        lost = {name for name in self._lost if name != "fence" or self.token.fence == NO_FENCE}
        lost |= {"caps"} if self.record.forgotten else set()
        return "; ".join(filter(None, (self.trouble, *(_LOST[name] for name in sorted(lost)))))
