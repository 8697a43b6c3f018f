"""The files that a config names: told before anything is computed, and tallied in the record and the summary."""

import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from inline_run import curate_inline
from rich.console import Console
from small_pool import SmallPool, make_small_pool

from windrow.flows.summary import print_run, summarise
from windrow.schemas.stages import Stage
from windrow.tasks.config import parse_config
from windrow.tasks.storage.catalog.views import open_catalog
from windrow.tasks.storage.sources.source_shard import sample_id_of
from windrow.tasks.storage.store.run_records import Run, list_runs
from windrow.tasks.texts.markdown import inline


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> SmallPool:
    return make_small_pool(tmp_path_factory.mktemp("pool"), 22)


def run_with(pool: SmallPool, store: Path, **changes: Any) -> Run:
    labels = {"makers": ["knn"], "combine": ["knn"], **changes.pop("labels", {})}
    config = parse_config({**json.loads(json.dumps(vars_of(pool))), "store": str(store), "labels": labels, **changes})
    return curate_inline(config)


def vars_of(pool: SmallPool) -> dict[str, Any]:
    return {
        "sources": list(pool.config.sources),
        "name": "small",
        "features": {"name": "patches"},
        "clustering": {"n_clusters": [4, 2], "n_rounds": 1},
        "selection": {"target_size": 100, "near_duplicate_threshold": 0.95},
    }


def test_a_run_tells_how_each_file_fits_in_its_record_its_summary_and_its_table(
    pool: SmallPool, tmp_path: Path
) -> None:
    given, evaluate, far = tmp_path / "labels.csv", tmp_path / "judges.csv", tmp_path / "far.csv"
    lines = [f"{number}.png;{'cat' if number % 2 else 'dog'}" for number in range(8)]
    given.write_text("\n".join(["KEY;Label", *lines, "9.png;NA", "nowhere.png;cat", ""]), "utf-16")
    evaluate.write_text("key,label\n10.png,cat\nnowhere.png,dog\n")
    far.write_text("label;other;distance\ncat;dog;1,5\ncat;hen;2\n")
    labels = {"given": str(given), "distances": str(far)}
    run = run_with(pool, tmp_path / "store", labels=labels, worth={"evaluate": str(evaluate)})
    record = run.stage(Stage.PSEUDO_LABEL)
    assert record is not None
    counts = {name: n for name, n in record.counts.items() if "_rows" in name and n}
    assert counts == {
        "n_given_rows": 10, "n_given_rows_matched": 8, "n_given_rows_unmatched": 1, "n_given_rows_empty": 1,
        "n_evaluate_rows": 2, "n_evaluate_rows_matched": 1, "n_evaluate_rows_unmatched": 1,
        "n_distances_rows": 2, "n_distances_rows_matched": 1, "n_distances_rows_unmatched": 1,
    }  # fmt: skip
    told = (
        "10 rows, 8 matched, 1 unmatched, 1 empty, 0 conflicting, 0 ambiguous; unmatched: line 11 (key 'nowhere.png')"
    )
    shown = Console(file=io.StringIO(), width=100)
    print_run(shown, run)
    assert isinstance(shown.file, io.StringIO)
    for text, spelt in ((shown.file.getvalue(), str), (summarise(run), inline)):
        assert spelt(f"labels.given: {given}: {told}") in text and spelt("unmatched: 'cat' and 'hen'") in text
    rows = open_catalog(run.store).sql("SELECT setting, n_rows FROM user_files ORDER BY 1").fetchall()
    assert rows == [("labels.distances", 2), ("labels.given", 10), ("worth.evaluate", 2)]


