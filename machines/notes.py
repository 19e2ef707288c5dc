"""Notes on a machine: Markdown that a person wrote, turned into HTML that can do no harm."""

from __future__ import annotations

import hashlib
from functools import cache, lru_cache

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt

from live import facts
from machines.models import Machine

LONGEST = 20_000

_TAGS = {
    "a", "b", "blockquote", "br", "code", "del", "em", "h3", "h4", "h5", "h6", "hr", "i", "li", "ol", "p", "pre", "s", "strong",
    "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip


def html(text: str) -> SafeString:
    """Markdown as HTML. No raw HTML, no pictures (they would call a third party), links to web and mail alone."""
    return mark_safe(_rendered(text))


def version(text: str) -> str:
    """What an edit is based on."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def save(machine: Machine, text: str, *, based_on: str) -> bool:
    """Write the notes if they are still what the edit was based on; says whether they were."""
    current = Machine.objects.values_list("notes", flat=True).get(pk=machine.pk)
    if version(current) != based_on:
        return False
    if not Machine.objects.filter(pk=machine.pk, notes=current).update(notes=text):
        return False  # between the two lines somebody else was faster
    facts.publish([f"machine:{machine.pk}"], "notes", host_id=machine.host_id, machine_id=machine.pk)
    return True


@lru_cache(maxsize=256)
def _rendered(text: str) -> str:
    return nh3.clean(
        _markdown().render(text[:LONGEST]),
        tags=_TAGS,
        attributes={"a": {"href"}},
        url_schemes={"http", "https", "mailto", "tel", "ssh"},
        link_rel="noopener noreferrer nofollow",
    )


@cache
def _markdown() -> MarkdownIt:
    """CommonMark with tables, strike-through and bare links; headings begin below the page's own."""
    markdown = MarkdownIt("commonmark", {"html": False, "linkify": False, "breaks": True}).enable(["table", "strikethrough"])
    markdown.disable("image")
    markdown.core.ruler.push("lower_headings", _lower_headings)
    return markdown


def _lower_headings(state) -> None:  # type: ignore[no-untyped-def]
    for token in state.tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + 2)}"
