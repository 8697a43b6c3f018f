"""From a run to corrections of it, by hand, by audit and from other programs, to the next run that takes them."""

from __future__ import annotations

import contextlib
import csv
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
from begun_store import begin_store
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from workshop import Workshop
from workshop import settings as settings_of

from windrow.tasks.corrections.correction_files import read_corrections_file
from windrow.tasks.corrections.correction_list import read_corrections, read_standing
from windrow.tasks.storage.catalog.views import connect, connect_run, open_catalog
from windrow.tasks.storage.verify.verification import verify


@dataclass(frozen=True)
class Corrected:
    """A store with a run, what was said of it, and what the commands printed."""

    workshop: Workshop
    config: Path
    store: Path
    first: dict[str, dict[str, Any]]
    samples: dict[str, str]
    said: dict[str, str]

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        return list(open_catalog(self.store).sql(sql).fetchall())


def pool_of(store: Path) -> dict[str, dict[str, Any]]:
    table = open_catalog(store).sql("SELECT * FROM pool").to_arrow_table()
    return {row["sample_id"]: row for row in table.to_pylist()}


def words(workshop: Workshop, *command: str) -> str:
    ended = workshop.here(*command)
    assert ended.returncode == 0, ended.stderr
    return " ".join(ended.stdout.split())


@pytest.fixture(scope="module")
def corrected(workshop: Workshop) -> Corrected:
    """Run, correct in five ways, and run again."""
    store = begin_store(workshop.folder / "corrected", workshop.store)
    selection = settings_of(workshop.pool, store)["selection"]
    changes = {"selection": {**selection, "near_duplicate_threshold": 0.91}, "executor": {"kind": "inline"}}
    config = workshop.write_config("corrected", **changes)
    words(workshop, "run", str(config))
    first = pool_of(store)
    given = [name for name, row in sorted(first.items()) if row["given_label"] and row["selected"]]
    twins = [row for _, row in sorted(first.items()) if row["duplicate_of"]]
    samples = {
        "wrong": given[0],
        "refuted": given[1],
        "dropped": given[2],
        "kept": next(name for name, row in sorted(first.items()) if row["dropped_by"] == "greyscale"),
        "twin": twins[0]["sample_id"],
        "studio": next(name for name, row in sorted(first.items()) if not row["given_label"]),
    }
    at = ("--store", str(store), "--who", "ann")
    said = {}
    label = "0" if first[samples["wrong"]]["given_label"] != "0" else "1"
    said["label"] = words(workshop, "corrections", "add", samples["wrong"], "label", label, "--why", "seen", *at)
    refuted = first[samples["refuted"]]["given_label"]
    words(workshop, "corrections", "add", samples["refuted"][:12], "wrong_label", refuted, *at)
    words(workshop, "corrections", "add", samples["dropped"], "drop", "--why", "a test picture", *at)
    path = workshop.folder / "fixes.csv"
    rows = [("kept", "keep", ""), ("twin", "not_a_duplicate", twins[0]["duplicate_of"])]
    lines = [f"{samples[name]},{kind},{other},nice" for name, kind, other in rows]
    path.write_text("sample_id,kind,other,why\n" + "\n".join(lines) + "\n")
    said["csv"] = words(workshop, "corrections", "import", str(path), *at)
    said["again"] = words(workshop, "corrections", "import", str(path), *at)
    choice = {"type": "choices", "value": {"choices": ["7"]}}
    skipped = {"was_cancelled": True, "result": [choice]}
    task = {
        "id": 4,
        "data": {"image": f"/data/local-files/?d=pool/{samples['studio']}.png"},
        "annotations": [{"completed_by": {"email": "bob@example.org"}, "result": [choice]}, skipped],
    }
    path = workshop.folder / "studio.json"
    path.write_text(json.dumps([task, {"id": 5, "data": {"image": "x.png"}, "annotations": []}]))
    said["studio"] = words(workshop, "corrections", "import", str(path), *at)
    said["run"] = words(workshop, "run", str(config))
    return Corrected(workshop, config, store, first, samples, {"label_given": label, **said})


def test_what_was_said_is_what_the_next_run_holds(corrected: Corrected) -> None:
    now, samples = pool_of(corrected.store), corrected.samples
    assert now[samples["wrong"]]["given_label"] == corrected.said["label_given"]
    assert now[samples["refuted"]]["given_label"] is None
    assert now[samples["refuted"]]["label"] != corrected.first[samples["refuted"]]["given_label"]
    assert now[samples["studio"]]["given_label"] == "7"
    assert now[samples["dropped"]]["dropped_by"] == "hand" and not now[samples["dropped"]]["selected"]
    assert now[samples["kept"]]["rank"] == 1 and now[samples["kept"]]["selected"]
    twin = now[samples["twin"]]
    assert twin["duplicate_of"] != corrected.first[samples["twin"]]["duplicate_of"]
    who = corrected.ask(f"SELECT annotator FROM labels WHERE label_set = 'given' AND sample_id = '{samples['studio']}'")
    assert who == [("bob@example.org",)]
    changed = {name for name, row in now.items() if row["given_label"] != corrected.first[name]["given_label"]}
    assert changed == {samples["wrong"], samples["refuted"], samples["studio"]}


