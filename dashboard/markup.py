"""HTML as text, every value escaped: what the pages fill into their panels.

Dash keeps a subscription for each of its components and tells all of them of every change: a page of a thousand components
takes seconds to draw. So the frame of a page is Dash, and what changes with every refresh is markup that assets/wattstat.js
puts in place, touching only what differs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import TypeAlias

Children: TypeAlias = "str | int | Iterable[str | None] | None"


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def tag(name: str, children: Children = None, /, **attributes: str | int | bool | None) -> Markup:
    """An element. A trailing underscore is dropped from an attribute's name, others become hyphens: `class_`, `aria_label`."""
    written = "".join(_attribute(key, value) for key, value in attributes.items())
    return Markup(f"<{name}{written}>{content(children)}</{name}>")


def content(children: Children) -> Markup:
    """Children one after the other; plain text is escaped, None is nothing."""
    if children is None:
        return Markup("")
    if isinstance(children, Markup):
        return children
    if isinstance(children, str | int):
        return Markup(escape(str(children), quote=False))
    return Markup("".join(content(child) for child in children))


def _attribute(name: str, value: str | int | bool | None) -> str:
    if value is None or value is False:
        return ""
    key = name.rstrip("_").replace("_", "-")
    return f" {key}" if value is True else f' {key}="{escape(str(value))}"'


def table(headings: Iterable[str], rows: Iterable[str], **attributes: str | None) -> Markup:
    """A table of ready-made rows."""
    head = tag("thead", tag("tr", [tag("th", text, scope="col") for text in headings]))
    return tag("div", tag("table", [head, tag("tbody", rows)], **attributes), class_="table-box")


def filled(parts: Mapping[str, Children]) -> dict[str, str]:
    """What goes into a page's store: markup by the id of the element that it fills."""
    return {name: content(part) for name, part in parts.items()}
