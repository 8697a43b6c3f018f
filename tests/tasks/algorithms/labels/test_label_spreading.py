from __future__ import annotations

import numpy as np
import pytest

from windrow.tasks.algorithms.labels.all_makers import MAKERS
from windrow.tasks.algorithms.labels.combining.label_prior import PriorConfig
from windrow.tasks.algorithms.labels.label_spreading import (
    CombineRule,
    MakerPredictions,
    combine_predictions,
    predict,
    spread_labels,
)
from windrow.tasks.algorithms.labels.maker import LabelPool
from windrow.tasks.algorithms.neighbors.exact_neighbors import neighbor_graph

DEFAULT = ("propagation", "smoothed", "smoothed_probe")


def blobs(seed: int, n_each: int = 40, n_labels: int = 6, spread: float = 0.35):
    """Three clouds in six dimensions: embeddings, truth, a few labels of each."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(3), n_each)
    x = (np.eye(6)[truth] + spread * rng.normal(size=(len(truth), 6))).astype(np.float32)
    labels = np.full(len(truth), -1, np.int64)
    for c in range(3):
        labels[rng.permutation(np.flatnonzero(truth == c))[:n_labels]] = c
    order = rng.permutation(len(truth))
    return x[order], truth[order], labels[order]


@pytest.mark.parametrize("name", [name for name in MAKERS if name not in ("zero_shot", "sources")])
def test_every_maker_finds_clouds(name):
    x, truth, labels = blobs(0)
    whole = MAKERS[name]().fit(LabelPool(x, 3, neighbor_graph(x, 10)))(labels, np.arange(len(x)))
    assert (whole.argmax(axis=1) == truth).mean() > 0.8


def test_given_labels_stand_and_the_rest_follows():
    x, truth, labels = blobs(1)
    spread = spread_labels(x, neighbor_graph(x, 10), labels, 3, DEFAULT, DEFAULT)
    known = labels >= 0
    assert (spread.label[known] == labels[known]).all()
    np.testing.assert_array_equal(spread.confidence[known], np.eye(3)[labels[known]])
    assert (spread.label == truth).mean() > 0.9
    assert sum(spread.weights.values()) == pytest.approx(1)
    assert set(spread.makers) == set(spread.temperatures) == set(DEFAULT)


def test_a_maker_that_is_no_good_here_counts_for_little():
    """Embeddings that say nothing, and a graph that says everything."""
    x, truth, labels = blobs(2, n_labels=20)
    graph = neighbor_graph(x, 10)
    noise = np.random.default_rng(0).normal(size=x.shape).astype(np.float32)
    spread = spread_labels(noise, graph, labels, 3, ("propagation", "probe"), ("propagation", "probe"))
    assert spread.weights["propagation"] > 0.7
    # What weight the probe has left, its temperature has made empty.
    assert spread.temperatures["probe"] > 3
    assert (spread.label == spread.makers["propagation"].argmax(axis=1)).mean() > 0.97
    assert (spread.label == truth).mean() > 0.85


def test_one_label_a_class_leaves_the_makers_as_they_were_and_unsure():
    x, truth, labels = blobs(3, n_labels=1, spread=0.2)
    spread = spread_labels(x, neighbor_graph(x, 10), labels, 3, DEFAULT, DEFAULT)
    assert list(spread.weights.values()) == pytest.approx([1 / 2, 1 / 4, 1 / 4])
    assert (spread.label == truth).mean() > 0.8
    assert spread.confidence[labels < 0].max() < 0.6


def test_permuting_the_pool_permutes_what_they_say():
    """What makers say of a row is given, so that the folds of the cross-fit, which follow the order, are no matter."""
    x, _, labels = blobs(5)
    graph = neighbor_graph(x, 10)
    said = {name: predict(MAKERS[name]().fit(LabelPool(x, 3, graph)), labels, 3) for name in DEFAULT}
    plain = combine_predictions(said, labels, DEFAULT)
    order = np.random.default_rng(0).permutation(len(x))
    # Where each labelled row of the permuted pool is among the labelled rows of this one.
    held = (np.cumsum(labels >= 0) - 1)[order[labels[order] >= 0]]
    moved = {name: MakerPredictions(each.pool[order], each.held_out[held]) for name, each in said.items()}
    permuted = combine_predictions(moved, labels[order], DEFAULT)
    np.testing.assert_array_equal(permuted.label, plain.label[order])
    np.testing.assert_allclose(permuted.confidence, plain.confidence[order], atol=1e-4)
    for name in DEFAULT:
        assert permuted.weights[name] == pytest.approx(plain.weights[name], abs=1e-4)


def test_a_maker_that_is_only_shown_does_not_change_what_they_say_together():
    x, _, labels = blobs(4)
    graph = neighbor_graph(x, 10)
    plain = spread_labels(x, graph, labels, 3, DEFAULT, DEFAULT)
    more = spread_labels(x, graph, labels, 3, (*DEFAULT, "knn"), DEFAULT)
    np.testing.assert_array_equal(more.confidence, plain.confidence)
    assert "knn" in more.makers and "knn" not in more.weights


def test_on_a_long_tail_the_most_probable_class_is_right_more_often_and_the_label_serves_rare_classes():
    """Of a maker that knows three overlapping bells exactly, as if all were equally large."""
    truth = np.repeat(np.arange(3), (6000, 600, 300))
    place = np.random.default_rng(7).normal(np.array([0, 1.5, 3])[truth], 1)
    bells = np.exp(-0.5 * (place[:, None] - [0, 1.5, 3]) ** 2)
    even = (bells / bells.sum(axis=1, keepdims=True)).astype(np.float32)
    labels = np.where(np.isin(np.arange(len(truth)) % 10, (0, 5)) & (np.arange(len(truth)) % 300 < 150), truth, -1)
    known, hidden = labels >= 0, labels < 0
    rule = CombineRule(prior=PriorConfig("given", {"a": 20, "b": 2, "c": 1}), shares=np.array([20, 2, 1]) / 23)
    spread = combine_predictions({"probe": MakerPredictions(even, even[known])}, labels, ("probe",), rule)

    def recalls(predicted):
        return np.array([(predicted == c)[hidden & (truth == c)].mean() for c in range(3)])

    rare, probable = recalls(spread.label), recalls(spread.most_probable)
    assert (spread.most_probable[known] == labels[known]).all()
    assert (spread.most_probable == truth)[hidden].mean() > (spread.label == truth)[hidden].mean() + 0.05
    assert rare.mean() > probable.mean() + 0.05 and (rare[1:] > probable[1:]).all()
