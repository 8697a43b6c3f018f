from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities


def test_the_most_probable_come_first_and_the_rest_is_shared():
    sparse = SparseProbabilities.of(np.array([[0.1, 0.5, 0.3, 0.1]], np.float32), 2)
    assert sparse.classes.tolist() == [[1, 2]]
    np.testing.assert_allclose(sparse.rest(), [0.1], rtol=1e-6)
    np.testing.assert_allclose(sparse.dense(), [[0.1, 0.5, 0.3, 0.1]], rtol=1e-6)
    np.testing.assert_allclose(sparse.of_class(np.array([2])), [0.3], rtol=1e-6)
    np.testing.assert_allclose(sparse.of_class(np.array([3])), [0.1], rtol=1e-6)


def test_the_lowest_class_comes_first_among_equals():
    sparse = SparseProbabilities.of(np.array([[0.1, 0.4, 0.1, 0.4], [0, 0, 0, 1]], np.float32), 3)
    assert sparse.classes.tolist() == [[1, 3, 0], [3, 0, 1]]
    np.testing.assert_allclose(sparse.probabilities, [[0.4, 0.4, 0.1], [1, 0, 0]], atol=1e-7)
    assert sparse.classes.dtype == np.int64 and sparse.probabilities.dtype == np.float32


def test_an_empty_slot_is_no_class():
    sparse = SparseProbabilities(np.array([[2, -1]]), np.array([[0.7, 0]], np.float32), 4)
    np.testing.assert_allclose(sparse.dense(), [[0.1, 0.1, 0.7, 0.1]], rtol=1e-6)


@settings(deadline=None, max_examples=30)
@given(n=st.integers(0, 8), n_classes=st.integers(1, 6), seed=st.integers(0, 10**6))
def test_all_classes_kept_lose_nothing(n, n_classes, seed):
    full = np.random.default_rng(seed).dirichlet(np.ones(n_classes), size=n).astype(np.float32).reshape(n, n_classes)
    sparse = SparseProbabilities.of(full, n_classes)
    np.testing.assert_array_equal(sparse.dense(), full)
    assert (np.diff(sparse.probabilities, axis=1) <= 0).all()
    assert (sparse.classes[:, 0] == full.argmax(axis=1)).all()
    assert (np.sort(sparse.classes, axis=1) == np.arange(n_classes)).all()
    some = np.arange(0, n, 2)
    np.testing.assert_array_equal(sparse.dense(some), full[some])


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match=r"k must be from 1"):
        SparseProbabilities.of(np.ones((2, 3), np.float32), 4)
    with pytest.raises(ValueError, match=r"classes must be from -1 to 2"):
        SparseProbabilities(np.array([[3]]), np.ones((1, 1), np.float32), 3)
    with pytest.raises(ValueError, match=r"one shape"):
        SparseProbabilities(np.zeros((2, 2), np.int64), np.ones((2, 1), np.float32), 3)
