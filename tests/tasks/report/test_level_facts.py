from typing import Any

import pytest
from reported_store import Store

from windrow.tasks.report.level_facts import read_level_figures, spread
from windrow.tasks.storage.catalog.views import connect_run
from windrow.tasks.storage.store.run_records import Run


@pytest.fixture(scope="module")
def connection(store: Store) -> Any:
    return connect_run(store.run.store)


def test_the_figures_of_each_level_come_from_its_clusters(connection: Any) -> None:
    # Level 1: twelve clusters of 5 samples and an empty one; level 2: three of 20 samples, of 5, 4 and 4 clusters.
    finest, coarsest = read_level_figures(connection)
    assert (finest.number, finest.n_clusters, finest.n_single, finest.n_empty) == (1, 13, 0, 1)
    assert finest.members == finest.samples == (0, 5, 5, 5, 5)
    assert (finest.effective, finest.largest) == (pytest.approx(12), pytest.approx(1 / 12))
    assert (finest.distance, finest.inertia, finest.mean_square) == (0.5, 24, 0.4)
    assert (coarsest.number, coarsest.n_clusters, coarsest.n_single, coarsest.n_empty) == (2, 3, 0, 0)
    assert (coarsest.members, coarsest.samples) == ((4, 4, 4, 5, 5), (20, 20, 20, 20, 20))
    assert (coarsest.effective, coarsest.largest) == (pytest.approx(3), pytest.approx(1 / 3))
    assert (coarsest.distance, coarsest.inertia) == (pytest.approx((5 * 1 + 4 * 2 + 4 * 3) / 13), 57)
    assert coarsest.mean_square == pytest.approx(57 / 13)


def test_clusters_of_an_earlier_version_have_no_inertia(store: Store) -> None:
    connection = connect_run(store.run.store)
    connection.execute("CREATE TEMP TABLE clusters AS SELECT * EXCLUDE (inertia) FROM clusters")
    finest, _ = read_level_figures(connection)
    assert (finest.inertia, finest.mean_square, finest.distance) == (None, None, 0.5)


def test_a_run_without_clusters_has_no_levels(empty_run: Run) -> None:
    assert read_level_figures(connect_run(empty_run.store, empty_run.run_id)) == ()


def test_sizes_are_told_as_least_quartiles_and_most() -> None:
    assert spread((1, 3, 4, 8, 4000)) == "1 · 3–8 · 4,000"
