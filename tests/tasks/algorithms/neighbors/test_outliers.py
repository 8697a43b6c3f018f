import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.arrays import unit_rows
from windrow.tasks.algorithms.neighbors.coarse_groups import LEAST_SAMPLES, MORE_CLUSTERS, coarse_groups
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph, neighbor_graph
from windrow.tasks.algorithms.neighbors.outliers import knn_outlier_score, off_topic_score


def test_the_score_is_one_minus_the_mean_cosine():
    graph = NeighborGraph(np.array([[1, 2], [0, 2], [1, -1], [-1, -1]]), np.full((4, 2), -np.inf, dtype=np.float32))
    graph.similarity[:3] = [[1.0, 0.5], [1.0, 1.0], [-0.5, -np.inf]]
    assert knn_outlier_score(graph).tolist() == [0.25, 0, 1.5, 2]


def test_the_sample_apart_scores_highest_and_duplicates_zero():
    pool = np.array([[1, 0], [1, 0], [2, 0], [1, 0.2], [-1, 0.1]])
    score = knn_outlier_score(neighbor_graph(pool, 2))
    assert score[:3].tolist() == [0, 0, 0]
    assert score.argmax() == 4
    assert score.dtype == np.float32


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_permuting_the_pool_permutes_the_scores(seed):
    rng = np.random.default_rng(seed)
    pool, order = rng.standard_normal((25, 3)), rng.permutation(25)
    score = knn_outlier_score(neighbor_graph(pool, 4))
    np.testing.assert_array_equal(knn_outlier_score(neighbor_graph(pool[order], 4)), score[order])
    assert np.all((score >= 0) & (score <= 2))


def test_strangers_come_first_whether_they_are_like_each_other_or_like_nothing() -> None:
    rng = np.random.default_rng(0)
    # Twelve kinds that share a direction, a crowd of their own, and samples of no crowd.
    kinds = rng.normal(size=(12, 24)) * 0.5 + 2 * np.eye(24)[0]
    natives = np.repeat(kinds, 50, axis=0) + rng.normal(size=(600, 24)) * 0.3
    crowd = -2 * np.eye(24)[1] + rng.normal(size=(60, 24)) * 0.1
    alone = rng.normal(size=(20, 24))
    pool = np.concatenate([natives, crowd, alone]).astype(np.float32)
    score = off_topic_score(coarse_groups(pool))
    assert score.min() > 0 and score.max() == 1
    median = np.median(score[:600])
    assert (score[600:660] > median).mean() > 0.95 and (score[660:] > median).mean() > 0.9


def test_a_small_pool_has_no_coarse_clusterings() -> None:
    assert coarse_groups(np.eye(LEAST_SAMPLES - 1)) == []


def test_coarse_groups_are_what_each_clustering_alone_says_of_every_sample() -> None:
    pool = np.random.default_rng(3).normal(size=(9000, 6)).astype(np.float16)
    units = unit_rows(pool)[0]
    for found in coarse_groups(pool):
        cosine = units @ found.centroids.T
        assert found.group.tolist() == cosine.argmax(axis=1).tolist()
        sums = [units[found.group == g].sum(axis=0).tolist() for g in range(len(found.centroids))]
        assert found.sums.tolist() == sums
        others = np.sort(-cosine, axis=1)[:, 1 : MORE_CLUSTERS + 1]
        np.testing.assert_allclose(found.far, 1 + others.mean(axis=1), rtol=1e-12)
