"""The makers that find clusters without labels."""

from dataclasses import dataclass
from itertools import permutations

import numpy as np
import pytest
from label_pools import said

from windrow.tasks.algorithms.labels.all_makers import MAKERS
from windrow.tasks.algorithms.labels.cores.cluster_start import cluster_start
from windrow.tasks.algorithms.labels.cores.self_training import self_train
from windrow.tasks.algorithms.labels.cores.soft_probe import SoftProbeConfig
from windrow.tasks.algorithms.labels.folds import cross_fit
from windrow.tasks.algorithms.labels.maker import LabelPool, SettingError
from windrow.tasks.algorithms.labels.makers.clusterer import Clusterer, name_clusters
from windrow.tasks.algorithms.labels.makers.depict import Depict, depict_targets
from windrow.tasks.algorithms.labels.makers.latent_label_shift import LatentLabelShift
from windrow.tasks.algorithms.labels.makers.scan import Scan, fit_scan_head, self_label
from windrow.tasks.algorithms.labels.makers.sela import Sela
from windrow.tasks.algorithms.labels.makers.swav import Swav
from windrow.tasks.algorithms.labels.probabilities import predict_rows
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities
from windrow.tasks.algorithms.neighbors.exact_neighbors import neighbor_graph

CLUSTERERS = [name for name, maker in MAKERS.items() if issubclass(maker, Clusterer) and name != "sources"]


def groups(seed=0, sizes=(40, 40, 40), pull=2.5):
    """Clouds of these sizes, and which one each sample is of."""
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    return (pull * np.eye(8)[truth] + rng.standard_normal((len(truth), 8))).astype(np.float32), truth


def agreement(clusters, truth, k=3):
    """The share of samples that the best naming of the clusters gets right."""
    return max((np.array(order)[clusters.classes[:, 0]] == truth).mean() for order in permutations(range(k)))


POOL, TRUTH = groups()
GRAPH = neighbor_graph(POOL, 8)
UNEVEN, UNEVEN_TRUTH = groups(1, (90, 20, 10), pull=1.5)


def clusters(maker, n_clusters=3, pool=POOL, seed=0):
    graph = GRAPH if pool is POOL else None
    return maker.clusters(LabelPool(pool, n_clusters, graph, seed=seed), n_clusters)


@pytest.mark.parametrize("name", CLUSTERERS)
def test_every_clusterer_finds_clouds_that_three_labels_name(name):
    found = clusters(MAKERS[name](), seed=1)
    assert found.n_classes == 3 and found.classes.shape == (120, 3)
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, atol=1e-5)
    assert agreement(found, TRUTH) > 0.9
    labels = np.full(120, -1, np.int64)
    labels[[np.flatnonzero(c == TRUTH)[0] for c in range(3)]] = range(3)
    assert (said(MAKERS[name](), POOL, labels, graph=GRAPH).argmax(axis=1) == TRUTH).mean() > 0.9


@pytest.mark.parametrize("name", CLUSTERERS)
def test_of_many_clusters_ten_a_sample_are_kept(name):
    found = clusters(MAKERS[name](), 14)
    assert found.n_classes == 14 and found.classes.shape == (120, 10)


@dataclass(frozen=True)
class Counted(Clusterer):
    made = []  # noqa: RUF012

    def clusters(self, pool, n_clusters):
        self.made.append((len(pool.embeddings), n_clusters))
        return SparseProbabilities.of(np.eye(3, dtype=np.float32)[TRUTH], 3)


def test_clusters_are_made_once_however_often_they_are_named():
    labels = np.where(np.arange(120) % 4 == 0, TRUTH, -1)
    make = Counted().fit(LabelPool(POOL, 3))
    held_out = cross_fit(make, labels, 3, 5)
    np.testing.assert_array_equal(make(labels, np.arange(120)), np.eye(3)[TRUTH])
    np.testing.assert_array_equal(held_out, np.eye(3)[labels[labels >= 0]])
    assert Counted.made == [(120, 3)]


def test_the_number_of_clusters_and_their_smoothing_reach_the_naming():
    labels = np.where(np.arange(120) % 6 == 0, TRUTH, -1)
    maker = Swav(n_clusters=9, smoothing=4.0)
    expected = name_clusters(clusters(maker, 9), labels, 3, 4.0)
    np.testing.assert_array_equal(said(maker, POOL, labels), expected)


