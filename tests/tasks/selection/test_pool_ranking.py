"""Selection by hand: filters, near-duplicates and the target, on eight samples in two clusters."""

from functools import partial
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from windrow.tasks.algorithms.selection.policies.balanced import Balanced
from windrow.tasks.algorithms.selection.policy_settings import PolicySettings
from windrow.tasks.selection.candidates import Evidence
from windrow.tasks.selection.pool_ranking import check_sql, contenders, ranked_columns
from windrow.tasks.selection.selection_config import Cap, Filter, SelectionConfig, SelectionPart, Split
from windrow.tasks.selection.set_of_size import cut
from windrow.tasks.storage.store.pool import Pool

plain = partial(SelectionConfig, last=None, policy="balanced")

IDS = [f"{i:032x}" for i in range(8)]
ANGLES = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 2.01, 2.5, 3.0])


def pool_and_rows(labelled: tuple[int, ...] = (), without: tuple[int, ...] = ()) -> tuple[Pool, pa.Table]:
    """Samples on a circle: 4 and 5 are near-duplicates; the last three are cluster 1. Some have no embedding."""
    there = [i for i in range(8) if i not in without]
    embeddings = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1).astype(np.float16)[there]
    rows = pa.table(
        {
            "sample_id": IDS,
            "cluster_path": pa.array([None if i in without else [int(i >= 5)] for i in range(8)], pa.list_(pa.int32())),
            "distance": pa.array([None if i in without else float(i) for i in range(8)], pa.float32()),
            "n_pixels": pa.array([64] * 8, pa.int64()),
            "has_label": [i in labelled for i in range(8)],
        }
    )
    return Pool(pa.array([IDS[i] for i in there]), embeddings), rows


def select(
    rows: pa.Table,
    pool: Pool,
    broken: list[str | None],
    config: SelectionConfig,
    seed: int,
    evidence: Evidence | None = None,
) -> dict[str, Any]:
    them = contenders(rows, pool, broken, config, threshold=0.95)
    ranking = ranked_columns(rows, pool, them, config, seed, evidence)
    return {**ranking, **cut(ranking, config)}


def test_the_target_is_shared_between_the_clusters_closest_members_first() -> None:
    pool, rows = pool_and_rows()
    chosen = select(rows, pool, [None] * 8, plain(target_size=4), seed=0)
    assert chosen["selected"].to_pylist() == [True, True, False, False, False, False, True, True]
    assert chosen["dropped_by"].to_pylist() == [None] * 5 + ["near_duplicate"] + [None] * 2
    assert chosen["duplicate_of"][5].as_py() == IDS[4]
    assert chosen["sample_weight"].to_pylist() == [2.5, 2.5, None, None, None, None, 1.0, 1.0]


def test_a_random_ranking_is_seeded_and_gives_all_the_same_weight() -> None:
    pool, rows = pool_and_rows()
    config = plain(target_size=2, policy="random")
    chosen = [select(rows, pool, [None] * 8, config, seed=seed) for seed in (0, 0, *range(1, 9))]
    ranks = [tuple(each["rank"].to_pylist()) for each in chosen]
    assert ranks[0] == ranks[1]
    assert len(set(ranks)) > 4
    assert {weight for weight in chosen[0]["sample_weight"].to_pylist() if weight is not None} == {3.5}


def test_of_near_duplicates_the_labelled_one_is_kept() -> None:
    pool, rows = pool_and_rows(labelled=(5,))
    chosen = select(rows, pool, [None] * 8, plain(target_size=8), seed=0)
    assert chosen["dropped_by"].to_pylist()[4:6] == ["near_duplicate", None]


def test_what_a_filter_drops_is_neither_ranked_nor_a_reason_to_drop_others() -> None:
    pool, rows = pool_and_rows()
    broken = [None, None, None, None, "dark", None, None, None]
    chosen = select(rows, pool, broken, plain(target_size=8), seed=0)
    assert chosen["dropped_by"].to_pylist() == [None, None, None, None, "dark", None, None, None]
    assert sorted(rank for rank in chosen["rank"].to_pylist() if rank) == list(range(1, 8))


