"""Every number of a page is what the SQL beside it gives."""

import io
import os
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_page import Asked, Page, taken_apart
from reported_store import SCRIPT, Store
from rich.console import Console

from windrow.flows.commands.answers import print_diff
from windrow.tasks.report.answers.gained import gained
from windrow.tasks.report.cited import Asked as Asking
from windrow.tasks.report.cited import CitedFloat, CitedInt, Query
from windrow.tasks.report.formats import count, decimal, duration, percent
from windrow.tasks.report.page import render, write_report
from windrow.tasks.report.run_versions import run_before
from windrow.tasks.report.sections import ANSWERS, DETAILS, Section
from windrow.tasks.storage.catalog.judged_sql import question
from windrow.tasks.storage.catalog.views import connect_run

FORMS = (
    *(lambda value, digits=digits: percent(value, digits) for digits in (0, 1)),
    *(lambda value, digits=digits: decimal(value, digits) for digits in (1, 2, 3)),
    lambda value: count(round(value)),
    lambda value: f"{value:+.1f}",
    duration,
)


@pytest.fixture(scope="module")
def page(full_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Page:
    path = tmp_path_factory.mktemp("cited") / "report.html"
    write_report(connect_run(full_store.run.store, full_store.run.run_id), path, full_store.run)
    return Page(path.read_text())


def check(page: Page, store: Path) -> None:
    """Ask every question of a page, and compare its numbers and the samples of its strips with the answers."""
    answers, connected = {}, cache(lambda run_id, files: connect_run(store, run_id, anywhere=files))
    for anchor, command in page.queries.items():
        asked = taken_apart(command)
        connection = connected(asked.run_id, asked.files)
        relation = connection.sql(question(connection, asked.sql, anywhere=asked.files))
        assert len(set(relation.columns)) == len(relation.columns), command
        answers[anchor] = relation.columns, relation.fetchall()
    wrong = []
    for number in page.numbers:
        columns, rows = answers[number.anchor]
        value = float(rows[number.row][columns.index(number.column)])
        if value != pytest.approx(number.value, rel=1e-5) or not any(form(value) in number.text for form in FORMS):
            wrong.append((number, value))
    assert wrong == []
    for anchor, samples in page.strips:
        found = [cell for row in answers[anchor][1] for cell in row if re.fullmatch("[0-9a-f]{32}", str(cell))]
        assert samples == found
    links = {value.removeprefix("#") for tag, name, value in page.attributes if (tag, name) == ("a", "href")}
    places = {value for _, name, value in page.attributes if name == "id"}
    assert links <= places


def test_every_number_of_the_report_is_what_its_sql_gives(page: Page, full_store: Store) -> None:
    assert len(page.numbers) > 200 and len(page.queries) > 40 and len(page.strips) > 12
    assert sum("--allow-files" in command for command in page.queries.values()) > 4
    check(page, full_store.run.store)


def test_every_number_of_the_answers_in_short_is_cited(page: Page) -> None:
    plain = re.sub(r"v\d{4}", "", page.uncited)
    assert len(plain) > 100 and not re.search(r"\d", plain), plain


def test_a_command_of_the_page_is_answered_by_the_command_line(page: Page) -> None:
    command = next(command for command in page.queries.values() if "--allow-files" in command)
    words = [*shlex.split(command)[1:], "--format", "csv"]
    environment = {**os.environ, "WINDROW_STORE": "nowhere"}
    ended = subprocess.run([sys.executable, "-m", "windrow", *words], capture_output=True, text=True, env=environment)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[0] in ("n", "before,came,went,relabelled,now,jaccard,n_classes")


def test_what_was_gained_is_told_with_its_interval(page: Page) -> None:
    text = re.sub(r"\s+", " ", page.text)
    assert "2.5 times (1.5 to 3.5): so many times as many random samples train as well" in text
    assert "Balanced accuracy 81.2%, of as many random samples 68.8% (difference +6.2 to +18.8 points)" in text


@pytest.mark.parametrize(
    ("verdict", "short", "body"),
    [
        ("worse", "Nothing: the set is worse than random samples.", "No. A probe that trains on as many random"),
        ("unclear", "No gain is shown yet.", "Not shown yet. The 95 % interval of the difference holds 0"),
        (
            "unknown",
            "It could not be measured: too few; judged on v0001",
            "one could not be measured: too few. To have it judged",
        ),
    ],
)
def test_what_was_not_gained_is_said_plainly(full_store: Store, verdict: str, short: str, body: str) -> None:
    connection = connect_run(full_store.run.store)
    told = "NULL::DOUBLE" if verdict == "unknown" else "quality"
    connection.execute(
        f"CREATE TEMP TABLE worth AS SELECT * REPLACE ('{verdict}' AS verdict, 'too few' AS why, {told} AS quality)"
        " FROM main.worth"
    )
    html = render(connection, full_store.run, lambda _: [], sections=(Section("Gained?", "", gained), ANSWERS[1]))
    text = re.sub(r"\s+", " ", Page(html).text)
    assert short in text and body in text
    assert 'b class="better"' not in html and "broad better" not in html


def test_what_changed_is_told_by_class_and_with_pictures(page: Page, full_store: Store) -> None:
    text = re.sub(r"\s+", " ", page.text)
    # The first version had samples 8 to 25, the second has 9 to 28; sample 10 was of another class, 8 and 9 of none.
    assert "From v0001 to v0002 3 samples came, 1 went and" in text
    ids = [strip for anchor, strip in page.strips if anchor.startswith("changed-")]
    assert [len(strip) for strip in ids[:2]] == [3, 1]
    assert "3 corrections by 2 people. This run took 2" in text
    assert full_store.counts["exported"] == 20


def test_the_versions_are_drawn_where_there_are_two(page: Page) -> None:
    assert "How did the versions go?" in page.headings
    told = {number.column: number.text for number in page.numbers if number.anchor.startswith("over_versions-")}
    # 17 of 21 samples are in both; the balance is that of the table, the drift that of the run.
    assert (told["jaccard"], told["balance"], told["share_far"]) == ("81.0%", "0.80", "12.5%")


def test_a_report_is_no_reason_to_keep_what_an_earlier_run_made(full_store: Store) -> None:
    run = full_store.run
    before = run_before(run)
    assert before is not None
    (path,) = (run.store / path for path in before.stage("rank").outputs)
    os.utime(path / "manifest.json", (0, 0))
    render(connect_run(run.store, run.run_id), run, lambda _: [], sections=DETAILS[:1])
    assert (path / "manifest.json").stat().st_mtime == 0  # an output that is opened is marked as used


def test_the_difference_is_told_by_class_and_has_a_page_of_its_own(full_store: Store, tmp_path: Path) -> None:
    store, console = full_store.run.store, Console(file=io.StringIO(), width=200)
    print_diff(console, store, "demo", None, None, tmp_path / "diff.html")
    assert isinstance(console.file, io.StringIO)
    rows = [re.split(r"\s*│\s*", line)[1:-1] for line in console.file.getvalue().splitlines() if line.startswith("│")]
    classes = {row[0]: list(map(int, row[1:])) for row in rows if len(row) == 7}
    assert {"cat", SCRIPT, "no label"} <= set(classes)
    for before, came, went, new, lost, now in classes.values():
        assert before + came - went + new - lost == now
    totals = [sum(column) for column in zip(*classes.values(), strict=True)]
    assert totals[1:3] == [3, 1] and totals[3] == totals[4] > 0
    found = Page((tmp_path / "diff.html").read_text())
    assert found.headings == ["What changed from v0001 to v0002?"]
    assert "script" not in found.tags and SCRIPT in found.text
    check(found, store)


def test_samples_passed_over_stand_beside_the_nearest_that_is_selected(page: Page, full_store: Store) -> None:
    connection = connect_run(full_store.run.store)
    near = dict(connection.execute("SELECT sample_id, position FROM neighbors").fetchall())
    (strip,) = (samples for anchor, samples in page.strips if "passed_over" in page.queries[anchor])
    # Sample n has n + 1 and n + 2 for neighbours; of those passed over (29 to 59) none of these is selected.
    assert len(strip) == 10 and all(near[sample] >= 29 for sample in strip) and "none near" in page.text


def test_values_become_sql_that_gives_them_again() -> None:
    asking = Asking(duckdb.connect(), "r", "here")
    rows = asking.execute(
        "SELECT $1 AS text, $2 AS n, $3 AS share, $4 AS yes, len($5) AS many", ["'$2'", 3, 0.5, True, ["a"]]
    )
    ((text, n, share, yes, many),) = rows.fetchall()
    assert (text, n, share, yes, many) == ("'$2'", 3, 0.5, True, 1)
    assert isinstance(n, CitedInt) and isinstance(share, CitedFloat) and yes is True
    assert (n.anchor, n.row, n.column) == ("here-1", 0, "n")
    assert asking.execute("SELECT 1 AS n WHERE false").first() == {"n": None}
    assert asking.execute("SELECT 'a  $1 ''b' AS path,\n  $1 AS n", [7]).first() == {"path": "a  $1 'b", "n": 7}


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1))
@settings(max_examples=50)
def test_a_shell_takes_a_command_apart_as_it_was_meant(sql: str) -> None:
    command = Query("here-1", sql, "00000001-x", files=True).command(Path("a store/it's"))
    assert shlex.split(command)[-1] == sql
    assert taken_apart(command) == Asked("00000001-x", True, sql)
