"""The shapes of the answers for the API's documentation, made from the types that hold them."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from energy.http import wire
from wattstat.api.energy import BalanceRow, JobDetail, JobRow, Report, ServiceReport

_MOMENT = {"type": "string", "format": "date-time", "description": "RFC 3339, UTC"}


def _of(kind: Any) -> dict[str, Any]:
    """JSON Schema of a type as `wire.told` writes it, self-contained."""
    document = TypeAdapter(kind).json_schema(mode="serialization")
    definitions = document.pop("$defs", {})
    written: dict[str, Any] = _inlined(document, definitions)
    return written


def _inlined(node: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_inlined(each, definitions) for each in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _inlined(definitions[node["$ref"].rpartition("/")[2]], definitions)
    inlined = {name: _inlined(value, definitions) for name, value in node.items() if name != "title"}
    if isinstance(members := inlined.get("properties"), dict):
        for name in wire.TIMES & members.keys():
            optional = "anyOf" in members[name]
            members[name] = {**_MOMENT, "nullable": True} if optional else _MOMENT
    return inlined


def _object(members: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": members}


def _answers(shape: dict[str, Any], **others: Any) -> dict[int | str, dict[str, Any]]:
    problem = _object(
        {"type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"}, "detail": {"type": "string"}}
    )
    return {
        200: {"description": "The answer", "content": {"application/json": {"schema": shape}, **others}},
        400: {
            "description": "What was asked has no sense; `detail` says what was expected",
            "content": {"application/problem+json": {"schema": problem}},
        },
    }


def _without(members: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: each for name, each in members.items() if name not in names}


def _list(of: dict[str, Any], description: str) -> dict[str, Any]:
    return {"type": "array", "items": of, "description": description}


_ROW = _of(JobRow)["properties"]
_ROW["duration_seconds"] = {"type": "number", "nullable": True}
_REPORT = _of(Report)["properties"]
_BALANCE = _without(_of(BalanceRow)["properties"], "key")
_CSV = {"schema": {"type": "string", "description": "columns: " + ", ".join(wire.CSV_COLUMNS)}}

JOBS = _answers(
    _object(
        {
            "items": _list(_object(_ROW), "Runs"),
            "total": {"type": "integer", "description": "How many match, on all pages"},
            "total_is_exact": {"type": "boolean", "description": "false: more than total match; who counts stops there"},
            "next": {"type": "string", "nullable": True, "description": "Cursor of the next page"},
        }
    )
)
_DETAIL = {**_without(_of(JobDetail)["properties"], "job"), "other_runs": _list(_object(_ROW), "Other runs of the same job")}
JOB = _answers(_object({**_ROW, "detail": _object(_DETAIL)}))
REPORT = _answers(
    _object({"by": _REPORT["by"], "from": _MOMENT, "to": _MOMENT, **_without(_REPORT, "by", "start", "end")}),
    **{"text/csv": _CSV},
)
BALANCE = _answers(
    _object(
        {
            "by": {"enum": ["node", "day"]},
            "from": _MOMENT,
            "to": _MOMENT,
            "settled_until": {**_MOMENT, "nullable": True},
            "books_begin": {**_MOMENT, "nullable": True},
            **_BALANCE,
            "nodes": _list(_object({"node": {"type": "string"}, **_BALANCE}), "By day they are `days` with `day`"),
        }
    )
)

_SERVICES = _of(ServiceReport)["properties"]
SERVICES = _answers(_object({"from": _MOMENT, "to": _MOMENT, **_without(_SERVICES, "start", "end")}))

_FIGURE = {
    "type": "object",
    "nullable": True,
    "description": "A value and its 90 % interval",
    "properties": {name: {"type": "number"} for name in ("value", "low", "high")},
}
_NUMBER, _TEXT = {"type": "number"}, {"type": "string"}
PLAN = _answers(
    _object(
        {
            **dict.fromkeys(("parameters", "tokens", "gpus", "nodes", "flops", "interval"), _NUMBER),
            **dict.fromkeys(("gpu", "currency"), _TEXT),
            **dict.fromkeys(("days", "power_watts", "energy_joules", "facility_joules", "cost", "carbon_grams"), _FIGURE),
            "cap_watts": {**_NUMBER, "nullable": True},
            "caps": _list(
                _object({"cap_watts": _NUMBER, "days": _FIGURE, "energy_joules": _FIGURE}), "The same under power limits"
            ),
            "constants": _list(
                _object(
                    {**dict.fromkeys(("name", "unit", "source"), _TEXT), **dict.fromkeys(("value", "low", "high"), _NUMBER)}
                ),
                "Every number that went into it, and its source",
            ),
            "notes": _list(_TEXT, "What to keep in mind"),
        }
    )
)