@pytest.mark.parametrize("kind", [Sela, Swav])
def test_a_marginals_largest_share_is_the_largest_clusters(kind):
    rounds = {"n_rounds": 2} if kind is Sela else {}
    found = clusters(kind(marginal=(0.1, 0.75, 0.15), **rounds), pool=UNEVEN)
    np.testing.assert_allclose(found.dense().mean(axis=0), [0.75, 0.15, 0.1], atol=0.03)
    np.testing.assert_allclose(clusters(kind(), pool=UNEVEN).dense().mean(axis=0), 1 / 3, atol=0.03)


def test_the_start_is_k_means_whose_largest_cluster_comes_first():
    start = cluster_start(UNEVEN, 3, seed=2)
    assert (np.diff(np.bincount(start.shares.argmax(axis=1), minlength=3)) <= 0).all()
    np.testing.assert_allclose(np.linalg.norm(start.units, axis=1), 1, atol=1e-5)
    scores = (
        10 * start.units.astype(np.float64) @ (start.centroids / np.linalg.norm(start.centroids, axis=1)[:, None]).T
    )
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    np.testing.assert_allclose(start.shares, powers / powers.sum(axis=1, keepdims=True), atol=1e-5)


def test_depict_is_rounds_of_its_targets_from_that_start():
    start = cluster_start(POOL, 3, 5).shares
    expected = self_train(POOL, start, lambda _, p: (depict_targets(p), np.ones(len(p))), 2, SoftProbeConfig(0.003))
    found = clusters(Depict(n_rounds=2, l2=0.003), seed=5)
    np.testing.assert_array_equal(found.probabilities, expected.kept[-1].probabilities)


def test_scan_makes_the_least_steps_and_its_sure_samples_teach():
    own = {"n_epochs": 6, "n_heads": 2, "confident": 0.8}
    head = fit_scan_head(POOL, GRAPH, 3, Scan(n_epochs=40, n_heads=2), seed=5).best
    taught = predict_rows(self_label(POOL, head, 0.8), POOL)
    np.testing.assert_array_equal(clusters(Scan(**own, least_steps=40), seed=5).dense(), taught)
    unsure = Scan(**{**own, "confident": 0.99999}, least_steps=1, learning_rate=1e-6)
    assert clusters(unsure, seed=5).probabilities.max() < 0.99999


def from_sources(seed=0, n_each=150):
    """Two clouds in three sources that hold them as 9:1, 1:1 and 1:9."""
    rng = np.random.default_rng(seed)
    sources = np.repeat(np.arange(3), n_each)
    truth = (rng.random(len(sources)) < np.array([0.1, 0.5, 0.9])[sources]).astype(np.int64)
    return (3 * np.eye(4)[truth] + rng.standard_normal((len(truth), 4))).astype(np.float32), truth, sources


def of_sources(pool, sources, n_clusters):
    return LatentLabelShift().clusters(LabelPool(pool, n_clusters, sources=sources), n_clusters)


def test_sources_of_other_proportions_show_the_classes_and_labels_name_them():
    pool, truth, sources = from_sources()
    assert agreement(of_sources(pool, sources, 2), truth, 2) > 0.9
    labels = np.full(len(pool), -1, np.int64)
    labels[[np.flatnonzero(truth == c)[0] for c in range(2)]] = range(2)
    answer = said(LatentLabelShift(n_folds=3), pool, labels, 2, sources=sources)
    assert (answer.argmax(axis=1) == truth).mean() > 0.9


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: clusters(Sela(), 1), ValueError, "n_clusters must be at least 2, got 1"),
        (
            lambda: clusters(Swav(), pool=np.repeat(POOL[:2], 9, axis=0)),
            ValueError,
            "n_clusters must be at most the 2 different samples, got 3",
        ),
        (
            lambda: clusters(Swav(marginal=(0.5, 0.5))),
            SettingError,
            r"^marginal: wants a share for each of 3 clusters, got \(0.5, 0.5\)",
        ),
        (lambda: clusters(Swav(eps=0.0005), 7, UNEVEN), SettingError, r"^eps: wants a larger one .*, got 0\.0005"),
        (
            lambda: clusters(Sela(power=4000.0), 7, UNEVEN),
            SettingError,
            r"^power: wants a smaller one .*, got Sela\(.*power=4000",
        ),
        (lambda: of_sources(POOL, np.arange(120) % 2, 3), ValueError, "at least as many as the 3 classes, got 2"),
        (lambda: of_sources(POOL, np.arange(119) % 4, 3), ValueError, "one entry for each of the 120 rows"),
        (
            lambda: of_sources(POOL, np.arange(120) % 3 * 2, 3),
            ValueError,
            "sources must name each of 0 to 4, none is 1",
        ),
    ],
)
def test_a_bad_call_or_a_setting_that_does_not_fit_is_named(call, kind, message):
    with pytest.raises(kind, match=message):
        call()
