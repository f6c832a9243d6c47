"""What core asks of a node's GPUs, as it comes over the wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

_MOST_GPUS = 64
_LONGEST_SECONDS = 3600.0

# Strict: "400", true and NaN are no watts.
Watts = Annotated[float, Field(strict=True, gt=0, le=10_000, allow_inf_nan=False)]
Megahertz = Annotated[float, Field(strict=True, gt=0, le=10_000, allow_inf_nan=False)]
Uuid = Annotated[str, Field(min_length=1, max_length=96, pattern=r"^[^\x00-\x1f\x7f]+$")]
Text = Annotated[str, Field(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")]


class InvalidOrder(ValueError):
    """A body that orders nothing; the message says what is wrong with it, member by member."""


class Order(BaseModel):
    """One call of core. What a newer core may send besides is left alone: its word of life must count."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    fence: Annotated[int, Field(strict=True, ge=0, lt=2**63)]
    """The token of the caller's lease. One lower than the highest that was ever seen is refused."""
    holder: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
    dead_man_seconds: Annotated[float, Field(strict=True, ge=1, le=_LONGEST_SECONDS, allow_inf_nan=False)] | None = None
    safe_watts: Annotated[dict[Uuid, Watts], Field(max_length=_MOST_GPUS)] | None = None
    """Replaces all that were told before; none of them when empty; stays as it was when absent."""
    caps: Annotated[dict[Uuid, Watts], Field(max_length=_MOST_GPUS)] = {}
    clocks: Annotated[dict[Uuid, Megahertz | None], Field(max_length=_MOST_GPUS)] = {}
    release: Annotated[tuple[Uuid, ...], Field(max_length=_MOST_GPUS)] = ()
    urgent: Annotated[bool, Field(strict=True)] = False
    """An emergency: what lowers a limit is done even where it cannot be noted on disk first."""
    why: Text = ""

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if both := sorted({*self.caps, *self.clocks} & set(self.release)):
            raise ValueError(f"{both[0]} is to be capped and released in one order; send two")
        return self

    @property
    def uuids(self) -> list[str]:
        """The GPUs that something is asked of, once each."""
        return list(dict.fromkeys((*self.release, *self.caps, *self.clocks)))


def parse(document: Any) -> Order:
    """The order in a document. Raises `InvalidOrder`."""
    try:
        return Order.model_validate(document if isinstance(document, Mapping) else None)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
        lines = (f"{'.'.join(str(part) for part in each['loc']) or 'the body'}: {each['msg']}" for each in details)
        # Names come from outside, and what they hold may not be fit to be sent back.
        raise InvalidOrder("; ".join(lines)[:2000].encode("ascii", "backslashreplace").decode()) from None
