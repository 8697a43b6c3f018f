from dataclasses import fields, replace
from itertools import permutations

import numpy as np
import pytest

from windrow.tasks.algorithms.labels.cores.cluster_start import cluster_start
from windrow.tasks.algorithms.labels.cores.sinkhorn import NotConvergedError
from windrow.tasks.algorithms.labels.cores.soft_probe import SoftProbeConfig, predict_pool
from windrow.tasks.algorithms.labels.folds import cross_fit
from windrow.tasks.algorithms.labels.label_makers import CLUSTERERS
from windrow.tasks.algorithms.labels.makers.clusterer import name_clusters
from windrow.tasks.algorithms.labels.makers.clusterer_settings import (
    ClustersSettings,
    DepictSettings,
    P2otSettings,
    ScanSettings,
    SelaSettings,
    SourcesSettings,
    Sp2otSettings,
    SwavSettings,
)
from windrow.tasks.algorithms.labels.makers.depict import depict_refine
from windrow.tasks.algorithms.labels.makers.maker_settings import MakerSettings
from windrow.tasks.algorithms.labels.makers.named_clusterers import cluster_labels, maker_of_clusters, source_clusters
from windrow.tasks.algorithms.labels.makers.named_makers import maker
from windrow.tasks.algorithms.labels.makers.scan_head import ScanConfig, fit_scan_head, self_label
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities
from windrow.tasks.algorithms.neighbors.exact_neighbors import neighbor_graph


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


@pytest.mark.parametrize("name", CLUSTERERS)
def test_every_clusterer_finds_clouds_the_same_way_for_a_seed(name):
    found = cluster_labels(name, POOL, GRAPH, 3, seed=1)
    assert found.n_classes == 3 and found.classes.shape == (120, 3)
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, atol=1e-5)
    assert agreement(found, TRUTH) > 0.9
    again = cluster_labels(name, POOL, GRAPH, 3, seed=1)
    np.testing.assert_array_equal(found.probabilities, again.probabilities)


@pytest.mark.parametrize("name", CLUSTERERS)
def test_of_many_clusters_ten_a_sample_are_kept(name):
    found = cluster_labels(name, POOL, GRAPH, 14)
    assert found.n_classes == 14 and found.classes.shape == (120, 10)


@pytest.mark.parametrize("name", CLUSTERERS)
def test_three_labels_name_the_clusters_of_all(name):
    labels = np.full(120, -1, np.int64)
    labels[[np.flatnonzero(c == TRUTH)[0] for c in range(3)]] = range(3)
    make = maker(name, POOL, GRAPH, 3)
    said = make(labels, np.arange(120))
    assert (said.argmax(axis=1) == TRUTH).mean() > 0.9
    np.testing.assert_array_equal(make(labels, np.array([5, 2])), said[[5, 2]])


def test_clusters_are_made_once_however_often_they_are_named():
    made = []

    def make_clusters():
        made.append(1)
        return SparseProbabilities.of(np.eye(3, dtype=np.float32)[TRUTH], 3)

    labels = np.where(np.arange(120) % 4 == 0, TRUTH, -1)
    make = maker_of_clusters(make_clusters, 3)
    assert not made
    held_out = cross_fit(make, labels, 3, 5)
    np.testing.assert_array_equal(make(labels, np.arange(120)), np.eye(3)[TRUTH])
    np.testing.assert_array_equal(held_out, np.eye(3)[labels[labels >= 0]])
    assert made == [1]


def test_the_number_of_clusters_and_their_smoothing_are_settings():
    labels = np.where(np.arange(120) % 6 == 0, TRUTH, -1)
    own = MakerSettings(clusters=ClustersSettings(n_clusters=9, smoothing=4.0))
    clusters = cluster_labels("swav", POOL, GRAPH, 9, own)
    expected = name_clusters(clusters, labels, 3, 4.0)
    np.testing.assert_array_equal(maker("swav", POOL, GRAPH, 3, own)(labels, np.arange(120)), expected)
    assert np.abs(name_clusters(clusters, labels, 3) - expected).max() > 0.01


