from typing import Any

import pytest
from reported_store import CLASSES, SCRIPT, Store, make_store

from windrow.tasks.report.facts import read_levels, read_top_classes
from windrow.tasks.report.funnel import read_funnel
from windrow.tasks.storage.catalog.views import connect_run


@pytest.fixture(scope="module")
def connection(store: Store) -> Any:
    return connect_run(store.run.store)


def test_the_funnel_takes_every_occurrence_once_and_ends_with_the_exported_ones(connection: Any, store: Store) -> None:
    steps = {step.left_as: (step.taken, step.left) for step in read_funnel(connection)[1]}
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
    reasons = {step.left_as: step.reasons for step in read_funnel(connection)[1]}
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
    steps = {step.left_as: step for step in read_funnel(connection)[1]}
    # Samples 9 to 28 were exported; of the first twelve samples, which have no embedding, these are 9, 10 and 11.
    assert (steps["embedded"].taken, steps["exported"].taken, steps["exported"].left) == (3, 17, 0)


def test_levels_count_pool_and_curated_samples_of_each_cluster(connection: Any) -> None:
    finest, coarsest = read_levels(connection)
    assert finest.pool.tolist() == [5] * 12 + [0]
    assert finest.curated.sum() == coarsest.curated.sum() == 20
    assert coarsest.pool.tolist() == [20, 20, 20]
    assert finest.parents.tolist() == [n % 3 for n in range(13)]
    assert coarsest.parents.tolist() == [-1] * 3


def test_the_class_of_a_cluster_is_its_most_common_one(connection: Any) -> None:
    assert read_top_classes(connection, 2) == dict(enumerate(CLASSES))
