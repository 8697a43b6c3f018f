"""A version of all candidates: what is not selected comes too, with its scores, and every size is a predicate."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from inline_run import curate_inline
from small_pool import SmallPool, make_small_pool

from windrow.schemas import OCCURRENCES
from windrow.schemas.exported import SCORED
from windrow.tasks.config import CurationConfig, parse_config
from windrow.tasks.executors import ExecutorConfig
from windrow.tasks.loading.sample_loader import data_loader
from windrow.tasks.pipeline import curate
from windrow.tasks.runner import PlainRunner
from windrow.tasks.storage.catalog.views import open_catalog
from windrow.tasks.storage.published.versions import latest_version, read_manifest
from windrow.tasks.storage.verify.verification import verify

SELECTION = {"target_size": 5, "filters": [{"name": "not flat", "keep": "contrast > 0"}]}
IN_LISTS = {"score_names", "score_values"}


def whole(config: CurationConfig) -> CurationConfig:
    return replace(config, export=replace(config.export, what="pool"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[SmallPool, Path]:
    pool = make_small_pool(tmp_path_factory.mktemp("whole"), selection=SELECTION)
    store = curate_inline(whole(pool.config)).store
    version = latest_version(store, "small")
    assert version is not None
    return pool, version.path


def samples_of(version: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(version / "samples.parquet").to_pylist()
    return rows


def test_every_candidate_is_exported_with_the_scores_of_the_store(made: tuple[SmallPool, Path]) -> None:
    pool, version = made
    rows = {row["sample_id"]: row for row in samples_of(version)}
    names = [column.name for column in SCORED if column.name not in IN_LISTS]
    with open_catalog(pool.store) as catalog:
        sql = f"SELECT sample_id, rank, {', '.join(names)} FROM pool WHERE rank IS NOT NULL"
        wanted = {each[0]: each[1:] for each in catalog.sql(sql).fetchall()}
    assert (
        len(wanted) == 12
        and {name: (row["rank"], *(row[each] for each in names)) for name, row in rows.items()} == wanted
    )
    parquet = [row for path in (version / "parquet").glob("*.parquet") for row in pq.read_table(path).to_pylist()]
    assert {row["sample_id"]: row["outlier_score"] for row in parquet} == {
        name: row["outlier_score"] for name, row in rows.items()
    }


def test_what_is_not_selected_is_a_split_of_its_own_without_a_sample_weight(made: tuple[SmallPool, Path]) -> None:
    _, version = made
    rows = samples_of(version)
    assert read_manifest(version)["counts"]["split"] == {"train": 5, "rest": 7}
    assert all((row["split"] == "train") == row["selected"] == (row["rank"] <= 5) for row in rows)
    assert all((row["sample_weight"] is None) == (row["split"] == "rest") for row in rows)


def test_any_part_of_it_is_read_by_a_predicate_over_the_scores(made: tuple[SmallPool, Path]) -> None:
    _, version = made
    loader = data_loader(
        version, "rest", where="rank <= 8 AND blur >= 0", unlabelled="keep", columns=["rank", "outlier_score"]
    )
    assert sorted(rank for _, _, info in loader for rank in info["rank"].tolist()) == [6, 7, 8]


def test_every_occurrence_has_its_outcome_and_the_store_is_sound(made: tuple[SmallPool, Path]) -> None:
    pool, _ = made
    with open_catalog(pool.store) as catalog:
        counted = dict(catalog.sql("SELECT outcome, count(*) FROM outcomes GROUP BY 1").fetchall())
    assert counted == {"exported": 12, "duplicate": 1, "near_duplicate": 1}
    assert not verify(pool.store).damage


def test_the_selected_samples_are_those_of_an_ordinary_version(made: tuple[SmallPool, Path], tmp_path: Path) -> None:
    pool, version = made
    store = curate_inline(pool.over(tmp_path / "store").config).store
    ordinary = latest_version(store, "small")
    assert ordinary is not None
    rows = samples_of(ordinary.path)
    beside = {column.name for column in SCORED} | {"tar_offset"}
    selected = [row for row in samples_of(version) if row["selected"]]
    kept = [{name: value for name, value in row.items() if name not in beside} for row in selected]
    for row, wanted in zip(kept, rows, strict=True):
        assert {name: (row[name], value) for name, value in wanted.items() if row.get(name, value) != value} == {}


def test_no_split_is_called_as_the_others_are(tmp_path: Path) -> None:
    selection = {"splits": [{"name": "rest", "share": 1.0}]}
    with pytest.raises(ValueError, match="'rest' is the split of what is not selected"):
        parse_config({"sources": [str(tmp_path)], "export": {"what": "pool"}, "selection": selection})


def test_a_sample_that_was_of_the_rest_goes_to_its_split_and_stays_there(tmp_path: Path) -> None:
    splits = [{"name": "train", "share": 0.5}, {"name": "val", "share": 0.5}]
    pool = make_small_pool(tmp_path, selection={"target_size": 2, "splits": splits})
    everything = whole(pool.config)
    curate_inline(everything)
    placed = {}
    for size, seed in ((12, 0), (12, 1)):
        selection = replace(pool.config.selection, target_size=size)
        store = curate_inline(replace(everything, selection=selection, seed=seed)).store
        version = latest_version(store, "small")
        assert version is not None
        rows = {row["sample_id"]: row["split"] for row in samples_of(version.path)}
        assert set(rows.values()) <= {"train", "val"}
        assert {name: rows[name] for name in placed} == placed
        placed |= rows
    assert len(placed) == 12


@pytest.mark.parametrize("layout", ["parquet", "webdataset"])
def test_read_as_a_source_again_it_gives_no_pseudo_label_as_a_given_one(
    made: tuple[SmallPool, Path], layout: str, tmp_path: Path
) -> None:
    _, version = made
    shutil.copytree(version / layout, tmp_path / "copy")
    store = str(tmp_path / "store")
    config = parse_config({"sources": [str(tmp_path / "copy")], "name": "again", "store": store})
    run = curate(replace(config, executor=ExecutorConfig("inline")), PlainRunner(n_threads=1), until="ingest").run
    found: dict[str, Any] = {}
    for output in run.outputs("ingest"):
        for row in output.read(OCCURRENCES, ["sample_id", "found_label", "metadata"]).to_pylist():
            found[row["sample_id"]] = (row["found_label"], json.loads(row["metadata"] or "{}"))
    rows = {row["sample_id"]: row for row in samples_of(version)}
    assert {name: label for name, (label, _) in found.items()} == {
        name: row["given_label"] for name, row in rows.items()
    }
    names = {name for _, kept in found.values() for name in kept}
    assert "pseudo_label" in names and not names & {"sample_weight", "outlier_score", "rest_probability", "selected"}
