"""Benchmarks write what they measured into pages, and leave the prose of people as it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from benchmarks.evidence_page import EVIDENCE, write_places

PAGE = """# A page

<!-- first -->

| old |

<!-- end of first -->

What people say of it.

<!-- second -->
<!-- end of second -->
The end.
"""


def test_what_was_measured_takes_the_place_between_its_marks_and_all_else_stays(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    write_places(page, {"second": "| new |\n| 5 µs |\n"})
    assert page.read_text() == PAGE.replace("second -->\n<", "second -->\n\n| new |\n| 5 µs |\n\n<", 1)
    write_places(page, {"second": "", "first": "| newer |"})
    assert page.read_text() == PAGE.replace("| old |", "| newer |").replace("second -->\n<", "second -->\n\n\n\n<", 1)


@pytest.mark.parametrize(
    "text",
    [
        "# A page\n",
        PAGE.replace("<!-- end of first -->", ""),
        PAGE.replace("<!-- first -->", ""),
        f"{PAGE}{PAGE}",
        "<!-- end of first -->\n<!-- first -->\n<!-- second -->\n<!-- end of second -->\n",
    ],
    ids=["none", "no end", "no start", "twice", "end before start"],
)
def test_a_page_without_the_marks_is_refused_and_stays_as_it_is(tmp_path: Path, text: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(ValueError, match=r"page\.md: wants <!-- .+ --> and, below, <!-- end of .+ -->, each once"):
        write_places(page, {"second": "| new |", "first": "| new |"})
    assert page.read_text() == text


@pytest.mark.parametrize("page", sorted(EVIDENCE.glob("*.md")), ids=lambda page: page.stem)
def test_the_marks_of_the_pages_of_evidence_are_pairs(tmp_path: Path, page: Path) -> None:
    text = page.read_text()
    places = re.findall(r"<!-- (?!end of )(.*?) -->", text)
    copy = tmp_path / page.name
    copy.write_text(text)
    write_places(copy, dict.fromkeys(places, "measured anew"))
    prose = re.compile(r"<!-- end of .*? -->(.*?)(?:<!-- |\Z)", re.S)
    assert prose.findall(copy.read_text()) == prose.findall(text)
    assert len(re.findall("<!-- ", text)) == 2 * len(places)
