"""The API's documentation as one plain page, made from the OpenAPI document; the usual pages load scripts from other hosts."""

from __future__ import annotations

from html import escape
from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

_STYLE = """
:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}
body{max-width:60rem;margin:2rem auto;padding:0 1rem}
h2{margin-top:2.5rem;border-bottom:1px solid color-mix(in srgb,currentColor 25%,transparent)}
code{font-family:ui-monospace,monospace}
.call{margin:1rem 0}.call>code{font-weight:600}
table{border-collapse:collapse;margin:.3rem 0 0 1.5rem}td{padding:.1rem .8rem .1rem 0;vertical-align:top}
"""


def install(app: FastAPI) -> None:
    """Serve the page at /api/docs."""

    @app.get("/api/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(page(app.openapi()))


def page(document: dict[str, Any]) -> str:
    """The whole page for an OpenAPI document."""
    groups: dict[str, list[str]] = {}
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            groups.setdefault(next(iter(call.get("tags", [])), "other"), []).append(_call(method, path, call))
    body = "".join(f"<h2>{escape(tag)}</h2>{''.join(calls)}" for tag, calls in sorted(groups.items()))
    title = escape(document["info"]["title"])
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title} API</title><style>{_STYLE}</style>"
        f"<h1>{title} API</h1><p>{escape(document['info'].get('description', ''))}</p>"
        f'<p>For programs: <a href="/api/openapi.json">openapi.json</a>. '
        f"Errors are problem documents (RFC 9457).</p>{body}</html>"
    )


def _call(method: str, path: str, call: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(each['name'])}</code><td>{escape(each['in'])}{', required' if each.get('required') else ''}"
        f"<td>{escape(each.get('description', ''))}{escape(_bounds(each.get('schema', {})))}"
        for each in call.get("parameters", [])
    )
    table = f"<table>{rows}</table>" if rows else ""
    text = "".join(f"<p>{escape(each)}</p>" for each in call.get("description", "").split("\n\n") if each)
    head = f"<code>{method.upper()} {escape(path)}</code><br>{escape(call.get('summary', ''))}"
    return f"<div class=call>{head}{text}{table}{_answer(call)}</div>"


def _bounds(schema: dict[str, Any]) -> str:
    """What a parameter may be and is unless given, as an error message would tell it."""
    known = []
    if "enum" in schema:
        known.append(f"One of {', '.join(map(str, schema['enum']))}.")
    if "minimum" in schema or "maximum" in schema:
        least, most = schema.get("minimum"), schema.get("maximum")
        known.append(f"At least {least}." if most is None else f"At most {most}." if least is None else f"{least} to {most}.")
    if schema.get("default") not in (None, ""):
        known.append(f"{schema['default']} unless given.")
    return "".join(f" {each}" for each in known)


def _answer(call: dict[str, Any]) -> str:
    """The shape of the answer, where it is told: members, and in brackets those of what they hold."""
    shape = call.get("responses", {}).get("200", {}).get("content", {}).get("application/json", {}).get("schema", {})
    members = _members(shape)
    return f"<details><summary>Answer</summary><p><code>{escape(members)}</code></p></details>" if members else ""


def _members(shape: dict[str, Any]) -> str:
    shape = shape.get("items", shape)
    inner = ((name, _members(each)) for name, each in shape.get("properties", {}).items())
    return ", ".join(f"{name} ({below})" if below else name for name, below in inner)
