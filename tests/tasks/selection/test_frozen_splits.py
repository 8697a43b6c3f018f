"""Splits from version to version: nobody moves, and what is near a test sample is not trained on."""

import resource
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_run import curate_inline
from small_pool import SmallPool, make_small_pool, png, stripes

from windrow.schemas import SELECTION
from windrow.schemas.exported import REST
from windrow.tasks.config import parse_config
from windrow.tasks.selection.frozen_splits import corrected, corrections_of, found_corrections
from windrow.tasks.selection.selection_config import SPLIT_CONFLICT, Split
from windrow.tasks.selection.splits import UNCLAIMED, assign_splits
from windrow.tasks.storage.catalog.views import open_catalog
from windrow.tasks.storage.files.parquet import write_table
from windrow.tasks.storage.store.outputs import all_outputs
from windrow.tasks.storage.verify.verification import verify

NAMES = ("train", "val", "test")
CONNECTION = duckdb.connect(config={"threads": 1})  # to open one takes longer than an example
TOLD = pa.schema([("sample_id", pa.string()), ("split", pa.string())])


def selection_of(groups: list[int], splits: list[str], ranks: list[int | None], n: int) -> pa.Table:
    ids = [f"{i:032x}" for i in range(len(groups))]
    there = [rank is not None and rank <= n for rank in ranks]
    return SELECTION.build(
        {
            "sample_id": ids,
            "occurrence_id": ids,
            "rank": ranks,
            "selected": there,
            "sample_weight": [1.0 if each else None for each in there],
            "dropped_by": [None if rank is not None else "small" for rank in ranks],
            "group_id": [ids[group] for group in groups],
            "split": [split if each else None for split, each in zip(splits, there, strict=True)],
        }
    )


@st.composite
def histories(draw: st.DrawFn) -> tuple[pa.Table, dict[str, str]]:
    n = draw(st.integers(1, 12))
    groups = [draw(st.integers(0, i)) for i in range(n)]
    of_group = draw(st.lists(st.sampled_from(NAMES), min_size=n, max_size=n))
    order = draw(st.permutations(range(1, n + 1)))
    n_ranked = draw(st.integers(1, n))
    ranks = [rank if rank <= n_ranked else None for rank in order]
    table = selection_of(groups, [of_group[group] for group in groups], ranks, draw(st.integers(1, n)))
    earlier = draw(st.dictionaries(st.sampled_from(table["sample_id"].to_pylist()), st.sampled_from(NAMES)))
    return table, earlier


def corrections(table: pa.Table, earlier: dict[str, str]) -> dict[str, str]:
    CONNECTION.register("selection", table)
    CONNECTION.register("earlier", pa.table({"sample_id": [*earlier], "split": [*earlier.values()]}, TOLD))
    return found_corrections(CONNECTION, NAMES)


@given(histories())
def test_nobody_moves_and_no_group_is_trained_on_that_was_held_out(made: tuple[pa.Table, dict[str, str]]) -> None:
    table, earlier = made
    settled = corrected(table, corrections(table, earlier))
    after = settled.to_pylist()
    held_out = {row["group_id"] for row in table.to_pylist() if earlier.get(row["sample_id"]) in ("val", "test")}
    for row, was in zip(after, table.to_pylist(), strict=True):
        before = earlier.get(row["sample_id"])
        if row["selected"]:
            assert row["split"] == before if before else True
            assert row["split"] != "train" or row["group_id"] not in held_out
        if was["selected"] and not row["selected"]:
            assert before == "train" and row["group_id"] in held_out and row["dropped_by"] == SPLIT_CONFLICT
        if row["group_id"] not in {each["group_id"] for each in after if each["sample_id"] in earlier}:
            assert (row["split"], row["dropped_by"]) == (was["split"], was["dropped_by"])
    ranks = sorted(row["rank"] for row in after if row["rank"] is not None)
    assert ranks == list(range(1, len(ranks) + 1))
    chosen = [row["rank"] for row in after if row["selected"]]
    assert sorted(chosen) == list(range(1, len(chosen) + 1))
    assert corrections(settled, earlier) == {}


def test_by_hand() -> None:
    table = selection_of([0, 0, 2, 3, 3], ["train"] * 5, [1, 2, 3, 4, 5], 4)
    ids = table["sample_id"].to_pylist()
    found = corrections(table, {ids[0]: "val", ids[2]: "train", ids[3]: "train"})
    assert found == {ids[0]: "val", ids[1]: "val"}
    assert corrected(table, found)["split"].to_pylist() == ["val", "val", "train", "train", None]
    found = corrections(table, {ids[0]: "val", ids[1]: "train"})  # a new picture joined the two
    assert found == {ids[0]: "val", ids[1]: SPLIT_CONFLICT}
    assert corrected(table, found)["rank"].to_pylist() == [1, None, 2, 3, 4]
    assert corrected(table, found)["dropped_by"].to_pylist() == [None, SPLIT_CONFLICT, None, None, None]
    assert corrections(table, {ids[0]: "gone", ids[2]: "train"}) == {}


