"""Text from data is only text: in a terminal, in Markdown, in JSON and in CSV, whatever it says."""

import csv
import io
import json
import unicodedata

import pytest
from hostile_texts import HOSTILE, TEXTS
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.console import Console
from rich.table import Table

from windrow.tasks.texts.cells import cell, csv_lines, text_of
from windrow.tasks.texts.markdown import code, inline
from windrow.tasks.texts.terminal import TextConsole, escape, visible, visible_json

CONTROL = ("Cc", "Cs", "Zl", "Zp")
BIDI = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def is_plain(text: str) -> bool:
    return all(char == "\n" or (unicodedata.category(char) not in CONTROL and char not in BIDI) for char in text)


@given(TEXTS)
@settings(deadline=None)
def test_a_terminal_gets_no_control_character_and_every_other_as_it_is(text: str) -> None:
    assert is_plain(visible(text))
    assert visible(text) == text or not is_plain(text.replace("\n", "\r")) or not text.isprintable()
    assert visible(visible(text)) == visible(text)


@given(TEXTS)
@settings(deadline=None)
def test_rich_prints_text_as_text_and_never_fails(text: str) -> None:
    for kind, words in ((Console, escape(text)), (TextConsole, escape(text)), (TextConsole, text)):
        console = kind(file=io.StringIO(), width=10_000, force_terminal=True, color_system="truecolor", emoji=False)
        console.print(words)
        table = Table(title=words)
        table.add_column(words)
        table.add_row(words)
        console.print(table)
        shown = console.file.getvalue()  # type: ignore[attr-defined]
        assert words == text or "\x1b]" not in shown
        assert "\r" not in shown and "\b" not in shown and not BIDI & set(shown)
    plain = Console(file=io.StringIO(), width=10_000)
    plain.print(escape(text), soft_wrap=True, highlight=False, emoji=False)
    shown = plain.file.getvalue().rstrip("\n")  # type: ignore[attr-defined]
    assert shown.rstrip("\\") == visible(text).rstrip("\\")  # rich doubles a backslash at the end


@given(TEXTS)
@settings(deadline=None)
def test_markdown_reads_as_the_text_itself_in_a_line_and_in_a_cell(text: str) -> None:
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    tokens = parser.parse(f"| a | b |\n|---|---|\n| x{inline(text)}x | 1 |\n")
    assert [token.type for token in tokens].count("td_open") == 2
    children = [child for token in tokens for child in token.children or ()]
    assert {child.type for child in children} <= {"text", "text_special"}
    assert "".join(child.content for child in children) == f"abx{visible(text)}x1"
    assert "://" not in inline(text) and "www." not in inline(text).lower() and "@" not in inline(text)
    (paragraph,) = (token for token in parser.parse(f"x {code(text)} x") if token.type == "inline")
    assert [child.type for child in paragraph.children or ()] == ["text", "code_inline", "text"]


@given(TEXTS)
@settings(deadline=None)
def test_json_stays_the_same_json(text: str) -> None:
    shown = visible_json(json.dumps({text: text}, ensure_ascii=False))
    assert is_plain(shown) and json.loads(shown) == {text: text}


@given(TEXTS)
@settings(deadline=None)
def test_a_cell_of_a_csv_is_no_formula_and_comes_back(text: str) -> None:
    written = cell(text)
    assert text_of(written) == text
    if written and written[0] in "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20":
        float(written)  # a number is none


@pytest.mark.parametrize("value", [-1, 1.5, None, True, "-1", "+2.5e-3", "owl", "'tis", "a=b"])
def test_numbers_and_words_stay_as_they_are(value: object) -> None:
    assert cell(value) == value


@given(st.lists(TEXTS, min_size=1, max_size=3))
@settings(deadline=None)
def test_a_file_of_cells_is_read_back(texts: list[str]) -> None:
    (row,) = csv.reader(io.StringIO("".join(csv_lines([texts])), newline=""), strict=True)
    assert [text_of(each) for each in row] == texts


def test_the_known_ways_are_among_them() -> None:
    assert {"[/]", "=1+1", "<script>alert(1)</script>"} <= set(HOSTILE)
