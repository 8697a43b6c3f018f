from typing import Any

import pytest
from reported_store import Store

from windrow.tasks.report.facts import read_levels
from windrow.tasks.report.gallery import LEAST_MEMBERS, SHOTS, Gallery, pick_galleries
from windrow.tasks.storage.catalog.views import connect_run


@pytest.fixture(scope="module")
def connection(store: Store) -> Any:
    return connect_run(store.run.store)


@pytest.fixture(scope="module")
def galleries(connection: Any) -> dict[str, Gallery]:
    return {gallery.title: gallery for gallery in pick_galleries(connection, read_levels(connection), seed=0)}


@pytest.fixture(scope="module")
def ids(connection: Any) -> list[str]:
    return [row[0] for row in connection.execute("SELECT sample_id FROM samples ORDER BY 1").fetchall()]


def test_the_curated_strip_is_the_head_of_the_ranking(galleries: dict[str, Gallery], ids: list[str]) -> None:
    pool, curated = galleries["At a glance"].strips
    assert [shot.sample_id for shot in curated.shots] == ids[9:29]
    assert len({shot.sample_id for shot in pool.shots}) == SHOTS


def test_a_cluster_is_shown_from_its_centroid_outwards(galleries: dict[str, Gallery], ids: list[str]) -> None:
    largest, *_ = galleries["Clusters from the inside"].strips
    # Cluster 0 holds samples 0, 12, 24, 36 and 48, at distances n / 60; 12 and 24 are selected.
    assert [shot.sample_id for shot in largest.shots] == ids[0:60:12]
    assert [shot.caption for shot in largest.shots] == [f"distance {n / 60:.2f}" for n in range(0, 60, 12)]
    assert "number 0: 5 samples, 2 selected" in largest.title


def test_a_large_cluster_shows_both_ends_and_clusters_too_small_to_look_at_are_passed_over(
    connection: Any, ids: list[str]
) -> None:
    copy = connection.cursor()
    copy.execute("CREATE TEMP TABLE moved AS SELECT * FROM main.assignments")
    copy.execute("UPDATE moved SET cluster_path = [CASE WHEN sample_id = ? THEN 1 ELSE 0 END, 0]", [ids[59]])
    copy.execute("CREATE TEMP VIEW assignments AS SELECT * FROM moved")
    levels = read_levels(copy)
    levels[0].pool[:] = [59, 1, *[0] * 11]
    assert levels[0].pool[1] < LEAST_MEMBERS
    found = {gallery.title: gallery for gallery in pick_galleries(copy, levels, 0)}["Clusters from the inside"]
    nearest, farthest = found.strips
    assert [shot.sample_id for shot in nearest.shots] == ids[:12]
    assert [shot.sample_id for shot in farthest.shots] == ids[58:46:-1]


def test_near_duplicates_stand_beside_the_sample_that_was_kept(galleries: dict[str, Gallery], ids: list[str]) -> None:
    first, second = galleries["Near-duplicates"].strips
    assert [shot.sample_id for shot in first.shots] == [ids[20], *ids[:5]]
    assert [shot.caption for shot in first.shots] == ["kept", "0.955", "0.960", "0.970", "0.980", "1.000"]
    assert [shot.sample_id for shot in second.shots] == [ids[21], ids[5]]


def test_doubtful_labels_show_three_classes_and_whether_they_abstained(galleries: dict[str, Gallery]) -> None:
    (strip,) = galleries["Least certain labels"].strips
    lines = [shot.caption.splitlines() for shot in strip.shots]
    assert len(lines) == 20
    assert all([line.split(" ")[0] for line in each[:3]] == ["60%", "30%", "10%"] for each in lines)
    assert sum("abstained" in each for each in lines) == 5


def test_outliers_come_highest_score_first(galleries: dict[str, Gallery], ids: list[str]) -> None:
    (strip,) = galleries["Outliers"].strips
    assert [shot.sample_id for shot in strip.shots] == ids[:-25:-1]


def test_a_seed_draws_the_same_samples_again(connection: Any) -> None:
    levels = read_levels(connection)
    assert pick_galleries(connection, levels, 3) == pick_galleries(connection, levels, 3)
    assert pick_galleries(connection, levels, 3)[0] != pick_galleries(connection, levels, 4)[0]
