"""Runbooks: Markdown as HTML. What is HTML in the Markdown itself is shown as text, and links lead only where pages may."""

from __future__ import annotations

from functools import cache

from markdown_it import MarkdownIt
from markdown_it.token import Token

from dashboard import alertwords
from dashboard.markup import Markup


@cache
def _markdown() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable("table")


def rendered(text: str, *, titled: bool, below: int = 0) -> Markup:
    """A runbook. `titled` keeps its first heading; `below` is by how many levels its headings are lowered."""
    tokens = _markdown().parse(text)
    if not titled and tokens and tokens[0].type == "heading_open":
        del tokens[: next(i for i, token in enumerate(tokens) if token.type == "heading_close") + 1]
    for token in tokens:
        _adapt(token, below)
    return Markup(_markdown().renderer.render(tokens, _markdown().options, {}))


def _adapt(token: Token, below: int) -> None:
    if token.type in {"heading_open", "heading_close"}:
        token.tag = f"h{min(6, int(token.tag[1:]) + below)}"
    if token.type in {"fence", "code_block"}:
        # what is wider than the page is scrolled, and must be reachable without a mouse
        token.attrSet("tabindex", "0")
    for child in token.children or ():
        href = child.attrGet("href") if child.type == "link_open" else None
        if isinstance(href, str):
            _lead(child, href)


def _lead(link: Token, href: str) -> None:
    """Runbooks name each other by file; what leads out of the site opens beside it."""
    if href.endswith(".md") and "/" not in href.removeprefix("./"):
        href = alertwords.to_runbook(href.removeprefix("./").removesuffix(".md"))
        link.attrSet("href", href)
    if href.startswith("/") and not href.startswith("//"):
        link.attrSet("data-link", "")
    elif "://" in href:
        link.attrSet("rel", "noreferrer")
        link.attrSet("target", "_blank")
