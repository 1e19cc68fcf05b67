"""Reads reports as a browser and a Markdown renderer would, and lists what is live in them."""

from __future__ import annotations

from html.parser import HTMLParser

from markdown_it import MarkdownIt


class Page(HTMLParser):
    """Counts tags, collects links, ids, text and inline styles."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: dict[str, int] = {}
        self.links: list[str] = []
        self.sources: list[str] = []
        self.ids: list[str] = []
        self.attributes: set[str] = set()
        self.text: list[str] = []
        self.comments = 0
        self._skip = 0
        self.open_tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self._skip += tag == "style"
        for name, value in attrs:
            self.attributes.add(name)
            if name == "href":
                self.links.append(value or "")
            if name == "src":
                self.sources.append(value or "")
            if name == "id":
                self.ids.append(value or "")
        if tag not in ("meta", "img", "br", "wbr"):
            self.open_tags.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in ("meta", "img", "br", "wbr"):
            self.open_tags.pop()

    def handle_endtag(self, tag: str) -> None:
        self._skip -= tag == "style"
        assert self.open_tags, f"</{tag}> closes nothing"
        assert self.open_tags.pop() == tag, f"</{tag}> closes another tag"

    def handle_comment(self, data: str) -> None:
        self.comments += 1

    def handle_data(self, data: str) -> None:
        if not self._skip:
            self.text.append(data)


def html(source: str) -> Page:
    """Parse a page; every tag must be closed in order."""
    page = Page()
    page.feed(source)
    page.close()
    assert page.open_tags == [], page.open_tags
    return page


def markdown(source: str) -> tuple[dict[str, int], list[str], list[str]]:
    """Return how often each token occurs, the targets of links and those of images."""
    counts: dict[str, int] = {}
    links: list[str] = []
    images: list[str] = []
    for token in MarkdownIt("commonmark").enable("table").enable("strikethrough").parse(source):
        for one in (token, *(token.children or ())):
            kind = one.type
            if kind in ("html_inline", "html_block") and one.content.strip().startswith(("<a id=", "</a>")):
                kind = "anchor"
            counts[kind] = counts.get(kind, 0) + 1
            if one.type == "link_open":
                links.append(str(one.attrs["href"]))
            if one.type == "image":
                images.append(str(one.attrs["src"]))
    return counts, links, images
