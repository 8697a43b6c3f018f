"""Hostile class names, keys, sources, captions, licences and rules, through everything that shows them."""

import csv
import html.parser
import io
import json
import re
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hostile_texts import HOSTILE
from inline_run import curate_inline
from markdown_it import MarkdownIt
from rich.console import Console
from small_pool import png, stripes

from windrow.flows.commands.annotate import print_annotation
from windrow.flows.commands.answers import print_story
from windrow.flows.commands.audit import write_sample
from windrow.flows.commands.query_answer import Form, answer
from windrow.flows.summary import print_run, summarise
from windrow.schemas.stages import Stage
from windrow.schemas.texts.names import LONGEST_NAME
from windrow.tasks.config import parse_config
from windrow.tasks.labels.audits.audit_file import read_audit
from windrow.tasks.labels.given_labels import given_labels
from windrow.tasks.storage.catalog.connections import SqlLimits
from windrow.tasks.storage.catalog.views import open_catalog
from windrow.tasks.storage.published.versions import latest_version
from windrow.tasks.storage.store.run_records import Run
from windrow.tasks.texts.uris import shown_text

NAMES = [text for text in HOSTILE if text.isprintable() and text == text.strip() and not text.startswith("'=")]
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
N = 2 * len(NAMES)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two pictures of each class with a hostile name; the keys, captions, authors and licences are hostile too."""
    place = tmp_path_factory.mktemp("texts")
    source = place / "so[red]ur|ce <b> ![x](y)"
    source.mkdir()
    with tarfile.open(source / "pool.tar", "w") as tar:
        for number in range(N + len(HOSTILE)):
            text = HOSTILE[number % len(HOSTILE)]
            told = {"caption": text, "license": text, "author": text, "group": f"g{number}"}
            label = {"label": NAMES[number // 2]} if number < N else {}
            key = text.replace("/", "_").replace(".", "_").replace("\0", "")
            image = png(stripes(number)) if number != 5 else b""
            members = {"png": image, "json": json.dumps({**told, **label}).encode()}
            for extension, data in members.items():
                info = tarfile.TarInfo(f"{number}{key}.{extension}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    names = [name for name in HOSTILE if name.strip() and name.isprintable() and len(name) <= LONGEST_NAME]
    filters = [{"name": name, "keep": f"width > {n - 100}"} for n, name in enumerate(names)]
    filters[0]["keep"] = "key NOT LIKE '7%'"
    filters[1]["keep"] = "key NOT LIKE '8%'"
    return curate_inline(
        parse_config(
            {
                "sources": [str(source)],
                "name": "texts",
                "store": str(place / "store"),
                "features": {"name": "patches"},
                "clustering": {"n_clusters": [8, 2], "n_rounds": 1},
                "labels": {"given": "found", "makers": ["knn"], "combine": ["knn"]},
                "selection": {"target_size": 1000, "drop_near_duplicates": False, "filters": filters},
            }
        )
    )


def printed(console_of: Any) -> str:
    console = Console(file=io.StringIO(), width=400, force_terminal=True, color_system="standard")
    console_of(console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def is_safe(shown: str) -> bool:
    """Whether nothing but rich's own colours moves a terminal."""
    return not CONTROL.search(re.sub(r"\x1b\[[\d;]*m", "", shown))


def test_the_summary_tells_hostile_reasons_as_they_are(run: Run) -> None:
    shown = printed(lambda console: print_run(console, run))
    assert is_safe(shown) and "[/]" in shown and "[/red]" in shown and "what became of" in shown


def ask(console: Console, run: Run, sql: str, form: Form) -> None:
    answer(console, run.store, run.run_id, sql, form, None, SqlLimits(memory=64, seconds=None), False)


def test_a_story_and_rows_are_only_text(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    catalog = open_catalog(run.store)
    for (sample_id,) in catalog.sql("SELECT sample_id FROM samples ORDER BY 1 LIMIT 20").fetchall():
        assert is_safe(printed(lambda console, sample_id=sample_id: print_story(console, catalog, sample_id)))
    sql = "SELECT key, caption, license, found_label FROM occurrences ORDER BY position"
    assert is_safe(printed(lambda console: ask(console, run, sql, "table")))
    capsys.readouterr()
    ask(Console(), run, sql, "json")
    lines = capsys.readouterr().out.splitlines()
    assert all(is_safe(line) for line in lines)
    assert [json.loads(line)["caption"] for line in lines] == [row[1] for row in catalog.sql(sql).fetchall()]


def test_csv_holds_no_formula(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ask(Console(), run, "SELECT caption, license, found_label, -1 AS n FROM occurrences", "csv")
    printed(lambda console: print_annotation(console, run.store, run.run_id, tmp_path / "a.csv", 3, "typical", 0))
    printed(lambda console: write_sample(console, run.store, run.run_id, tmp_path / "b.csv", 20, "given", 0))
    texts = [capsys.readouterr().out, (tmp_path / "a.csv").read_text(), (tmp_path / "b.csv").read_text()]
    for text in texts:
        for row in csv.reader(io.StringIO(text, newline="")):
            assert not [value for value in row if value[:1] in ("=", "+", "-", "@", "\t", "\r") and value != "-1"]


def test_what_was_guarded_in_a_csv_is_read_back(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    printed(lambda console: print_annotation(console, run.store, run.run_id, path, 3, "typical", 0))
    back = given_labels(str(path), {Stage.INGEST: run.outputs(Stage.INGEST)}).to_pylist()
    assert {"=1+1", "@SUM(A1)", "[/]"} <= {row["label"] for row in back} <= set(map(shown_text, NAMES))
    audit = tmp_path / "b.csv"
    printed(lambda console: write_sample(console, run.store, run.run_id, audit, 100, "given", 0))
    assert {row["label"] for row in read_audit(audit).rows} <= set(map(shown_text, NAMES))


def elements(markdown: str) -> tuple[set[str], list[str]]:
    tokens = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(markdown)
    children = [child for token in tokens for child in token.children or ()]
    links = [str(child.attrs.get("href", "")) for child in children if child.type == "link_open"]
    return {token.type for token in (*tokens, *children)}, links


@pytest.mark.parametrize("layout", ["webdataset", "parquet"])
def test_a_card_shows_no_picture_link_or_html_of_the_datas(run: Run, layout: str) -> None:
    version = latest_version(run.store, "texts")
    assert version is not None
    card = (version.path / layout / "README.md").read_text()
    kinds, links = elements(card.partition("---\n\n")[2])
    assert not {"image", "html_inline", "html_block", "em_open", "s_open"} & kinds and not links
    assert not CONTROL.search(card)
    assert card.count("\n## ") == 8


def test_the_artifact_shows_no_picture_link_or_html_of_the_datas(run: Run) -> None:
    kinds, links = elements(summarise(run))
    assert not {"image", "html_inline", "html_block", "link_open"} & kinds and not links


class Page(html.parser.HTMLParser):
    """The tags and attributes of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.sources: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)
        self.sources.update((value or "")[:5] for name, value in attrs if name in ("src", "href"))


def test_the_report_runs_nothing_and_fetches_nothing(run: Run) -> None:
    text = (run.path / "report.html").read_text()
    page = Page(text)
    assert not {"script", "b!", "iframe", "object", "embed", "form"} & page.tags
    assert not [name for name in page.attributes if name.startswith("on")]
    assert {source for source in page.sources if not source.startswith("#")} <= {"data:"}
    assert not CONTROL.search(text)
