import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from report_page import Page
from reported_store import IMAGE, SCRIPT, Store, make_store

from windrow.schemas.embeddings import MAP_PLACES
from windrow.tasks.report.answers.mapped import mapped
from windrow.tasks.report.cited import Asked
from windrow.tasks.report.drawn import report_of
from windrow.tasks.report.map_sample import read_map
from windrow.tasks.report.page import render, write_report
from windrow.tasks.report.pool_map import draw_map
from windrow.tasks.report.questions import QUESTIONS
from windrow.tasks.report.sections import Section
from windrow.tasks.report.thumbnails import sample_reader
from windrow.tasks.storage.catalog.judged_sql import query
from windrow.tasks.storage.catalog.views import connect_run
from windrow.tasks.storage.sources.source import SampleGone
from windrow.tasks.storage.store.outputs import open_output
from windrow.tasks.storage.store.run_records import Run, start_run

ANSWERS = [
    "What was gained?",
    "What was thrown away, and was it right?",
    "Where are the labels weak?",
    "What changed since the last version?",
    "What did people correct?",
]
SECTIONS = [
    *ANSWERS,
    "How even is it, class by class?",
    "Where does the set lie in the pool?",
    "How is the pool grouped?",
    "What do the samples look like?",
    "What did it take?",
]