UNEVEN, UNEVEN_TRUTH = groups(1, (90, 20, 10), pull=1.5)
UNEVEN_GRAPH = neighbor_graph(UNEVEN, 8)
OTHERS = {
    "scan": (
        ScanSettings(n_epochs=6, n_heads=2, least_steps=0),
        {
            "entropy_weight": 0.5,
            "n_heads": 1,
            "n_epochs": 4,
            "least_steps": 30,
            "batch_size": 40,
            "learning_rate": 0.003,
            "confident": 0.8,
        },
    ),
    "depict": (DepictSettings(n_rounds=3), {"n_rounds": 1, "l2": 0.01}),
    "sela": (SelaSettings(n_rounds=3), {"n_rounds": 1, "power": 2.0, "marginal": (0.1, 0.7, 0.2), "l2": 0.01}),
    "swav": (SwavSettings(), {"eps": 0.5, "marginal": (0.1, 0.7, 0.2)}),
    "p2ot": (P2otSettings(n_rounds=3), {"n_rounds": 1, "size_weight": 0.01, "eps": 0.5, "l2": 0.01}),
    "sp2ot": (
        Sp2otSettings(n_rounds=3),
        {
            "n_rounds": 1,
            "size_weight": 3.0,
            "eps": 0.6,
            "semantic_weight": 0.0,
            "gamma": 1.0,
            "n_steps": 1,
            "l2": 0.01,
        },
    ),
}


@pytest.mark.parametrize(("name", "field"), [(name, field) for name, (_, other) in OTHERS.items() for field in other])
def test_another_value_of_a_setting_is_another_answer(name, field):
    settings, other = OTHERS[name]
    before = cluster_labels(name, UNEVEN, UNEVEN_GRAPH, 3, MakerSettings(**{name: settings}))
    changed = replace(settings, **{field: other[field]})
    after = cluster_labels(name, UNEVEN, UNEVEN_GRAPH, 3, MakerSettings(**{name: changed}))
    assert np.abs(after.dense() - before.dense()).max() > 1e-4


def test_no_setting_of_a_clusterer_is_left_out_above():
    assert set(OTHERS) == set(CLUSTERERS)
    for name, (settings, other) in OTHERS.items():
        assert {field.name for field in fields(settings)} == set(other) | ({"device"} if name == "scan" else set())


@pytest.mark.parametrize("name", ["sela", "swav"])
def test_a_marginals_largest_share_is_the_largest_clusters(name):
    shares = (0.1, 0.75, 0.15)
    own = {"sela": SelaSettings(n_rounds=2, marginal=shares), "swav": SwavSettings(marginal=shares)}
    found = cluster_labels(name, UNEVEN, UNEVEN_GRAPH, 3, MakerSettings(**{name: own[name]}))
    np.testing.assert_allclose(found.dense().mean(axis=0), [0.75, 0.15, 0.1], atol=0.03)
    even = cluster_labels(name, UNEVEN, UNEVEN_GRAPH, 3)
    np.testing.assert_allclose(even.dense().mean(axis=0), 1 / 3, atol=0.03)


def test_the_start_is_k_means_whose_largest_cluster_comes_first():
    start = cluster_start(UNEVEN, 3, seed=2)
    assert (np.diff(np.bincount(start.shares.argmax(axis=1), minlength=3)) <= 0).all()
    np.testing.assert_allclose(np.linalg.norm(start.units, axis=1), 1, atol=1e-5)
    scores = (
        10 * start.units.astype(np.float64) @ (start.centroids / np.linalg.norm(start.centroids, axis=1)[:, None]).T
    )
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    np.testing.assert_allclose(start.shares, powers / powers.sum(axis=1, keepdims=True), atol=1e-5)


