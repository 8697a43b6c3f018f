"""README.md and docs/: what is generated is current, what they show is so, and the site holds together by itself."""

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import write_docs
import yaml
from workshop import Workshop

from windrow.flows.demo.demo import CONFIG
from windrow.tasks.config import parse_config
from windrow.tasks.storage.catalog.judged_sql import query
from windrow.tasks.storage.catalog.views import connect_run

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r'^```(?P<language>\w+)(?: title="(?P<title>[^"]+)")?\n(?P<body>.*?)^```', re.M | re.S)


def blocks(language: str) -> Iterator[tuple[str, str]]:
    """Return the page and the text of every block in a language."""
    for page in PAGES:
        for found in BLOCK.finditer(page.read_text()):
            if found["language"] == language:
                yield str(page.relative_to(ROOT)), found["body"]


def cases(found: list[tuple[str, str]]) -> pytest.MarkDecorator:
    """Make a test of each block, named by its page."""
    return pytest.mark.parametrize("text", [text for _, text in found], ids=[page for page, _ in found])


CONSOLE = list(blocks("console"))
QUERY = re.compile(r'\$ windrow query --store data/demo/store "(?P<sql>[^"]+)"\n(?P<output>.*)', re.S)
QUERIES = [(page, text) for page, text in CONSOLE if QUERY.match(text)]


@pytest.mark.parametrize("page", write_docs.REFERENCES, ids=str)
def test_every_generated_page_is_what_the_code_says(page: Path) -> None:
    assert (ROOT / page).read_text() == write_docs.REFERENCES[page](), "run `make docs`"


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_every_page_with_outputs_is_written_by_the_generator() -> None:
    assert {page for page, _ in CONSOLE} == {str(page) for page in write_docs.ANSWERED}
    assert len(QUERIES) >= 8


@cases(QUERIES)
def test_every_query_is_answered_with_the_columns_that_it_shows(workshop: Workshop, text: str) -> None:
    shown = QUERY.match(text)
    assert shown is not None
    relation = query(connect_run(workshop.store), shown["sql"])
    heads = [name.strip() for name in re.split("[┃│]", shown["output"].splitlines()[1])[1:-1]]
    assert relation.columns == heads
    assert relation.fetchall()


@cases(list(blocks("sql")))
def test_every_select_can_be_asked(workshop: Workshop, text: str) -> None:
    assert query(connect_run(workshop.store), text).columns


@pytest.mark.parametrize(("page", "text"), list(blocks("yaml")), ids=[page for page, _ in blocks("yaml")])
def test_every_config_is_one(page: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(ROOT / page, tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert parse_config({"sources": ["a"], **yaml.safe_load(text)})
    for file in tmp_path.glob("*.py"):  # of this page, not of the next that has one of its name
        monkeypatch.delitem(sys.modules, file.stem, raising=False)


@pytest.mark.parametrize("page", ["README.md", "docs/explanation/curation.md", "docs/evidence/selection.md"])
def test_the_gain_that_a_page_claims_is_that_of_the_table(page: str) -> None:
    tables = (ROOT / "docs" / "evidence" / "selection-tables.md").read_text()
    table = re.split(r"\n### Tail 100 : 1, 10 labels a class, 0% off topic, .*\(orders [\d,]+\), .* judges\n", tables)[
        1
    ]
    row = re.search(r"^\| class-balanced, the default \| \+(\S+ ± \S+) \|(?:[^|]*\|){3} (\S+) \(", table, re.M)
    assert row
    text = " ".join((ROOT / page).read_text().split())
    assert f"{row[1]} points" in text
    assert f"as {float(row[2]):.1f} times as many" in text


def test_the_demo_has_a_config_that_can_be_read() -> None:
    text = CONFIG.format(path="p", store="s", sources=["a"], target_size=7, evaluate="e.csv")
    assert parse_config(yaml.safe_load(text)).selection.target_size == 7


def write_files(page: Path, folder: Path) -> None:
    """Write the blocks of a page that have the name of a file."""
    for found in BLOCK.finditer(page.read_text()):
        if found["title"]:
            (folder / found["title"]).write_text(found["body"])


def test_every_link_leads_to_a_file_and_a_heading() -> None:
    for page in PAGES:
        text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if not target.startswith(("http", "<http")):
                path, _, heading = target.partition("#")
                there = (page.parent / path).resolve() if path else page
                assert there.is_file(), f"{page}: {target}"
                if heading:
                    assert heading in headings(there), f"{page}: {target}"


def headings(page: Path) -> set[str]:
    """Return the anchors of a page's headings."""
    names = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", name).strip().lower()) for name in names}


PROGRAMS: dict[Path, str] = {}
"""The Python of each how-to page, but for the files that it names."""
for _page in sorted((ROOT / "docs" / "how-to").glob("*.md")):
    for _found in BLOCK.finditer(_page.read_text()):
        if _found["language"] == "python" and not _found["title"]:
            PROGRAMS[_page] = PROGRAMS.get(_page, "") + _found["body"]


@pytest.mark.parametrize("page", PROGRAMS, ids=lambda page: page.stem)
def test_the_code_of_a_page_runs(page: Path, workshop: Workshop, tmp_path: Path) -> None:
    write_files(page, tmp_path)
    (tmp_path / "data" / "demo").mkdir(parents=True)
    (tmp_path / "data" / "demo" / "store").symlink_to(workshop.store)
    (tmp_path / "program.py").write_text(PROGRAMS[page])
    ended = subprocess.run([sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.skipif(
    importlib.util.find_spec("mkdocs") is None or importlib.util.find_spec("mkdocstrings") is None,
    reason="the extra `docs` is not installed",
)
def test_the_site_is_built_strictly_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    built = subprocess.run(
        words, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    )
    assert built.returncode == 0, built.stderr
    for page in tmp_path.rglob("*.html"):
        loaded = re.findall(
            r'<(?:script|img|iframe|source|link)\b[^>]*?(?:src|href)="?((?:https?:)?//[^"\s>]*)', page.read_text()
        )
        assert not loaded, f"{page.name}: {loaded}"
    for style in tmp_path.rglob("*.css"):
        assert not re.findall(r"(?:url\(|@import )[\"']?(?:https?:)?//[^)]*", style.read_text()), style.name
