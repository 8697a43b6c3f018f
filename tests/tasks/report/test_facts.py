from typing import Any

import numpy as np
import pytest
from reported_store import CLASSES, IMAGE, SCRIPT, Store, make_store

from windrow.tasks.report.facts import (
    Level,
    read_levels,
    read_stages,
    read_top_classes,
    read_totals,
)
from windrow.tasks.report.funnel import read_funnel, read_unreadable
from windrow.tasks.storage.catalog.views import connect_run


@pytest.fixture(scope="module")
def connection(store: Store) -> Any:
    return connect_run(store.run.store)


def test_the_funnel_takes_every_occurrence_once_and_ends_with_the_exported_ones(connection: Any, store: Store) -> None:
    steps = {step.left_as: (step.taken, step.left) for step in read_funnel(connection)}
    assert steps == {
        "readable": (5, 64),
        "distinct": (4, 60),
        "embedded": (0, 60),
        "after filters": (3, 57),
        "after near-duplicates": (6, 51),
        "selected": (31, 20),
        "exported": (0, 20),
    }
    assert sum(store.counts.values()) == 69


def test_reasons_come_with_their_numbers_most_common_first(connection: Any) -> None:
    reasons = {step.left_as: step.reasons for step in read_funnel(connection)}
    assert reasons["readable"] == (("truncated image", 3), (SCRIPT, 2))
    assert reasons["selected"] == (("ranked beyond the target size", 31),)
    bands = dict(reasons["after near-duplicates"])
    # Similarities 0.95, 0.955, 0.96, 0.97, 0.98 and 1: each in the band that begins at it or just below.
    assert bands == {
        "cosine similarity 0.95 to 0.96": 2,
        "cosine similarity 0.96 to 0.97": 1,
        "cosine similarity 0.97 to 0.98": 1,
        "cosine similarity 0.98 to 0.99": 1,
        "cosine similarity 0.99 to 1.00": 1,
    }


def test_errors_of_embedding_and_of_export_are_steps_of_their_own(tmp_path_factory: pytest.TempPathFactory) -> None:

    made = make_store(tmp_path_factory.mktemp("steps"))
    connection = connect_run(made.run.store)
    connection.execute("CREATE TEMP TABLE changed AS SELECT * FROM main.outcomes")
    connection.execute("UPDATE changed SET outcome = 'unreadable', reason = 'odd' WHERE outcome = 'exported'")
    connection.execute("CREATE TEMP TABLE broken AS SELECT sample_id FROM main.samples ORDER BY 1 LIMIT 12")
    connection.execute("CREATE TEMP VIEW outcomes AS SELECT * FROM changed")
    connection.execute(
        "CREATE TEMP VIEW embeddings AS SELECT s.sample_id, "
        "CASE WHEN b.sample_id IS NOT NULL THEN 'no memory' END AS error "
        "FROM main.samples s LEFT JOIN broken b USING (sample_id)"
    )
    steps = {step.left_as: step for step in read_funnel(connection)}
    # Samples 9 to 28 were exported; of the first twelve samples, which have no embedding, these are 9, 10 and 11.
    assert (steps["embedded"].taken, steps["exported"].taken, steps["exported"].left) == (3, 17, 0)


def test_unreadable_examples_show_every_reason_before_any_second_example(connection: Any) -> None:
    found = read_unreadable(connection, 2)
    assert {each.reason for each in found} == {"truncated image", SCRIPT}
    assert len(read_unreadable(connection, 20)) == 5
    assert all(IMAGE in each.key for each in found)


def test_totals_are_those_of_the_store(connection: Any) -> None:
    totals = read_totals(connection)
    assert (totals.n_occurrences, totals.n_samples, totals.n_unreadable) == (69, 60, 5)
    assert (totals.n_near_duplicates, totals.n_selected, totals.n_given) == (6, 20, 0)
    # Samples 9 to 28 are selected; 12, 16, 20, 24 and 28 of them abstained.
    assert totals.n_labelled == 15


def test_levels_count_pool_and_curated_samples_of_each_cluster(connection: Any) -> None:
    finest, coarsest = read_levels(connection)
    assert finest.pool.tolist() == [5] * 12 + [0]
    assert finest.curated.sum() == coarsest.curated.sum() == 20
    assert coarsest.pool.tolist() == [20, 20, 20]
    assert finest.parents.tolist() == [n % 3 for n in range(13)]
    assert coarsest.parents.tolist() == [-1] * 3
    assert finest.n_empty == (1, 1)
    assert finest.effective[0] == pytest.approx(12)


def test_a_level_knows_its_single_and_largest_clusters() -> None:
    level = Level(1, np.array([-1, -1, -1]), np.array([4, 1, 0]), np.array([1, 1, 0]))
    assert (level.n_empty, level.n_single, level.largest) == ((1, 1), (1, 2), (4, 1))


def test_the_class_of_a_cluster_is_its_most_common_one(connection: Any) -> None:
    assert read_top_classes(connection, 2) == dict(enumerate(CLASSES))


def test_stages_come_in_the_order_in_which_they_ran(connection: Any, store: Store) -> None:
    names = [stage.name for stage in read_stages(connection, store.run.run_id)]
    assert names == ["ingest", "features", "cluster", "pseudo_label", "rank", "account"]
    assert read_stages(connection, "another") == ()
