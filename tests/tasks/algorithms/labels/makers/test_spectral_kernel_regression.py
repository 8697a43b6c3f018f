import label_pools
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from windrow.tasks.algorithms.labels.makers.spectral_kernel_regression import SpectralRegression, conjugate_gradients

FEW = settings(max_examples=12, deadline=None)


def random_pool(seed, d=6, **sizes):
    return label_pools.random_pool(seed, d=d, spread=np.linspace(2, 0.5, d), **sizes)


def spectral(pool, labels, n_classes, **settings):
    return label_pools.said(SpectralRegression(**settings), pool, labels, n_classes)


def centred(pool):
    rows = pool / np.linalg.norm(pool.astype(np.float64), axis=1, keepdims=True)
    rows = rows - rows.mean(axis=0)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def kernel_ridge(kernel, labels, n_classes, ridge):
    """Scores of all rows from the n x n kernel: weighted kernel ridge regression with a free bias."""
    rows = np.flatnonzero(labels >= 0)
    targets = np.eye(n_classes)[labels[rows]]
    share = 1 / (n_classes * targets.sum(axis=0)[labels[rows]])
    m = len(rows)
    system = np.block(
        [[kernel[np.ix_(rows, rows)] + ridge * np.diag(1 / share), np.ones((m, 1))], [np.ones((1, m)), 0]]
    )
    found = np.linalg.solve(system, np.vstack([targets, np.zeros(n_classes)]))
    return kernel[:, rows] @ found[:m] + found[m]


def softmax(scores):
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@FEW
@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.5, 0.95]), st.sampled_from([0.01, 0.3]))
def test_it_is_kernel_ridge_regression_with_the_series_of_the_kernels_powers(seed, eta, ridge):
    pool, labels = random_pool(seed)
    rows = centred(pool)
    base = rows @ rows.T
    step = base / len(rows)
    largest = np.linalg.eigvalsh(step)[-1]
    transformed, power = np.zeros_like(base), base.copy()
    for p in range(600):
        transformed += (eta / largest) ** p * power
        power = power @ step
    theirs = softmax(kernel_ridge(transformed, labels, 3, ridge) / 0.08)
    np.testing.assert_allclose(spectral(pool, labels, 3, eta=eta, ridge=ridge), theirs, atol=1e-4)


@FEW
@given(st.integers(0, 10_000))
def test_rows_sum_to_one_and_permuting_the_pool_permutes_them(seed):
    pool, labels = random_pool(seed)
    order = np.random.default_rng(seed).permutation(len(pool))
    plain = spectral(pool, labels, 5)
    np.testing.assert_allclose(plain.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(spectral(pool[order], labels[order], 5), plain[order], atol=1e-5)
    assert not plain[:, 3:].any()


def test_tomorrows_rows_are_predicted_as_todays():
    pool, labels = random_pool(1, n=400, d=100)
    fitted, whole = SpectralRegression().regression(pool, labels, 3), spectral(pool, labels, 3)
    few = np.concatenate([fitted.predict_proba(pool[i : i + 7]) for i in range(0, 400, 7)])
    np.testing.assert_array_equal(few, whole)
    with threadpool_limits(1):
        np.testing.assert_array_equal(spectral(pool, labels, 3), whole)


def test_towards_eta_one_the_direction_in_which_the_pool_varies_decides():
    rng = np.random.default_rng(3)
    pool = rng.standard_normal((200, 3)) * [9, 1, 1]
    # The labelled pair differs in the third dimension and, less, in the first.
    pool[0], pool[1] = [2, 0, 3], [-2, 0, -3]
    labels = np.full(200, -1, dtype=np.int64)
    labels[:2] = [0, 1]
    weights = [np.abs(SpectralRegression(eta, 0.5).regression(pool, labels, 2).weights[:, 0]) for eta in (0.0, 0.99)]
    assert weights[1][0] / weights[1][2] > 2 * weights[0][0] / weights[0][2]


@FEW
@given(st.integers(0, 10_000), st.integers(1, 30))
def test_conjugate_gradients_solve_what_they_are_given(seed, d):
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((d, d))
    matrix = root @ root.T + 0.1 * np.eye(d)
    right = np.hstack([rng.standard_normal((d, 3)), np.zeros((d, 1))])
    found, n_iters = conjugate_gradients(lambda x: matrix @ x, right)
    np.testing.assert_allclose(matrix @ found, right, atol=1e-6 * max(1, np.abs(right).max()))
    assert n_iters < 10 * d


def test_a_lone_class_has_probability_one():
    assert np.all(spectral(np.eye(3), np.array([-1, 1, -1]), 2) == [0, 1])
