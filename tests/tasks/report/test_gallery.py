from typing import Any

import pytest
from reported_store import SCRIPT, Store

from windrow.tasks.report.answers.answer import Answer, Reported
from windrow.tasks.report.answers.dropped import dropped
from windrow.tasks.report.answers.glanced import SHOTS, glanced
from windrow.tasks.report.answers.grouped import LEAST_MEMBERS, PER_CLUSTER, grouped
from windrow.tasks.report.answers.weak_labels import weak_labels
from windrow.tasks.report.cited import Asked
from windrow.tasks.report.gallery import Gallery
from windrow.tasks.storage.catalog.views import connect_run


@pytest.fixture(scope="module")
def connection(store: Store) -> Any:
    return connect_run(store.run.store)


def answers(store: Store, connection: Any, seed: int = 0) -> list[Answer]:
    reported = Reported(store.run, Asked(connection, store.run.run_id, "here"), seed)
    return [answer(reported) for answer in (dropped, weak_labels, grouped, glanced)]


@pytest.fixture(scope="module")
def galleries(store: Store, connection: Any) -> dict[str, Gallery]:
    return {gallery.title: gallery for answer in answers(store, connection) for gallery in answer.galleries.values()}


@pytest.fixture(scope="module")
def ids(connection: Any) -> list[str]:
    return [row[0] for row in connection.execute("SELECT sample_id FROM samples ORDER BY 1").fetchall()]


def test_the_curated_strip_is_the_head_of_the_ranking(galleries: dict[str, Gallery], ids: list[str]) -> None:
    pool, curated = galleries["At a glance"].strips
    assert [shot.sample_id for shot in curated.shots] == ids[9 : 9 + SHOTS]
    assert len({shot.sample_id for shot in pool.shots}) == SHOTS


def test_a_cluster_is_shown_from_its_centroid_outwards(galleries: dict[str, Gallery], ids: list[str]) -> None:
    largest, *_ = galleries["Clusters from the inside"].strips
    # Cluster 0 holds samples 0, 12, 24, 36 and 48, at distances n / 60; 12 and 24 are selected.
    assert [shot.sample_id for shot in largest.shots] == ids[0:60:12]
    assert [shot.lines for shot in largest.shots] == [(f"distance {n / 60:.2f}",) for n in range(0, 60, 12)]
    assert "number 0: 5 samples, 2 selected" in largest.title


def test_a_large_cluster_shows_both_ends_and_clusters_too_small_to_look_at_are_passed_over(
    connection: Any, store: Store, ids: list[str]
) -> None:
    copy = connection.cursor()
    copy.execute("CREATE TEMP TABLE moved AS SELECT * FROM main.assignments")
    copy.execute("UPDATE moved SET cluster_path = [CASE WHEN sample_id = ? THEN 1 ELSE 0 END, 0]", [ids[59]])
    copy.execute("CREATE TEMP VIEW assignments AS SELECT * FROM moved")
    copy.execute("CREATE TEMP TABLE sizes AS SELECT * FROM main.clusters")
    copy.execute("UPDATE sizes SET n_samples = CASE cluster_id WHEN 0 THEN 59 WHEN 1 THEN 1 ELSE 0 END WHERE level = 1")
    copy.execute("CREATE TEMP VIEW clusters AS SELECT * FROM sizes")
    assert LEAST_MEMBERS > 1
    (strip,) = answers(store, copy)[2].galleries["inside"].strips
    shown = [shot.sample_id for shot in strip.shots]
    assert shown == [*ids[:PER_CLUSTER], *ids[59 - PER_CLUSTER : 59]]


def test_dropped_near_duplicates_stand_beside_the_one_that_was_kept_the_least_alike_first(
    galleries: dict[str, Gallery], ids: list[str]
) -> None:
    pairs, large = galleries["Near-duplicates"].strips
    told = [tuple((shot.sample_id, *shot.lines) for shot in group) for group in pairs.groups]
    assert told[0] == ((ids[5], "0.950"), (ids[21], "kept"))
    assert told[1:3] == [((ids[0], "0.955"), (ids[20], "kept")), ((ids[1], "0.960"), (ids[20], "kept"))]
    assert [shot.sample_id for shot in large.shots] == [ids[20], *ids[:5]]
    assert [shot.lines[0] for shot in large.shots] == ["kept", "0.955", "0.960", "0.970", "0.980", "1.000"]


def test_what_a_rule_took_away_is_shown_by_the_rule(galleries: dict[str, Gallery], ids: list[str]) -> None:
    (strip,) = galleries["Filtered"].strips
    assert sorted(shot.sample_id for shot in strip.shots) == ids[6:9]
    assert strip.title.endswith(": 3") and strip.title[:20] == SCRIPT[:20]


def test_doubtful_labels_show_three_classes_and_whether_they_abstained(galleries: dict[str, Gallery]) -> None:
    (strip,) = galleries["Least certain labels"].strips
    lines = [shot.lines for shot in strip.shots]
    assert len(lines) == SHOTS
    assert all([line.split(" ")[0] for line in each[:3]] == ["60%", "30%", "10%"] for each in lines)
    assert 0 < sum("abstained" in each for each in lines) <= 5


def test_outliers_come_highest_score_first(galleries: dict[str, Gallery], ids: list[str]) -> None:
    (strip,) = galleries["Outliers"].strips
    assert [shot.sample_id for shot in strip.shots] == ids[: -SHOTS - 1 : -1]


def test_a_seed_draws_the_same_samples_again(store: Store, connection: Any) -> None:
    first, again, other = (answers(store, connection, seed)[3].galleries["glance"] for seed in (3, 3, 4))
    assert first == again != other
