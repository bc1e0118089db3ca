"""Reads the HTML that notebooks show, and refuses whatever is no plain table."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from modelwheel_loader.text import safe

TAGS = {"div", "style", "h4", "h5", "p", "table", "thead", "tbody", "tr", "th", "td", "span", "br"}


class Reader(HTMLParser):
    """Reads a view: its tags must nest, be of ours, and have no attribute but a class."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.texts: list[str] = []
        self.cells: list[list[str]] = []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS
        assert {name for name, _ in attrs} <= {"class"}
        if tag != "br":
            self.open.append(tag)
        if tag == "tr":
            self.cells.append([])
        if tag in ("td", "th"):
            self.cells[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            assert "url" not in data
            assert all(rule.startswith(".modelwheel-view") for rule in re.findall(r"[^{}]+(?={)", data))
            return
        assert data == safe(data)
        self.texts.append(data)
        if {"td", "th"} & set(self.open):
            self.cells[-1][-1] += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(decl)

    def handle_pi(self, data: str) -> None:
        raise AssertionError(data)

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(data)
