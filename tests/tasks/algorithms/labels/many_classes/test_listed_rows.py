from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.special import softmax

from windrow.tasks.algorithms.labels.many_classes.listed_rows import (
    excess,
    joined,
    log_excess,
    most_probable,
    softmax_of,
)
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(2, 90), st.integers(1, 9))
def test_the_most_probable_classes_are_those_of_a_sort_ties_too(seed, n, n_classes, k):
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, rng.integers(2, 50), size=(n, n_classes)).astype(np.float32)
    found, sort = most_probable(rows, min(k, n_classes)), SparseProbabilities.of(rows, min(k, n_classes))
    np.testing.assert_array_equal(found.classes, sort.classes)
    np.testing.assert_array_equal(found.probabilities, sort.probabilities)


def test_an_excess_and_the_rest_are_the_row_again(rng):
    said = SparseProbabilities.of(rng.dirichlet(np.ones(9), size=5).astype(np.float32), 4)
    np.testing.assert_allclose(excess(said).toarray() + said.rest()[:, None], said.dense(), atol=1e-7)
    again = softmax_of(log_excess(said), 4)
    np.testing.assert_array_equal(again.classes, said.classes)
    np.testing.assert_allclose(again.probabilities, said.probabilities, atol=1e-6)


def test_a_softmax_counts_what_is_not_stored_as_a_score_of_0():
    scores = np.array([[2.0, 0, -1, 0, 0], [0, 0, 0, 0, 0]], np.float32)
    found = softmax_of(sparse.csr_array(scores), 3)
    np.testing.assert_allclose(found.probabilities[0, 0], softmax(scores[0])[0], rtol=1e-6)
    assert found.classes.tolist() == [[0, -1, -1], [-1, -1, -1]]  # what is below the rest is not listed
    np.testing.assert_allclose(found.rest()[1], 0.2)


def test_parts_of_different_widths_are_joined():
    first = SparseProbabilities(np.array([[3]]), np.array([[0.5]], np.float32), 4)
    second = SparseProbabilities(np.array([[0, 1]]), np.array([[0.5, 0.3]], np.float32), 4)
    assert joined([first, second], 2, 4).classes.tolist() == [[3, -1], [0, 1]]


@pytest.fixture
def rng():
    return np.random.default_rng(0)
