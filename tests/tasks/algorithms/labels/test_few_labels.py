import inspect

import numpy as np
import pytest
from label_pools import random_pool

from windrow.tasks.algorithms.labels import few_labels, label_spreading
from windrow.tasks.algorithms.labels.few_labels import spread_labels
from windrow.tasks.algorithms.neighbors.exact_neighbors import neighbor_graph
from windrow.tasks.labels.labels_config import LabelsConfig

NAMES = np.array(["ant", "bee", "cat"])


def test_it_is_label_spreading_over_the_pools_own_graph_in_the_words_of_the_labels() -> None:
    pool, labels = random_pool(0, pull=4)
    found = spread_labels(pool, [str(NAMES[label]) if label >= 0 else None for label in labels])
    graph = neighbor_graph(pool, 20)
    own = label_spreading.spread_labels(pool, graph, labels, 3, few_labels.USUAL, few_labels.USUAL)
    assert found.label.tolist() == NAMES[own.label].tolist()
    assert found.most_probable.tolist() == NAMES[own.confidence.argmax(axis=1)].tolist()
    assert found.classes.tolist() == NAMES.tolist()
    assert found.probabilities.tobytes() == own.confidence.tobytes()
    assert found.confidence.tolist() == own.confidence[np.arange(60), own.label].tolist()
    assert found.agreement.tolist() == own.agreement.tolist()
    assert (found.confidence[labels >= 0] == 1).all() and (found.label[labels >= 0] == NAMES[labels[labels >= 0]]).all()


def test_numbers_with_gaps_lists_and_float64_are_taken_as_they_come() -> None:
    pool, labels = random_pool(1, pull=4)
    numbers = np.where(labels >= 0, labels * 5 + 2, -1)
    found = spread_labels(pool.astype(np.float64), numbers)
    again = spread_labels(pool.tolist(), numbers.tolist())
    assert set(found.label.tolist()) == {2, 7, 12}
    assert found.label.tolist() == again.label.tolist()
    assert spread_labels(pool[:8], [0, 0, 1, 1, -1, -1, -1, -1]).probabilities.shape == (8, 2)  # fewer than n_neighbors


def test_its_defaults_are_those_of_a_run() -> None:
    usual = LabelsConfig()
    assert usual.makers == usual.combine == few_labels.USUAL
    assert inspect.signature(spread_labels).parameters["n_folds"].default == usual.n_folds


def test_bad_calls_are_refused() -> None:
    pool, labels = random_pool(2)
    with pytest.raises(ValueError, match="labels: expected two classes or more, got "):
        spread_labels(pool, np.where(labels > 0, -1, labels))
    with pytest.raises(ValueError, match="labels: expected one for each of 60 samples"):
        spread_labels(pool, labels[:-1])
    with pytest.raises(ValueError, match="embeddings must be finite, row 3 is not"):
        spread_labels(np.where(np.arange(60)[:, None] == 3, np.nan, pool), labels)
