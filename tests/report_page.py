"""A page of the report as a browser sees it: its elements, its text, the numbers that it cites, and their SQL."""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import dataclass
from html.parser import HTMLParser

VOID = {"meta", "img", "br", "link", "input"}


@dataclass(frozen=True)
class Number:
    """A number of a page: what is to be read, its value, and where it stands in the answer to which question."""

    text: str
    value: float
    anchor: str
    row: int
    column: str


class Page(HTMLParser):
    """`queries`: the commands by their anchors. `strips`: the samples of each strip, with the anchor of its SQL."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.headings: list[str] = []
        self.text = ""
        self.uncited = ""
        self.numbers: list[Number] = []
        self.queries: dict[str, str] = {}
        self.strips: list[tuple[str, list[str]]] = []
        self._open: list[tuple[str, dict[str, str]]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        found = {name: value or "" for name, value in attrs}
        if tag not in VOID:
            self._open.append((tag, found))
        if found.get("class") == "strip":
            self.strips.append((found["data-sql"], []))
        if "data-id" in found:
            self.strips[-1][1].append(found["data-id"])

    def handle_endtag(self, tag: str) -> None:
        if self._open.pop()[0] != tag:
            raise AssertionError(f"</{tag}> closes another element")

    def handle_data(self, data: str) -> None:
        tags = [tag for tag, _ in self._open]
        if tags and tags[-1] == "h2":
            self.headings.append(data)
        if "style" not in tags:
            self.text += data
        cited = next((found for _, found in self._open if "data-at" in found), None)
        if cited:
            row, _, column = cited["data-at"].partition(" ")
            self.numbers.append(Number(data, float(cited["data-value"]), cited["data-sql"], int(row), column))
        elif "dd" in tags and any(found.get("class") == "answers" for _, found in self._open):
            self.uncited += data
        if tags and tags[-1] == "pre" and self._open[-1][1].get("id"):
            self.queries[self._open[-1][1]["id"]] = data

    @property
    def unclosed(self) -> list[str]:
        return [tag for tag, _ in self._open]


@dataclass(frozen=True)
class Asked:
    """A command of a page, as a shell takes it apart."""

    run_id: str
    files: bool
    sql: str


def taken_apart(command: str) -> Asked:
    windrow, query, store_option, _, run_option, run_id, *allowed, sql = shlex.split(command)
    assert (windrow, query, store_option, run_option) == ("windrow", "query", "--store", "--run")
    assert allowed in ([], ["--allow-files"])
    return Asked(run_id, bool(allowed), sql)
