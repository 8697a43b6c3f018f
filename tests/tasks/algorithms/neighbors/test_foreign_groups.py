import numpy as np
import pytest

from windrow.tasks.algorithms.arrays import Float32Array
from windrow.tasks.algorithms.neighbors.coarse_groups import coarse_groups
from windrow.tasks.algorithms.neighbors.foreign_groups import deviations, foreign_score

KINDS, OF_KIND, MOST = 12, 100, 4


def pool_of(n_crowd: int, *, is_apart: bool) -> Float32Array:
    """Twelve kinds that share a direction, and a crowd: apart from them, or one more kind."""
    rng = np.random.default_rng(0)
    kinds = rng.normal(size=(KINDS + 1, 24)) * 0.5 + 2 * np.eye(24)[0]
    natives = np.repeat(kinds[:KINDS], OF_KIND, axis=0) + rng.normal(size=(KINDS * OF_KIND, 24)) * 0.3
    crowd = (-2 * np.eye(24)[1] if is_apart else kinds[KINDS]) + rng.normal(size=(n_crowd, 24)) * 0.1
    return np.concatenate([natives, crowd]).astype(np.float32)


def scores_of(pool: Float32Array) -> Float32Array:
    return foreign_score(coarse_groups(pool))


@pytest.mark.parametrize("n_crowd", [60, 150])
def test_a_crowd_apart_from_the_pool_is_foreign_and_nothing_else_is(n_crowd: int) -> None:
    score = scores_of(pool_of(n_crowd, is_apart=True))
    assert score.dtype == np.float32 and score.min() == 0
    assert (score[-n_crowd:] > MOST).all()
    assert (score[:-n_crowd] <= MOST).all()


@pytest.mark.parametrize("n_crowd", [60, 150])
def test_one_more_kind_of_what_the_pool_is_about_is_not_foreign(n_crowd: int) -> None:
    assert (scores_of(pool_of(n_crowd, is_apart=False)) <= MOST).all()


def test_the_scale_of_the_embeddings_does_not_count_and_a_zero_row_is_a_row() -> None:
    pool = pool_of(60, is_apart=True)
    assert scores_of(4 * pool).tolist() == scores_of(pool).tolist()
    pool[0] = 0
    assert np.isfinite(scores_of(pool)).all()


def test_a_pool_of_one_thing_has_nothing_foreign() -> None:
    assert scores_of(np.ones((600, 4), np.float32)).tolist() == [0] * 600


def test_deviations_are_from_the_median_by_the_median_absolute_deviation() -> None:
    np.testing.assert_allclose(deviations(np.array([1.0, 2, 3, 4, 50])) * 1.4826, [-2, -1, 0, 1, 47])
    assert deviations(np.array([3.0, 3, 3, 3, 50])).tolist() == [0] * 5