@pytest.fixture(scope="module")
def html(store: Store, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_report(connect_run(store.run.store), path, store.run)
    return path.read_text()


def words(html: str) -> str:
    return re.sub(r"\s+", " ", Page(html).text)


def test_the_page_has_every_section_and_closes_every_element(html: str) -> None:
    page = Page(html)
    assert page.headings == SECTIONS
    assert page.unclosed == []


def test_the_page_opens_with_the_answers(html: str) -> None:
    opening = html[: html.index("</header>")]
    assert re.findall(r"<dt><a[^>]*>(.*?)</a>", opening) == ANSWERS
    text = words(opening)
    assert "Worth was not judged. The balance of classes went from 0.90 to 0.80: less even." in text
    assert "Of 69 occurrences, 5 cannot be read, 4 have the same bytes as another, 6 are near-duplicates, 3" in text
    assert "windrow explore --store " in text and "windrow explain --store " in text


def test_a_balance_that_fell_is_never_in_the_colour_of_what_is_better(html: str) -> None:
    assert "pool 0.90 (0.86 to 0.93), curated set 0.80 (0.70 to 0.85): less even: worse." in words(html)
    assert 'class="tile broad worse"' in html and '<b class="worse">' in html
    assert 'class="better"' not in html and "broad better" not in html


def test_a_set_that_nobody_judged_says_how_to_have_it_judged(html: str) -> None:
    assert "This run did not judge what its set is worth. To have it judged, name labelled samples" in words(html)


def test_the_hierarchy_is_told_in_figures_too(html: str) -> None:
    table = html[html.index("<h3>Levels</h3>") : html.index('<section id="glanced">')]
    cells = [re.findall(r'<t[dh][^>]*class="n"[^>]*>(.*?)</t[dh]>', row) for row in table.split("<tr>")[2:4]]
    assert cells == [
        ["1", "13", "1", "0", "0", "5", "5", "8.3%", "12.0", "0.500", "24.0"],
        ["2", "3", "0", "0", "20", "20", "20", "33.3%", "3.0", "1.923", "57.0"],
    ]


def test_nothing_from_data_becomes_an_element_or_an_attribute(html: str) -> None:
    page = Page(html)
    assert not {"script", "i", "iframe", "object", "link"} & set(page.tags)
    assert SCRIPT not in html and IMAGE not in html and "<img src=x" not in html
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    # Both are there as text: as class, reason, filter, backbone, key and in the config.
    assert page.text.count(SCRIPT) > 10 and page.text.count('"><img src=x') > 3


def test_nothing_points_outside_of_the_page(html: str) -> None:
    links = [
        (name, value) for _, name, value in Page(html).attributes if name in ("src", "href", "srcset", "xlink:href")
    ]
    assert all(value.startswith(("#", "data:image/")) for _, value in links)
    assert "url(" not in html and "@import" not in html and "http" not in html.replace("http-equiv", "")
    policy = next(value for _, name, value in Page(html).attributes if name == "content" and "default-src" in value)
    assert "default-src 'none'" in policy and "script" not in policy


def test_every_picture_says_what_it_shows(html: str) -> None:
    page = Page(html)
    images = [value for tag, name, value in page.attributes if tag == "img" and name == "alt"]
    titles = [value for tag, name, value in page.attributes if tag == "figure" and name == "title"]
    assert len(images) == page.tags["img"] > 60 and all(images)
    assert all(re.match(r"([0-9a-f]{32}) \((not )?selected\) .+<i>&'.+ \xb7 windrow explain .+ \1$", t) for t in titles)
    figures = [dict(attrs) for attrs in _svgs(html)]
    assert all(figure.get("aria-label") or figure.get("aria-hidden") == "true" for figure in figures)


def _svgs(html: str) -> list[list[tuple[str, str]]]:
    return [re.findall(r'([\w-]+)="([^"]*)"', tag) for tag in re.findall(r"<svg[^>]*>", html)]


def test_the_same_run_gives_the_same_page_and_another_seed_other_samples(html: str, store: Store) -> None:
    connection = connect_run(store.run.store)
    assert render(connection, store.run, sample_reader(connection, store.run.store)) == html
    assert render(connection, store.run, sample_reader(connection, store.run.store), seed=1) != html


def test_a_run_without_anything_has_a_page_that_says_so(empty_run: Run, tmp_path: Path) -> None:
    write_report(connect_run(empty_run.store), tmp_path / "report.html", empty_run)
    html = (tmp_path / "report.html").read_text()
    assert Page(html).headings == SECTIONS
    for sentence in ("no outcomes", "neither labels nor clusters", "no clusters", "Nothing was unreadable"):
        assert sentence in html
    for sentence in ("fewer than three embeddings", "no record of its stages", "The pool has no readable sample"):
        assert sentence in html
    for sentence in ("did not judge what its set is worth", "no version of this run", "Nobody has corrected anything"):
        assert sentence in html
    assert Page(html).tags["img"] == 0


def test_a_run_that_found_nothing_new_takes_the_page_over_and_its_sql_asks_that_run(tmp_path: Path) -> None:
    runs = [start_run(tmp_path, "same", {}).finish("finished") for _ in range(3)]
    pages = [report_of(run).read_text() for run in runs]
    assert "found nothing new" not in pages[0]
    for run, page in zip(runs[1:], pages[1:], strict=True):
        assert set(re.findall(r"--run (\S+)", page)) == {run.run_id}
        assert re.findall(r"Run (\S+) found nothing new", page) == [run.run_id]
        assert f"Run <code>{runs[0].run_id}</code>" in page


def test_samples_whose_files_are_gone_are_shown_as_such(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    for file in store.source.iterdir():
        file.unlink()
    write_report(connect_run(store.run.store), tmp_path / "report.html", store.run)
    html = (tmp_path / "report.html").read_text()
    assert Page(html).tags["img"] == 0
    assert html.count('class="gone">file is gone<') > 60


def test_the_map_is_that_of_the_explorer_once_it_has_drawn_one(tmp_path: Path) -> None:
    run = make_store(tmp_path).run
    connection = connect_run(run.store)

    def drawn() -> tuple[str, Any]:
        ask = Asked(connection, run.run_id, "here")
        html = render(connection, run, lambda _: [], sections=(Section("Where?", "Map", mapped),))
        return words(html), read_map(ask, run, 0)

    text, on_components = drawn()
    assert "first principal components" in text and "windrow explore --store " in text
    features = [str(output.path.relative_to(run.store)) for output in run.outputs("features")]
    places = open_output(run.store / draw_map(run.store, features, 0).path).read(MAP_PLACES).to_pylist()
    text, near = drawn()
    assert "among their nearest neighbours (t-SNE" in text and "principal" not in text
    assert on_components.explained and near.explained is None
    assert near.labels == on_components.labels and len(near.pool) == len(places)
    assert sorted(near.pool[:, 0].tolist()) == pytest.approx(sorted(row["x"] for row in places))


def test_a_reason_for_a_missing_image_is_escaped(store: Store) -> None:
    def read(sample_ids: Sequence[str]) -> Iterable[tuple[str, bytes | SampleGone]]:
        return [(name, SampleGone(SCRIPT)) for name in sample_ids]

    html = render(connect_run(store.run.store), store.run, read)
    assert SCRIPT not in html and "script" not in Page(html).tags


@pytest.mark.parametrize("sql", [sql for _, sql in QUESTIONS])
def test_the_queries_to_ask_next_are_answered(sql: str, store: Store) -> None:
    query(connect_run(store.run.store), sql).fetchall()


def test_text_and_background_are_far_enough_apart_in_light_and_dark() -> None:
    css = (Path(__file__).parents[3] / "tasks" / "report" / "report.css").read_text()
    light, dark = (
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", part)) for part in css.split("prefers-color-scheme")[:2]
    )
    for colours in (light, dark):
        pairs = [(ink, paper) for ink in ("ink", "soft", "curated") for paper in ("page", "card")]
        pairs += [("on-high" if n > 3 else "on-low", f"s{n}") for n in range(6)] + [("error", "errorback")]
        too_close = {pair: _contrast(colours[pair[0]], colours[pair[1]]) for pair in pairs}
        assert {pair: ratio for pair, ratio in too_close.items() if ratio < 4.5} == {}


def _contrast(one: str, other: str) -> float:
    """WCAG 2.2, contrast ratio."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
