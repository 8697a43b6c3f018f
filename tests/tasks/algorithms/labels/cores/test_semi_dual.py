import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.special import log_softmax, logsumexp, softmax
from threadpoolctl import threadpool_limits

from windrow.tasks.algorithms.labels.cores.semi_dual import TOLERANCE, class_logs, columns_of, plan_rows
from windrow.tasks.algorithms.labels.cores.sinkhorn import NotConvergedError
from windrow.tasks.algorithms.labels.many_classes.carried_prototypes import listed_columns

FEW = settings(max_examples=60, deadline=None)
SPREADS = st.sampled_from([0.0, 1.0, 20.0, 300.0])
MILD = st.sampled_from([0.0, 1.0, 4.0])


@st.composite
def pools(draw, spreads=SPREADS):
    """Logits (n, c) and shares: tiny pools, classes of next to no share, equal scores, all but hard choices."""
    n, n_classes = draw(st.sampled_from([1, 2, 3, 10, 80])), draw(st.integers(1, 8))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    logits = rng.uniform(-1, 1, (n, n_classes))
    if draw(st.booleans()):
        logits = np.round(logits)
    logits *= draw(spreads)
    if draw(st.booleans()):  # as a temperature near 0 makes them: whole samples
        shares = softmax(40 * logits, axis=1).mean(axis=0)
    else:
        shares = rng.dirichlet(np.full(n_classes, draw(st.sampled_from([0.02, 0.3, 5.0]))))
    return logits, shares / shares.sum()


def logs_of(logits, shares, **limits):
    return class_logs(columns_of(logits), shares, len(logits), **limits)


def plan(logits, shares):
    return plan_rows(logits, logs_of(logits, shares)) / len(logits)


def slow_plan(logits, shares, most=100_000):
    """Sinkhorn's plain steps in logarithms, until nothing moves."""
    logs = np.zeros(len(shares))
    for _ in range(most):
        rows = log_softmax(logits + logs, axis=1) - np.log(len(logits))
        step = np.log(shares) - logsumexp(rows, axis=0)
        if np.abs(step).max() < 1e-13:
            break
        logs += step
    return np.exp(rows)


def semi_dual(logits, shares, logs):
    used = shares > 0
    return shares[used] @ logs[used] - logsumexp(logits + logs, axis=1).mean()


def test_two_samples_of_two_classes_by_hand():
    # exp(logits) [[4, 1], [1, 1]] scales to [[x, 1 - x], [1 - x, x]] / 2 with x / (1 - x) = sqrt(4)
    found = plan(np.log([[4.0, 1.0], [1.0, 1.0]]), np.array([0.5, 0.5]))
    np.testing.assert_allclose(found, [[1 / 3, 1 / 6], [1 / 6, 1 / 3]], atol=1e-9)


@FEW
@given(pools())
def test_rows_and_columns_have_their_mass(pool):
    logits, shares = pool
    found = plan(logits, shares)
    np.testing.assert_allclose(found.sum(axis=1), 1 / len(logits), rtol=1e-12)
    unit = np.maximum(shares, 1 / len(logits))
    assert (np.abs(found.sum(axis=0) - shares) <= 1.001 * TOLERANCE * unit).all()
    assert not found[:, shares == 0].any()


@settings(max_examples=30, deadline=None)
@given(pools(MILD))
def test_the_plan_is_that_of_a_hundred_thousand_plain_steps(pool):
    logits, shares = pool
    shares = (shares + 1e-3) / (shares + 1e-3).sum()
    np.testing.assert_allclose(plan(logits, shares), slow_plan(logits, shares), atol=1e-7)


@FEW
@given(pools(MILD), st.integers(0, 100))
def test_order_does_not_matter_nor_what_all_of_a_row_or_a_column_have_in_common(pool, seed):
    logits, shares = pool
    shares = (shares + 1e-3) / (shares + 1e-3).sum()
    rng = np.random.default_rng(seed)
    rows, classes = rng.permutation(len(logits)), rng.permutation(len(shares))
    moved = logits + rng.uniform(-9, 9, (len(logits), 1)) + rng.uniform(-9, 9, len(shares))
    found = plan(moved[rows][:, classes], shares[classes])
    np.testing.assert_allclose(found, plan(logits, shares)[rows][:, classes], atol=1e-7)


@FEW
@given(pools())
def test_no_step_of_newtons_overshoots(pool):
    logits, shares = pool
    columns, seen = columns_of(logits), []

    def watched(logs):
        seen.append(semi_dual(logits, shares, logs))
        return columns(logs)

    class_logs(watched, shares, len(logits))
    assert (np.diff(seen) > -1e-12 * (1 + np.abs(seen).max())).all()


@settings(max_examples=30, deadline=None)
@given(pools(st.sampled_from([0.0, 1.0, 20.0])), st.integers(1, 8))
def test_rows_that_list_some_classes_have_the_plan_of_all(pool, k):
    logits, shares = pool
    kernel = softmax(logits, axis=1)
    rest = kernel.min(axis=1)
    kernel[:, k:] = rest[:, None]
    stored = sparse.csr_array(kernel - rest[:, None])
    found = class_logs(listed_columns(stored, rest), shares, len(logits))
    np.testing.assert_allclose(
        plan_rows(np.log(kernel), found).mean(axis=0), shares, atol=2e-9, err_msg="columns of what is stored"
    )


def test_any_number_of_threads_gives_the_same_bytes():
    rng = np.random.default_rng(0)
    logits, shares = 5 * rng.standard_normal((20_000, 70)), rng.dirichlet(np.full(70, 0.5))
    with threadpool_limits(1):
        alone = logs_of(logits, shares)
    with threadpool_limits(2):
        assert logs_of(logits, shares).tobytes() == alone.tobytes()


def test_a_hundred_near_empty_classes_take_few_passes():
    rng = np.random.default_rng(1)
    logits, shares = 10 * rng.standard_normal((500, 100)), rng.dirichlet(np.full(100, 0.05))
    logs_of(logits, shares, most_steps=40)


@pytest.mark.parametrize("shares", [[0.5, 0.6], [1.5, -0.5], [np.nan, 1.0]])
def test_shares_that_are_none_are_refused(shares):
    with pytest.raises(ValueError, match="shares must be 0 or more, of sum 1, got"):
        logs_of(np.zeros((3, 2)), np.array(shares))


def test_too_few_steps_are_an_error_that_says_how_far_off():
    with pytest.raises(NotConvergedError, match=r"off by .* of its share after 2 steps"):
        logs_of(np.array([[0.0, 9.0], [0.0, 8.0]]), np.array([0.5, 0.5]), most_steps=2)