def test_versions_of_many_nights_are_not_held_open_and_the_first_word_counts(tmp_path: Path) -> None:
    table = selection_of([0, 1, 2], ["train"] * 3, [1, 2, 3], 3)
    ids = table["sample_id"].to_pylist()
    write_table(SELECTION, table, tmp_path / "selection.parquet")
    versions = []
    for number in range(120):
        told = {"sample_id": ids, "split": [REST, "val" if number == 1 else "test", "train"]}
        further = {"present": [["cat"]] * 3} if number % 2 else {}  # versions of several years have other columns
        versions.append(tmp_path / f"v{number:04d} [night].parquet")
        pq.write_table(pa.table({**further, **told}), versions[-1])
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(list(Path("/proc/self/fd").iterdir())) + 40, hard))
    try:
        assert corrections_of(tmp_path / "selection.parquet", versions, NAMES) == {ids[1]: "test"}
        assert corrections_of(tmp_path / "selection.parquet", versions[1:], NAMES) == {ids[1]: "val"}
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_shares_are_exact_in_every_stratum() -> None:
    rng = np.random.default_rng(0)
    strata = [str(i) for i in rng.integers(0, 4, 1000)]
    groups = pa.array([f"{i:032x}" for i in rng.permutation(1000)])
    splits = (Split("train", 0.8), Split("val", 0.15), Split("test", 0.05))
    found = np.array(assign_splits(groups, splits, 0, strata=strata).to_pylist())
    for name in set(strata):
        of_stratum = found[np.array(strata) == name]
        for split in splits:
            assert abs((of_stratum == split.name).sum() - (split.share or 0) * len(of_stratum)) <= 1


def test_a_group_goes_to_the_first_split_that_claims_one_of_it() -> None:
    groups = pa.array([f"{i:032x}" for i in (0, 0, 1, 1, 2)])
    splits = (Split("train", 1.0), Split("test", where="true"), Split("val", where="true"))
    claimed = np.array([UNCLAIMED, 2, 2, 1, UNCLAIMED])
    assert assign_splits(groups, splits, 0, claimed).to_pylist() == ["val", "val", "test", "test", "train"]


def test_a_real_set_keeps_its_splits_when_shares_seed_and_pool_change(tmp_path: Path) -> None:
    halves = [{"name": "train", "share": 0.5}, {"name": "val", "share": 0.5}]
    pool = make_small_pool(tmp_path, 30, selection={"target_size": 16, "splits": halves})
    curate_inline(pool.config)
    first = splits_of(pool.store)
    assert len(first) == 16 and set(first.values()) == {"train", "val"}
    other = [{"name": "train", "share": 0.9}, {"name": "val", "share": 0.1}]
    selection = {"target_share": 1.0, "splits": other, "stratify_splits": True}
    later = parse_config({**described(pool), "seed": 5, "selection": selection})
    later = replace(later, sources=(*later.sources, *pool.with_source("new", png(stripes(99))).config.sources[-1:]))
    curate_inline(later)
    now = splits_of(pool.store)
    assert len(now) > len(first) + 5 and all(now[name] == split for name, split in first.items() if name in now)
    mixed = "SELECT group_id FROM pool WHERE selected GROUP BY 1 HAVING count(DISTINCT split) > 1"
    assert open_catalog(pool.store).sql(mixed).fetchall() == []
    assert not verify(pool.store).damage
    made = {output.path for output in all_outputs(pool.store)}
    curate_inline(later)
    assert {output.path for output in all_outputs(pool.store)} == made


def test_a_list_of_ids_and_a_predicate_are_splits(tmp_path: Path) -> None:
    pool = make_small_pool(tmp_path, selection={"target_share": 1.0})
    curate_inline(pool.config)
    names = sorted(splits_of(pool.store))
    (tmp_path / "ids.txt").write_text("\n".join(names[:2]))
    splits = [
        {"name": "test", "ids": str(tmp_path / "ids.txt")},
        {"name": "labelled", "where": "given_label = '1'"},
        {"name": "train", "share": 1.0},
    ]
    config = {**described(pool), "name": "other", "selection": {"target_share": 1.0, "splits": splits}}
    curate_inline(parse_config(config))
    found = splits_of(pool.store)
    given = dict(open_catalog(pool.store).sql("SELECT sample_id, given_label FROM curated").fetchall())
    assert [found[name] for name in names[:2]] == ["test", "test"]
    expected = {name: "labelled" if given[name] == "1" else "train" for name in names[2:]}
    assert {name: found[name] for name in names[2:]} == expected and "labelled" in expected.values()


def splits_of(store: Path) -> dict[str, str]:
    return dict(open_catalog(store).sql("SELECT sample_id, split FROM curated").fetchall())


def described(pool: SmallPool) -> dict[str, Any]:
    return {
        "sources": list(pool.config.sources),
        "name": "small",
        "store": str(pool.store),
        "features": {"name": "patches"},
        "clustering": {"n_clusters": [4, 2], "n_rounds": 1},
        "labels": {"makers": ["knn"], "combine": ["knn"]},
    }


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ([{"name": "train", "share": 1.0}, {"name": "val"}], "val: wants one of share, where and ids"),
        ([{"name": "val", "where": "true"}], "wants shares that add up to 1"),
        ([{"name": "train", "share": 1.0}, {"name": "val", "where": "no_column = 1"}], "'val'.*no_column"),
        ([{"name": "train", "share": 1.0}, {"name": "val", "ids": "/nowhere.txt"}], "nowhere.txt"),
    ],
)
def test_splits_that_cannot_be_are_told_before_anything_starts(
    tmp_path: Path, splits: list[dict[str, object]], message: str
) -> None:
    pool = make_small_pool(tmp_path)
    with pytest.raises(ValueError, match=message):
        curate_inline(parse_config({**described(pool), "selection": {"splits": splits}}))
    assert not pool.store.exists()
