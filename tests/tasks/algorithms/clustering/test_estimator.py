"""The estimator is `hierarchical_kmeans` and `place` under scikit-learn's names, and scikit-learn takes it for one."""

import numpy as np
import pytest

from windrow.tasks.algorithms.clustering.estimator import HierarchicalKMeans
from windrow.tasks.algorithms.clustering.hierarchy import hierarchical_kmeans
from windrow.tasks.algorithms.clustering.level_settings import propose_levels

POOL = np.random.default_rng(0).normal(size=(600, 5)).astype(np.float32)


def test_it_is_the_hierarchy_of_the_function() -> None:
    model = HierarchicalKMeans((40, 8), n_rounds=2, seed=3).fit(POOL)
    tree = hierarchical_kmeans(POOL, (40, 8), n_rounds=2, seed=3)
    assert model.paths_.tobytes() == tree.paths.tobytes()
    assert model.labels_.tolist() == tree.paths[:, 0].tolist()
    assert [level.tobytes() for level in model.centroids_] == [level.centroids.tobytes() for level in tree.levels]
    assert model.inertia_ == pytest.approx(np.square(model.distance_, dtype=np.float64).sum())
    assert (model.n_levels_, model.n_features_in_) == (2, 5)


def test_a_sample_goes_where_it_went_and_a_new_one_to_the_nearest_finest_centroid() -> None:
    model = HierarchicalKMeans((40, 8), n_rounds=2)
    assert model.fit_predict(POOL).tolist() == model.predict(POOL).tolist()
    assert model.paths(POOL).tolist() == model.paths_.tolist()
    new = np.random.default_rng(1).normal(size=(50, 5))
    finest = np.square(new[:, None] - model.centroids_[0]).sum(axis=2).argmin(axis=1)
    assert model.predict(new).tolist() == finest.tolist()
    assert model.paths(new)[:, 1].tolist() == model.hierarchy_.levels[1].assignment[finest].tolist()


def test_float64_lists_and_reversed_columns_are_taken_for_what_they_hold() -> None:
    fits = [HierarchicalKMeans(9, n_rounds=1).fit(pool) for pool in (POOL, POOL.astype(np.float64), POOL.tolist())]
    assert len({fit.paths_.tobytes() for fit in fits}) == 1
    backwards = HierarchicalKMeans(9, n_rounds=1).fit(np.ascontiguousarray(POOL[:, ::-1])[:, ::-1])
    assert backwards.paths_.tobytes() == fits[0].paths_.tobytes()


def test_without_numbers_the_levels_are_those_proposed() -> None:
    model = HierarchicalKMeans(n_rounds=0).fit(POOL)
    assert tuple(len(level) for level in model.centroids_) == propose_levels(600).n_clusters
    assert HierarchicalKMeans(np.int64(4)).fit(POOL[:20]).n_levels_ == 1


def test_scikit_learn_clones_it_and_has_it_in_a_pipeline() -> None:
    base, pipeline = pytest.importorskip("sklearn.base"), pytest.importorskip("sklearn.pipeline")
    scaler = pytest.importorskip("sklearn.preprocessing").StandardScaler()
    model = HierarchicalKMeans((30, 5), n_rounds=1, seed=7)
    cloned = base.clone(model)
    assert cloned is not model and cloned.get_params() == model.get_params()
    chain = base.clone(pipeline.make_pipeline(scaler, model)).fit(POOL)
    assert chain.predict(POOL).tolist() == chain[-1].labels_.tolist()
    assert base.is_clusterer(chain) and chain.set_params(hierarchicalkmeans__seed=8)[-1].seed == 8


def test_bad_calls_are_refused() -> None:
    with pytest.raises(ValueError, match="HierarchicalKMeans: `fit` comes first"):
        HierarchicalKMeans(3).predict(POOL)
    with pytest.raises(ValueError, match="k: expected one of n_clusters, n_resamples"):
        HierarchicalKMeans().set_params(k=3)
    with pytest.raises(ValueError, match=r"n_clusters: expected strictly decreasing numbers, .* got \(5, 9\)"):
        HierarchicalKMeans((5, 9)).fit(POOL)
    with pytest.raises(ValueError, match="points: row 1 is not finite"):
        HierarchicalKMeans(1).fit([[0, 0], [0, np.nan]])
    with pytest.raises(ValueError, match=r"X: expected shape \(n, 5\), as `fit` saw, got \(600, 4\)"):
        HierarchicalKMeans(3, n_rounds=0).fit(POOL).paths(POOL[:, :4])
