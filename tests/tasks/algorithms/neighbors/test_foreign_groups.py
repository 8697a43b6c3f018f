import numpy as np
import pytest

from windrow.tasks.algorithms.arrays import Float32Array
from windrow.tasks.algorithms.neighbors.coarse_groups import coarse_centroids
from windrow.tasks.algorithms.neighbors.foreign_groups import deviations, foreign_score

KINDS, OF_KIND, CROWD = 12, 50, 60


def pool_of(*, is_apart: bool, is_faint: bool) -> Float32Array:
    """Twelve kinds that share a direction, and a crowd that may lie apart from them, and may be of smaller norm."""
    rng = np.random.default_rng(0)
    kinds = rng.normal(size=(KINDS, 24)) * 0.5 + 2 * np.eye(24)[0]
    natives = np.repeat(kinds, OF_KIND, axis=0) + rng.normal(size=(KINDS * OF_KIND, 24)) * 0.3
    crowd = (-2 * np.eye(24)[1] if is_apart else kinds[0] + 0.3) + rng.normal(size=(CROWD, 24)) * 0.1
    pool = np.concatenate([natives, crowd])
    norms = 1 + 0.2 * rng.random(len(pool))
    norms[len(natives) :] *= 0.3 if is_faint else 1
    return np.asarray(pool / np.linalg.norm(pool, axis=1, keepdims=True) * norms[:, None], np.float32)


def scores_of(pool: Float32Array) -> Float32Array:
    return foreign_score(pool, coarse_centroids(pool))


def test_a_crowd_apart_that_the_encoder_hardly_answers_to_is_foreign_and_nothing_else_is() -> None:
    score = scores_of(pool_of(is_apart=True, is_faint=True))
    assert score.dtype == np.float32
    assert (score[-CROWD:] > 2).all()
    assert (score[:-CROWD] <= 2).all()


@pytest.mark.parametrize(("is_apart", "is_faint"), [(True, False), (False, True), (False, False)])
def test_one_judge_alone_calls_nothing_foreign(is_apart: bool, is_faint: bool) -> None:
    assert (scores_of(pool_of(is_apart=is_apart, is_faint=is_faint)) <= 2).all()


def test_of_an_encoder_whose_norms_are_all_alike_nothing_is_foreign() -> None:
    pool = pool_of(is_apart=True, is_faint=True)
    units = (pool / np.linalg.norm(pool, axis=1, keepdims=True)).astype(np.float16)  # alike but for rounding
    assert scores_of(units).tolist() == [0] * len(pool)


def test_the_scale_of_the_embeddings_does_not_count_and_a_zero_row_is_a_row() -> None:
    pool = pool_of(is_apart=True, is_faint=True)
    np.testing.assert_allclose(scores_of(4 * pool), scores_of(pool), rtol=1e-6)
    pool[0] = 0
    assert np.isfinite(scores_of(pool)).all()


def test_deviations_are_from_the_median_by_the_median_absolute_deviation() -> None:
    np.testing.assert_allclose(deviations(np.array([1.0, 2, 3, 4, 50])) * 1.4826, [-2, -1, 0, 1, 47])
    assert deviations(np.array([3.0, 3, 3, 3, 50])).tolist() == [0] * 5