def test_depict_and_scan_are_their_functions_with_these_settings_and_seed():
    own = MakerSettings(
        depict=DepictSettings(n_rounds=2, l2=0.003),
        scan=ScanSettings(n_epochs=6, n_heads=2, least_steps=40, confident=0.8),
    )
    expected = depict_refine(POOL, cluster_start(POOL, 3, 5).shares, 2, SoftProbeConfig(0.003)).kept[-1]
    found = cluster_labels("depict", POOL, GRAPH, 3, own, seed=5)
    np.testing.assert_array_equal(found.probabilities, expected.probabilities)
    head = fit_scan_head(POOL, GRAPH, 3, ScanConfig(n_epochs=40, n_heads=2, seed=5)).best
    taught = predict_pool(self_label(POOL, head, 0.8), POOL)
    np.testing.assert_array_equal(cluster_labels("scan", POOL, GRAPH, 3, own, seed=5).dense(), taught)
    unsure = replace(own, scan=replace(own.scan, least_steps=1, learning_rate=1e-6, confident=0.99999))
    assert cluster_labels("scan", POOL, GRAPH, 3, unsure, seed=5).probabilities.max() < 0.99999


def test_clusters_that_are_too_hard_to_balance_name_the_setting():
    own = MakerSettings(swav=SwavSettings(eps=0.0005))
    with pytest.raises(
        NotConvergedError, match=r"labels\.settings\.swav: wants a larger eps for this pool, got .*0\.0005"
    ):
        cluster_labels("swav", UNEVEN, UNEVEN_GRAPH, 7, own)


def from_sources(seed=0, n_each=150):
    """Two clouds in three sources that hold them as 9:1, 1:1 and 1:9."""
    rng = np.random.default_rng(seed)
    sources = np.repeat(np.arange(3), n_each)
    truth = (rng.random(len(sources)) < np.array([0.1, 0.5, 0.9])[sources]).astype(np.int64)
    return (3 * np.eye(4)[truth] + rng.standard_normal((len(truth), 4))).astype(np.float32), truth, sources


def test_sources_of_other_proportions_show_the_classes_and_labels_name_them():
    pool, truth, sources = from_sources()
    clusters = source_clusters(pool, sources, 2)
    assert agreement(clusters, truth, 2) > 0.9
    labels = np.full(len(pool), -1, np.int64)
    labels[[np.flatnonzero(truth == c)[0] for c in range(2)]] = range(2)
    own = MakerSettings(sources=SourcesSettings(n_folds=3))
    make = maker("sources", pool, neighbor_graph(pool, 3), 2, own, sources=sources)
    assert (make(labels, np.arange(len(pool))).argmax(axis=1) == truth).mean() > 0.9
    for other in (SourcesSettings(l2=1.0), SourcesSettings(n_folds=4), SourcesSettings(n_cells=5)):
        changed = source_clusters(pool, sources, 2, MakerSettings(sources=other))
        assert np.abs(changed.dense() - clusters.dense()).max() > 1e-4, other


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cluster_labels("knn", POOL, GRAPH, 3), "name must be one of scan, .*, got 'knn'"),
        (lambda: cluster_labels("sela", POOL, GRAPH, 1), "n_clusters must be at least 2, got 1"),
        (
            lambda: cluster_labels("swav", np.repeat(POOL[:2], 9, axis=0), GRAPH, 3),
            "n_clusters must be at most the 2 different samples, got 3",
        ),
        (
            lambda: cluster_labels("swav", POOL, GRAPH, 3, MakerSettings(swav=SwavSettings(marginal=(0.5, 0.5)))),
            r"labels.settings.swav.marginal: wants a share for each of 3 clusters, got \(0.5, 0.5\)",
        ),
        (lambda: source_clusters(POOL, np.arange(120) % 2, 3), "at least as many as the 3 classes, got 2"),
        (lambda: source_clusters(POOL, np.arange(120) % 3 * 2, 3), "sources must name each of 0 to 4, none is 1"),
    ],
)
def test_a_bad_call_names_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()