def test_every_step_says_what_it_did(corrected: Corrected) -> None:
    said = corrected.said
    assert "says ann; the next run takes them" in said["label"]
    assert "2 read; added: 1 keep, 1 not a duplicate" in said["csv"]
    assert "2 read; added: nothing new" in said["again"]
    assert "1 read; added: 1 label" in said["studio"]
    assert "corrections: 2 label, 1 wrong label, 1 keep, 1 drop, 1 not a duplicate" in said["run"]
    store = str(corrected.store)
    story = words(corrected.workshop, "explain", corrected.samples["dropped"], "--store", store)
    assert "ann said on" in story and "drop: a test picture" in story and "not ranked: dropped by hand" in story
    change = words(corrected.workshop, "diff", "digits", "--store", store)
    assert "people have corrected:" in change and re.search(
        r"\d removed", change.partition("people have corrected:")[2]
    )
    listed = words(corrected.workshop, "corrections", "list", "--store", store)
    assert "2 label, 1 wrong label, 1 keep, 1 drop, 1 not a duplicate: the next run takes them" in listed


def test_a_run_that_takes_the_same_corrections_finds_everything_done(corrected: Corrected) -> None:
    found = re.findall(r"\(([^()]*?)[\d.]+ s\)", words(corrected.workshop, "run", str(corrected.config)))
    assert len(found) > 5 and set(found) == {"found done, "}
    assert verify(corrected.store).damage == ()


def test_without_corrections_it_is_the_first_run_again(corrected: Corrected) -> None:
    words(corrected.workshop, "run", str(corrected.config), "-s", "corrections=false")
    now = pool_of(corrected.store)
    assert all(now[name]["rank"] == row["rank"] and now[name]["label"] == row["label"] for name, row in
               corrected.first.items())  # fmt: skip
    words(corrected.workshop, "run", str(corrected.config))


def test_what_is_listed_in_a_file_can_be_imported(corrected: Corrected, tmp_path: Path) -> None:
    path, at = tmp_path / "said.csv", ("--store", str(corrected.store))
    words(corrected.workshop, "corrections", "list", "--out", str(path), *at)
    assert "6 read; added: nothing new" in words(corrected.workshop, "corrections", "import", str(path), *at)


def test_an_audit_that_is_applied_corrects_and_takes_no_other_label_away(corrected: Corrected, tmp_path: Path) -> None:
    path, at = tmp_path / "audit.csv", ("--store", str(corrected.store))
    before = pool_of(corrected.store)
    words(corrected.workshop, "audit", "sample", str(path), "-n", "4", "--label-set", "given", *at)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    other = "3" if rows[2]["label"] != "3" else "4"
    for row, verdict in zip(rows, ("y", "n", other, ""), strict=True):
        row["correct"] = verdict
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    said = words(corrected.workshop, "audit", "read", str(path), "--apply", "--who", "eve", *at)
    assert "2 label, 2 wrong label added; the next run takes them" in said
    assert "all of it was there before" in words(
        corrected.workshop, "audit", "read", str(path), "--apply", "--who", "eve", *at
    )
    words(corrected.workshop, "run", str(corrected.config))
    after = pool_of(corrected.store)
    expected = {name: row["given_label"] for name, row in before.items()}
    expected |= {rows[1]["sample_id"]: None, rows[2]["sample_id"]: other}
    assert {name: row["given_label"] for name, row in after.items()} == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sample_id,kind,value\n{id},label,\n", "line 2: value: label wants a class"),
        ("sample_id,kind,value\n{id},label,cat\nno,keep,\n", "line 3: no readable sample of the last run"),
        ("sample_id,kind\n{id},like\n", "line 2: kind: wants one of"),
        ("sample_id,value\n{id},cat\n", "wants columns kind and sample_id or key"),
    ],
)
def test_a_file_with_a_wrong_row_changes_nothing(corrected: Corrected, tmp_path: Path, text: str, told: str) -> None:
    before = read_corrections(corrected.store)
    path = tmp_path / "said.csv"
    path.write_text(text.format(id=corrected.samples["kept"]))
    ended = corrected.workshop.here("corrections", "import", str(path), "--store", str(corrected.store))
    assert ended.returncode == 2 and told in " ".join(ended.stderr.split())
    assert read_corrections(corrected.store).equals(before)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "is no JSON"),
        ("3", "is neither a list of Label Studio's tasks"),
        ('[{"id": 9, "data": {"image": "nobody.png"}, "annotations": [RESULT]}]', "task 9: no readable sample"),
        ('[{"id": 9, "data": {}, "annotations": [RESULT]}]', "task 9: names no sample"),
        ('[{"id": 9, "data": {"image": "a.png"}, "annotations": [TWO]}]', "task 9: has several classes of one sample"),
        ('{"samples": [{"filepath": "nobody.png", "tags": ["keep"]}]}', "sample 1: no readable sample"),
    ],
)
def test_exports_of_other_programs_are_read_strictly(
    corrected: Corrected, tmp_path: Path, content: str, told: str
) -> None:
    result = '{"result": [{"type": "choices", "value": {"choices": ["cat"]}}]}'
    path = tmp_path / "said.json"
    path.write_text(content.replace("RESULT", result).replace("TWO", result.replace('"cat"', '"cat", "dog"')))
    ended = corrected.workshop.here("corrections", "import", str(path), "--store", str(corrected.store))
    assert ended.returncode == 2 and told in " ".join(ended.stderr.split())


