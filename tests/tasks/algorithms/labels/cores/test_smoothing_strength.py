"""How strongly predictions are smoothed, by labels held out."""

import numpy as np
import pytest

from windrow.tasks.algorithms.labels.cores.smoothing_strength import MANY, STRENGTHS, USUAL, choose_strength
from windrow.tasks.algorithms.labels.maker import LabelPool
from windrow.tasks.algorithms.labels.makers.smoothed_probe import SmoothedProbe
from windrow.tasks.algorithms.labels.makers.smoothed_prototypes import SmoothedPrototypes
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph


def graph_of(truth, purity, seed, k=10):
    """Each sample with k neighbours, about this share of them of its own class."""
    rng = np.random.default_rng(seed)
    indices = np.empty((len(truth), k), np.int64)
    for row, label in enumerate(truth):
        own, others = np.flatnonzero(truth == label), np.flatnonzero(truth != label)
        among = np.where(rng.random(k) < purity, rng.choice(own, k), rng.choice(others, k))
        indices[row] = np.where(among == row, (row + 1) % len(truth), among)
    return NeighborGraph(indices, np.ones(indices.shape, np.float32))


def unsure(truth, seed, right=0.45):
    """A maker that is right about so often, and never sure; it learns nothing from labels."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(scale=0.3, size=(len(truth), 3))
    first = np.where(rng.random(len(truth)) < right, truth, rng.integers(3, size=len(truth)))
    logits[np.arange(len(truth)), first] += 0.5
    said = (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(np.float32)
    return lambda labels, rows: said[rows]  # noqa: ARG005


def pool(n=300, n_labelled=90, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.arange(n) % 3)
    labels = np.full(n, -1)
    labels[rng.permutation(n)[:n_labelled]] = 0
    return truth, np.where(labels == 0, truth, -1)


@pytest.mark.parametrize("seed", range(5))
def test_neighbours_are_heard_where_they_are_of_one_class_and_not_where_they_are_of_any(seed):
    truth, labels = pool(seed=seed)
    start = unsure(truth, seed)
    assert choose_strength(start, graph_of(truth, 0.95, seed), labels, 3) >= 5
    sure = unsure(truth, seed, right=0.9)
    assert choose_strength(sure, graph_of(truth, 0.34, seed), labels, 3) == 1


def test_one_label_a_class_says_nothing_and_many_are_judged_by_a_fold():
    truth, labels = pool()
    graph = graph_of(truth, 0.95, 0)
    single = np.full(300, -1)
    single[[np.flatnonzero(truth == c)[0] for c in range(3)]] = [0, 1, 2]
    assert choose_strength(unsure(truth, 0), graph, single, 3) == USUAL
    truth, labels = pool(2000, MANY + 50)
    calls = []

    def counting(given, rows):
        calls.append((given >= 0).sum())
        return start(given, rows)

    start = unsure(truth, 1)
    assert choose_strength(counting, graph_of(truth, 0.95, 1), labels, 3) >= 5
    assert calls == [(MANY + 50) * 4 // 5]


def test_the_answer_is_one_of_the_strengths_and_the_same_twice():
    truth, labels = pool(seed=7)
    found = {choose_strength(unsure(truth, 7), graph_of(truth, 0.6, 7), labels, 3) for _ in range(2)}
    assert len(found) == 1 and found <= set(STRENGTHS)


@pytest.mark.parametrize("kind", [SmoothedProbe, SmoothedPrototypes])
def test_a_maker_is_tuned_to_its_labels_unless_the_strength_is_given(kind):
    truth, labels = pool(seed=3)
    rng = np.random.default_rng(3)
    x = (0.4 * np.eye(8)[truth] + rng.normal(size=(300, 8))).astype(np.float32)
    asked = LabelPool(x, 3, graph_of(truth, 0.95, 3))
    tuned = kind().tuned(asked, labels)
    assert tuned.strength in (5.0, 8.0) and kind(strength=3.0).tuned(asked, labels) == kind(strength=3.0)
    usual, rows = kind().fit(asked), np.arange(300)
    np.testing.assert_array_equal(usual(labels, rows), kind(strength=USUAL).fit(asked)(labels, rows))
    right = [(kind(strength=s).fit(asked)(labels, rows).argmax(axis=1) == truth).mean() for s in (1.0, tuned.strength)]
    assert right[1] > right[0]