@pytest.mark.parametrize(
    ("name", "text", "labels", "message"),
    [
        (
            "given.csv",
            None,
            {"given": ["found", "given.csv"]},
            "labels.given.1: wants 'found', 'none', or a .csv",
        ),
        (
            *("given.csv", "sample_id,label,confidence,correct,stratum\na,cat,.5,n,1\n", {"given": "given.csv"}),
            "labels.given: .*given.csv is an audit's file: `windrow audit read .*given.csv --apply` takes its verdicts",
        ),
        ("given.csv", None, {"given": "given.csv"}, "labels.given: wants 'found', 'none', or a .csv, .tsv or .parquet"),
        ("given.csv", "a,b\n1,2\n", {"given": "given.csv"}, "labels.given: .*given.csv wants columns label and sample"),
        ("far.csv", "a,b\n1,2\n", {"distances": "far.csv"}, "labels.distances: .*far.csv wants columns label, other"),
        ("d.parquet", "x", {"checks": {"dynamics": "d.parquet"}}, "labels.checks.dynamics: .* is no Parquet file"),
    ],
)
def test_what_the_header_tells_is_told_before_a_run_begins(
    pool: SmallPool, tmp_path: Path, name: str, text: str | None, labels: dict[str, Any], message: str
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    there = json.loads(json.dumps(labels).replace(name, str(tmp_path / name)))
    with pytest.raises(ValueError, match=message):
        run_with(pool, tmp_path / "store", labels=there)
    assert list_runs(tmp_path / "store") == []


@pytest.mark.parametrize(
    ("text", "changes", "message"),
    [
        ("key,label\n0.png,cat\n1.png,a,b\n", {"labels": {"given": "FILE"}}, r"labels.given: .* but not line 3 \(3\)"),
        ("key,label\n0.png,cat\n0000,dog\nme.png,x,\n", {"worth": {"evaluate": "FILE"}}, "worth.evaluate: .* line 4"),
    ],
)
def test_rows_that_are_wrong_are_told_before_the_pool_is_read(
    pool: SmallPool, tmp_path: Path, text: str, changes: dict[str, Any], message: str
) -> None:
    path = tmp_path / "file.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        run_with(pool, tmp_path / "store", **json.loads(json.dumps(changes).replace("FILE", str(path))))
    (run,) = list_runs(tmp_path / "store")
    assert not run.stages()


@pytest.mark.parametrize(
    ("text", "changes", "message"),
    [
        ("key,label\nnobody,cat\n", {"worth": {"evaluate": "FILE"}}, "worth.evaluate: .* names none of the pool's"),
        ("label,other,distance\n0,2,1\n", {"labels": {"distances": "FILE"}}, "no distance of '0' and '1'"),
        ("label,other,distance\n0,1,far\n", {"labels": {"distances": "FILE"}}, "line 2: 'far' is no number"),
        (
            "",
            {"labels": {"prior": {"method": "given", "shares": {"0": 1, "7": 2}}}},
            "labels.prior.shares: no share for class '1'",
        ),
    ],
)
def test_what_does_not_fit_the_pool_is_told_before_it_is_embedded(
    pool: SmallPool, tmp_path: Path, text: str, changes: dict[str, Any], message: str
) -> None:
    path = tmp_path / "file.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        run_with(pool, tmp_path / "store", **json.loads(json.dumps(changes).replace("FILE", str(path))))
    (run,) = list_runs(tmp_path / "store")
    assert [record.stage for record in run.stages()] == [Stage.INGEST, Stage.HASH_GROUPS]


def test_lists_of_ids_of_splits_are_tallied_and_told_before_a_run(pool: SmallPool, tmp_path: Path) -> None:
    wanted = sample_id_of(pool.others[0])
    (tmp_path / "ids.csv").write_text(f"SAMPLE_ID;why\n{wanted};x\n{'0' * 32};y\n")
    splits = [{"name": "train", "share": 1.0}, {"name": "val", "ids": str(tmp_path / "ids.csv")}]
    selection = {"target_size": 100, "near_duplicate_threshold": 0.95, "splits": splits}
    run = run_with(pool, tmp_path / "store", selection=selection)
    record = run.stage(Stage.PSEUDO_LABEL)
    assert record is not None and record.counts["n_ids_rows_matched"] == 1
    counts = "2 rows, 1 matched, 1 unmatched, 0 empty, 0 conflicting, 0 ambiguous"
    assert inline(f"{counts}; unmatched: {'0' * 32}") in summarise(run)
    sql = "SELECT split FROM selection WHERE sample_id = ?"
    assert open_catalog(run.store).execute(sql, [wanted]).fetchall() == [("val",)]
    (tmp_path / "ids.csv").write_text("sample_id\nme\n")
    with pytest.raises(ValueError, match=r"selection.splits.val.ids: .*ids.csv, line 2: wants a sample_id"):
        run_with(pool, tmp_path / "another", selection=selection)
    assert list_runs(tmp_path / "another") == []


def test_dynamics_of_samples_that_nobody_knows_are_told_before_the_pool_is_embedded(
    pool: SmallPool, tmp_path: Path
) -> None:
    pq.write_table(pa.table({"Sample_Index": [900, 901], "LOSS": [0.1, 0.2]}), tmp_path / "d.parquet")
    with pytest.raises(ValueError, match="column sample_index has no sample with a given label"):
        run_with(pool, tmp_path / "store", labels={"checks": {"dynamics": str(tmp_path / "d.parquet")}})
    (run,) = list_runs(tmp_path / "store")
    assert run.stage(Stage.FEATURES) is None