def test_labels_and_tags_of_fiftyone_are_read(corrected: Corrected, tmp_path: Path) -> None:
    kept, wrong = corrected.samples["kept"], corrected.samples["wrong"]
    samples = [
        {"filepath": f"data/{kept}.png", "tags": ["drop", "nice"], "ground_truth": None},
        {"filepath": f"data/{wrong}.png", "tags": [], "ground_truth": {"_cls": "Classification", "label": "8"}},
        {"filepath": "data/nobody.png", "tags": [], "ground_truth": None},
    ]
    path = tmp_path / "samples.json"
    path.write_text(json.dumps({"samples": samples}))
    said = words(
        corrected.workshop, "corrections", "import", str(path), "--who", "cid", "--store", str(corrected.store)
    )
    assert "2 read; added: 1 label, 1 drop" in said
    for name in (kept, wrong):
        words(corrected.workshop, "corrections", "add", name, "undo", "--who", "cid", "--store", str(corrected.store))
    rows = read_standing(corrected.store).to_pylist()
    assert "cid" not in {row["who"] for row in rows}


# As Label Studio 1.23.2 writes them.
STUDIO_CSV = """"annotation_id","annotator","choice","created_at","id","image","key","lead_time","updated_at"
1,"7","8","2026-11-29T12:23:00.924250Z",1,"/data/local-files/?d=/photos/{kept}.png","","","2026-11-29T12:23:00.924278Z"
"","","","",7,"/data/local-files/?d=/photos/nobody.png","","",""
"""


def test_a_table_of_label_studios_is_read(corrected: Corrected, tmp_path: Path) -> None:
    path, connection = tmp_path / "export.csv", connect_run(corrected.store)
    path.write_text(STUDIO_CSV.format(kept=corrected.samples["kept"]))
    [said] = read_corrections_file(path, connection, "ann", False)
    assert (said.sample_id, said.kind, said.value, said.who) == (corrected.samples["kept"], "label", "8", "7")
    tsv = tmp_path / "export.tsv"
    tsv.write_text(path.read_text().replace('","', '"\t"').replace(',"', '\t"').replace('",', '"\t'))
    assert read_corrections_file(tsv, connection, "ann", False) == [said]
    path.write_text(path.read_text().replace('"8"', """ "{""choices"":[""8"",""9""]}" """.strip()))
    with pytest.raises(ValueError, match="line 2: has several classes of one sample"):
        read_corrections_file(path, connection, "ann", False)


NAMES = ("data", "annotations", "result", "type", "value", "choices", "choice", "meta", "sample_id", "image", "id",
         "tags", "samples", "label", "_cls")  # fmt: skip
SHAPES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.sampled_from(["choices", "Classification"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=25,
)
ENTRIES = st.lists(SHAPES, max_size=3)


@pytest.fixture(scope="module")
def empty() -> duckdb.DuckDBPyConnection:
    """The tables of a store without a sample."""
    return connect({})


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ENTRIES | st.fixed_dictionaries({"samples": ENTRIES}) | SHAPES)
def test_whatever_json_holds_is_read_or_refused_in_a_sentence(
    tmp_path: Path, empty: duckdb.DuckDBPyConnection, content: Any
) -> None:
    path = tmp_path / "said.json"
    path.write_text(json.dumps(content))
    with contextlib.suppress(ValueError):
        read_corrections_file(path, empty, "ann", False)
