"""Notes: Markdown as a person expects it, harmless whatever stands in it."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from machines import notes


def test_markdown_becomes_html() -> None:
    html = notes.html(
        "# Orders\n\n**Primary**, fail over with `patronictl`.\n\n- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n[wiki](https://wiki.example/orders)"
    )
    for part in ("<h3>Orders</h3>", "<strong>Primary</strong>", "<code>patronictl</code>", "<li>one</li>", "<td>2</td>"):
        assert part in html
    assert '<a href="https://wiki.example/orders" rel="noopener noreferrer nofollow">wiki</a>' in html


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "![x](https://elsewhere.example/pixel.png)",
        "[x](javascript:alert(1))",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        '<a href="https://x.example" onclick="alert(1)" style="position:fixed">x</a>',
        "<style>*{display:none}</style>",
        "[x](vbscript:x)",
        "<iframe src=//x.example></iframe>",
        "`<script>`",
    ],
)
def test_nothing_in_it_runs_or_loads(text: str) -> None:
    found = Elements()
    found.feed(str(notes.html(text)))
    assert found.tags <= {"p", "a", "code"}
    for name, value in found.attributes:
        assert name in ("href", "rel")
        assert name != "href" or (value or "").startswith("https://")


class Elements(HTMLParser):
    """The elements of some HTML, as a browser would see them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs


def test_a_version_names_a_text() -> None:
    assert notes.version("one") == notes.version("one") != notes.version("two")
