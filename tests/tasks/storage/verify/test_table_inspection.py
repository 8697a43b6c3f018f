"""What does not fit together in the tables of a run is found, even where every digest and seal fits."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from verified_store import (
    Dice,
    change_json,
    change_table,
    files_of,
    one_file,
    rewrite,
)

from windrow.schemas import TABLES
from windrow.tasks.storage.store.outputs import MANIFEST
from windrow.tasks.storage.store.run_records import latest_run
from windrow.tasks.storage.verify.verification import verify

Row = dict[str, Any]
EMPTY = {
    "annotations",
    "annotators",
    "class_names",
    "corrections",
    "coco_files",
    "label_states",
    "looked_for",
    "vocabularies",
    "state_classes",
    "snippets",
    "taken_corrections",
    "drift",
    "forgotten",
    "model_scores",
    "held_out",
    "held_out_states",
    "worth_curve",
    "worth_kept",
    "leaks",
    "reference_weights",
    "reference_overlap",
}
STORED = [table.name for table in TABLES if table.name not in ("registry", "shards", "exports", "runs", "stages")]


@pytest.mark.parametrize("table", [*sorted({*STORED} - EMPTY), "exported_samples", "export_plan"])
def test_a_row_that_was_left_out_of_a_table_is_missed(store: Path, table: str) -> None:
    dice = Dice.roll()
    path = one_file(store, table) if table in STORED else next(store.glob(f"outputs/**/{table}.parquet"))
    left_out = dice.random.randrange(pq.read_metadata(path).num_rows)
    for file in files_of(store, table) if table == "backbones" else [path]:  # backbones are the same in every shard
        change_table(file, lambda rows: pa.concat_tables([rows.slice(0, left_out), rows.slice(left_out + 1)]))
    damage = verify(store).damage
    word = table.removesuffix("s")  # the stage that counted the rows may be all that misses one
    assert any(word in each.path or word in each.reason for each in damage), f"row {left_out} of {path}: {damage}"
    assert all("SHA-256" not in each.reason and "seal" not in each.reason for each in damage)


@pytest.mark.parametrize("table", sorted({*STORED} - EMPTY))
def test_a_key_that_is_there_twice_is_found(store: Path, table: str) -> None:
    path = one_file(store, table)
    n_others = max(1, pq.read_metadata(path).num_rows - 1)  # so that their number stays, but where there is one
    change_table(path, lambda rows: pa.concat_tables([rows.slice(0, n_others), rows.slice(0, 1)]))
    quick = [damage for damage in verify(store, quick=True).damage if damage.path.endswith(f", {table}")]
    assert any("keys" in damage.reason and "more than once" in damage.reason for damage in quick)


def test_a_key_that_is_there_twice_in_a_group_of_rows_is_told_with_its_file(store: Path) -> None:
    path = one_file(store, "labels")
    change_table(path, lambda rows: pa.concat_tables([rows.slice(1), rows.slice(1, 1)]))
    reasons = {damage.path: damage.reason for damage in verify(store).damage}
    assert "repeats 1 times" in reasons[path.relative_to(store).as_posix()]


REFERENCES = [
    (table.name, column.name, column.references[0])
    for table in TABLES
    for column in table.columns
    if column.references and table.name in STORED and table.name not in EMPTY
]


@pytest.mark.parametrize(("table", "column", "target"), REFERENCES)
def test_a_reference_to_nothing_is_found(store: Path, table: str, column: str, target: str) -> None:
    def broken(rows: pa.Table) -> pa.Table:
        values = rows[column].to_pylist()
        at = max((n for n, value in enumerate(values) if value is not None), default=0)
        values[at] = "f" * 32
        field = rows.schema.field(column)
        return rows.set_column(rows.schema.get_field_index(column), field, pa.array(values, field.type))

    change_table(one_file(store, table), broken)
    reasons = [damage.reason for damage in verify(store, quick=True).damage if damage.path.endswith(f", {table}")]
    assert any(f"1 values of {column} are not in {target}." in reason for reason in reasons), reasons


def test_a_value_outside_its_bounds_is_found(store: Path) -> None:
    def worse(rows: pa.Table) -> pa.Table:
        at = rows.schema.get_field_index("distance")
        values = [-1.0, *rows["distance"].to_pylist()[1:]]
        return rows.set_column(at, rows.schema.field("distance"), pa.array(values, pa.float32()))

    path = one_file(store, "assignments")
    change_table(path, worse)
    (damage,) = verify(store).damage
    assert damage.path == path.relative_to(store).as_posix()
    assert "column 'distance': -1.0 is outside the bound 0" in damage.reason


def changed(rows: pa.Table, column: str, where: Callable[[Row], bool], value: object) -> pa.Table:
    """Put a value, or what it makes of the row, into the first row that fits."""
    values = rows[column].to_pylist()
    at, row = next((n, row) for n, row in enumerate(rows.to_pylist()) if where(row))
    values[at] = value(row) if callable(value) else value
    field = rows.schema.field(column)
    return rows.set_column(rows.schema.get_field_index(column), field, pa.array(values, field.type))


NOBODY = "f" * 32
ANY = bool  # every row is true
# What is put into the first row that fits, and the sentence that it must lead to.
INCONSISTENT: list[tuple[str, str, Callable[[Row], bool], object, str]] = [
    ("occurrences", "sample_id", lambda r: r["unreadable"] is None, NOBODY, "are readable, but of no sample"),
    ("embeddings", "error", lambda r: r["embedding"] is not None, "x", "have both a vector and an error"),
    ("neighbors", "position", ANY, 999, "positions are missing"),
    ("neighbors", "neighbors", ANY, lambda r: [r["position"]] * len(r["neighbors"]), "neighbour that is"),
    ("hash_groups", "n_in_group", ANY, 3, "groups have another number of samples than they say"),
    ("clusters", "parent_id", lambda r: r["level"] == 1, 7, "have no parent, or one that is not there"),
    ("clusters", "n_samples", ANY, 26, "have another number of samples than they say"),
    ("clusters", "n_members", ANY, 26, "have another number of members than they say"),
    ("assignments", "cluster_path", ANY, [9, 0], "places are in no cluster"),
    ("labels", "label_set", lambda r: r["label_set"] == "smoothed", "mine", "label sets have another number of rows"),
    ("selection", "dropped_by", lambda r: r["rank"] is not None, "x", "are ranked and dropped, or neither"),
    ("selection", "sample_weight", lambda r: r["selected"], None, "are selected without rank, sample_weight"),
    ("selection", "rank", lambda r: r["rank"] == 3, 4, "ranks are missing, or there twice"),
    ("selection", "rank", lambda r: r["selected"], 99, "are not selected, though samples of a higher rank are"),
    ("selection", "duplicate_of", lambda r: r["selected"], lambda r: r["sample_id"], "have one and are none"),
    ("outcomes", "sample_id", lambda r: r["outcome"] == "exported", NOBODY, "name another sample than their occ"),
    ("outcomes", "duplicate_of", lambda r: r["outcome"] == "duplicate", NOBODY, "are duplicates of an occurrence"),
    ("outcomes", "outcome", lambda r: r["outcome"] == "not_selected", "exported", "but their sample was not selected"),
    ("outcomes", "outcome", lambda r: r["outcome"] == "exported", "not_selected", "have no outcome that says so"),
    ("exported_samples", "sample_id", ANY, NOBODY, "are exported, but in no shard of the export"),
    ("exported_samples", "sample_id", ANY, NOBODY, "are selected, but neither exported nor gone"),
    ("exported_samples", "split", ANY, "other", "say something else than selection"),
]


@pytest.mark.parametrize(
    ("table", "column", "where", "value", "reason"), INCONSISTENT, ids=[case[-1] for case in INCONSISTENT]
)
def test_tables_that_contradict_each_other_are_found(
    store: Path,
    table: str,
    column: str,
    where: Callable[[Row], bool],
    value: object,
    reason: str,
) -> None:
    path = one_file(store, table) if table in STORED else next(store.glob(f"outputs/**/{table}.parquet"))
    change_table(path, lambda rows: changed(rows, column, where, value))
    found = verify(store, quick=True).damage
    assert any(reason in damage.reason for damage in found), found


def test_a_sample_that_is_exported_twice_is_found(store: Path) -> None:
    path = one_file(store, "outcomes")
    one, other = [row["sample_id"] for row in pq.read_table(path).to_pylist() if row["outcome"] == "exported"][:2]
    change_table(path, lambda rows: changed(rows, "sample_id", lambda row: row["sample_id"] == one, other))
    assert "1 are exported more than once" in {damage.reason for damage in verify(store).damage}


def test_a_sample_that_two_shards_describe_in_two_ways_is_found(store: Path) -> None:
    first, second = (set(pq.read_table(path)["sample_id"].to_pylist()) for path in files_of(store, "samples"))
    (both,) = first & second
    path = files_of(store, "samples")[0]
    change_table(path, lambda rows: changed(rows, "width", lambda row: row["sample_id"] == both, 13))
    assert "1 are described in two ways" in {damage.reason for damage in verify(store).damage}


def test_counts_that_do_not_add_up_are_found(store: Path) -> None:
    run = latest_run(store)
    assert run is not None
    record = run.path / "stages" / "rank.json"
    before = record.read_bytes()
    change_json(record, lambda values: values["counts"].update(n_selected=15))
    (damage,) = verify(store).damage
    assert damage.reason == "n_selected is 15, but that of its outputs adds up to 14"
    rewrite(record, before)
    decided = next(output for output in run.outputs("pseudo_label") if output.stage == "pseudo_label")
    for path in (decided.path / MANIFEST, run.path / "stages" / "pseudo_label.json"):
        change_json(path, lambda values: values["counts"].update(n_labelled=1))
    (damage,) = verify(store).damage
    assert damage.path == f"run {run.run_id}, pseudo_label"
    assert "the stage counted 1 (n_labelled)" in damage.reason