def test_a_sample_without_an_embedding_is_unreadable() -> None:
    pool, rows = pool_and_rows(without=(2,))
    chosen = select(rows, pool, [None] * 8, plain(target_share=1.0), seed=0)
    assert chosen["dropped_by"].to_pylist()[2] == "unreadable"
    assert chosen["rank"][2].as_py() is None


def test_near_duplicates_may_all_be_kept() -> None:
    pool, rows = pool_and_rows()
    chosen = select(rows, pool, [None] * 8, plain(drop_near_duplicates=False, target_share=1.0), seed=0)
    assert chosen["selected"].to_pylist() == [True] * 8


def test_a_filter_that_is_no_predicate_is_named_before_any_work() -> None:
    check_sql(
        plain(
            filters=(
                Filter("large", "least(width, height) >= 8"),
                Filter("sure", "confidence > 0.5 OR label IS NULL"),
            )
        )
    )
    with pytest.raises(ValueError, match=r"rule 'odd' \(colour = 'red'\)"):
        check_sql(plain(filters=(Filter("odd", "colour = 'red'"),)))
    with pytest.raises(ValueError, match="rule 'sly'"):
        check_sql(plain(filters=(Filter("sly", "true), true); DROP VIEW pool; SELECT ((1"),)))


RANKING = PolicySettings(balanced=Balanced(order="rank"))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"filters": (Filter("near", "density_ratio > 0.5"),)}, "rule 'near' .*: density_ratio .* selection.reference"),
        ({"filters": (Filter("like", "is_alike"),)}, "rule 'like' .*: is_alike is null .* selection.reference"),
        ({"filters": (Filter("safe", "model_scores['nsfw.porn'] < 0.2"),)}, "model_scores .* wants `scores`"),
        ({"filters": (Filter("first", "RANK < 10"),)}, "rule 'first' .*: rank .* the ranking itself makes it"),
        ({"filters": (Filter("train", "split = 'train'"),)}, "split .* the ranking itself makes it"),
        ({"last": "NOT is_alike"}, "NOT is_alike.*: is_alike is null"),
        ({"parts": (SelectionPart("like", keep="density_ratio > 1"),)}, "density_ratio is null"),
        ({"caps": (Cap("group_id", 2),)}, "group_id is null"),
        ({"splits": (Split("train", 1.0), Split("test", where="rank < 9"))}, "splits: .test. .*: rank is null"),
        ({"settings": RANKING}, "rank is null"),
        ({"filters": (Filter("in", "sample_id IN (SELECT sample_id FROM pool WHERE is_alike)"),)}, "is_alike is null"),
    ],
)
def test_sql_that_asks_what_nothing_fills_is_refused_before_any_work(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        check_sql(plain(**changes), has_scores=False)


def test_sql_may_ask_a_reference_and_scores_where_there_are_some_and_name_columns_in_text() -> None:
    asks = Filter("both", "is_alike AND density_ratio > 0.5 AND model_scores['a.b'] > 0")
    check_sql(plain(filters=(asks,), reference=("there",)))
    check_sql(plain(filters=(Filter("text", "coalesce(license, 'rank') <> 'is_alike'"),)), has_scores=False)


@pytest.mark.parametrize("order", ["closets", "blur DESC NULLS", "possible"])  # no column; no expression; a list
def test_an_order_that_is_no_value_of_a_sample_is_named_before_any_work(order: str) -> None:
    settings = PolicySettings(balanced=Balanced(tree=("format", "clusters"), order="blur DESC"))
    check_sql(plain(settings=settings))
    with pytest.raises(ValueError, match=f"selection: '{order}' is no expression over pool"):
        check_sql(plain(settings=PolicySettings(balanced=Balanced(order=order))))


def test_parts_are_ranked_for_themselves_in_their_shares_and_every_sample_knows_its_part() -> None:
    pool, rows = pool_and_rows()
    even = np.array([1.0, 0, 1, 0, 1, 0, 1, 0])
    columns = {"even": even, "odd": 1 - even, "rare": np.zeros(8)}
    parts = (SelectionPart("odd", 0.25, "odd"), SelectionPart("even", keep="even"))
    chosen = select(rows, pool, [None] * 8, plain(target_size=4, parts=parts), 0, Evidence(columns=columns))
    assert [chosen["part"][row].as_py() for row in range(8) if chosen["selected"][row].as_py()].count("odd") == 1
    assert chosen["part"].to_pylist() == ["even", "odd"] * 2 + ["even", None, "even", "odd"]
    nothing = plain(parts=(SelectionPart("none", keep="rare"),))
    left = select(rows, pool, [None] * 8, nothing, 0, Evidence(columns=columns))
    assert left["rank"].null_count == 8 and left["dropped_by"].to_pylist().count("no_part") == 7


def test_what_is_last_comes_after_all_parts_too() -> None:
    pool, rows = pool_and_rows()
    even = np.array([1.0, 0, 1, 0, 1, 0, 1, 0])
    columns = {"even": even, "odd": 1 - even, "strange": np.array([0, 1.0, 0, 1, 0, 1, 0, 1])}
    parts = (SelectionPart("odd", 0.9, "odd"), SelectionPart("even", 0.1, "even"))
    config = plain(target_share=1.0, parts=parts, last="strange")
    chosen = select(rows, pool, [None] * 8, config, 0, Evidence(columns=columns))
    ranks = np.array([rank or 0 for rank in chosen["rank"].to_pylist()])
    assert ranks[[0, 2, 4, 6]].max() < ranks[[1, 3, 7]].min()


@pytest.mark.parametrize(
    ("belonging", "foreign_score", "is_last"),
    [
        (0.01, 0.0, True),
        (0.9, 9.0, False),  # it is like what has labels, so it belongs
        (0.0909, 9.0, True),  # of ten labels, which refuse nothing at 0.05
        (0.0909, 3.9, False),
        (None, 9.0, True),
        (None, 3.9, None),
        (None, None, None),  # a small pool without labels; null is not last
    ],
)
def test_by_default_labels_say_what_is_last_and_foreign_groups_are_where_they_cannot_tell(
    belonging: float | None, foreign_score: float | None, is_last: bool | None
) -> None:
    pool = "(SELECT ?::FLOAT AS belonging, ?::FLOAT AS foreign_score)"
    asked = f"SELECT {SelectionConfig().last} FROM {pool}"
    assert duckdb.execute(asked, [belonging, foreign_score]).fetchone() == (is_last,)


def test_the_weights_of_a_part_count_the_pool_once() -> None:
    pool, rows = pool_and_rows()
    columns = {"some": np.array([1.0, 1, 1, 0, 0, 0, 1, 1])}
    config = plain(target_size=2, parts=(SelectionPart("some", keep="some"),))
    chosen = select(rows, pool, [None] * 8, config, 0, Evidence(columns=columns))
    weights = [weight for weight in chosen["sample_weight"].to_pylist() if weight is not None]
    assert len(weights) == 2 and sum(weights) == pytest.approx(7)


@pytest.mark.parametrize("sql", ["label", "blur", "label = 'a' OR colour"])
def test_what_must_be_true_or_false_is_looked_at_before_any_work(sql: str) -> None:
    for config in (plain(parts=(SelectionPart("one", keep=sql),)), SelectionConfig(last=sql)):
        with pytest.raises(ValueError, match=r"^selection: .*(wants true or false|colour)"):
            check_sql(config)


def test_what_is_last_comes_after_all_others_and_caps_hold_in_every_prefix() -> None:
    pool, rows = pool_and_rows()
    columns = {"strange": np.array([1.0, 0, 0, 0, 0, 0, 0, np.nan]), "source": np.array(list("aaaabbbb"), object)}
    config = plain(target_share=1.0, last="strange", caps=(Cap("source", 3),))
    chosen = select(rows, pool, [None] * 8, config, 0, Evidence(columns=columns))
    assert chosen["dropped_by"].to_pylist() == ["cap"] + [None] * 4 + ["near_duplicate"] + [None] * 2
    assert sorted(rank for rank in chosen["rank"].to_pylist() if rank) == list(range(1, 7))
