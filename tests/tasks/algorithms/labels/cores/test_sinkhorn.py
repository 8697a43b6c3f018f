from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.arrays import row_blocks
from windrow.tasks.algorithms.labels.cores import sinkhorn
from windrow.tasks.algorithms.labels.cores.sinkhorn import NotConvergedError, log_sum_exp, scale, scaled_rows

FEW = settings(max_examples=20, deadline=None)


def plan_of(matrix, rows, columns, **options):
    def logs(block):
        return matrix[block].copy()

    scaling = scale(logs, rows, columns, **options)
    return np.concatenate([np.exp(logs) for _, logs in scaled_rows(logs, scaling)]), scaling


def plain_sinkhorn(kernel, rows, columns, hardness, n_iters=5000):
    left, right = np.ones(len(rows)), np.ones(len(columns))
    for _ in range(n_iters):
        left = rows / (kernel @ right)
        right = (columns / (kernel.T @ left)) ** hardness
    return left[:, None] * kernel * right


def marginals(rng, n, k):
    # None nearly 0: plain iterations would take too long.
    return rng.dirichlet(np.full(n, 5.0)) * 3, rng.dirichlet(np.full(k, 5.0)) * 3


def test_two_by_two_by_hand():
    # kernel [[4, 1], [1, 1]]: of the form [[x, 1 - x], [1 - x, x]] with x / (1 - x) = sqrt(4), so x = 2 / 3
    plan, _ = plan_of(np.log([[4.0, 1.0], [1.0, 1.0]]), np.ones(2), np.ones(2), tolerance=1e-12)
    np.testing.assert_allclose(plan, [[2 / 3, 1 / 3], [1 / 3, 2 / 3]], atol=1e-9)


@FEW
@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 5), st.sampled_from([0.5, 0.9, 1.0]))
def test_the_plan_is_plain_sinkhorns_in_any_block(seed, n, k, softness):
    rng = np.random.default_rng(seed)
    matrix, (rows, columns) = rng.standard_normal((n, k)), marginals(rng, n, k)
    hardness = np.append(np.full(k - 1, softness), 1.0)
    expected = plain_sinkhorn(np.exp(matrix), rows, columns, hardness)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sinkhorn, "row_blocks", partial(row_blocks, size=5))
        plan, scaling = plan_of(matrix, rows, columns, hardness=hardness, tolerance=1e-11, max_iters=20_000)
    np.testing.assert_allclose(plan, expected, atol=1e-8)
    np.testing.assert_allclose(plan.sum(axis=1), rows, rtol=1e-12)
    np.testing.assert_allclose(plan.sum(axis=0), scaling.column_mass, rtol=1e-9)


@FEW
@given(st.integers(0, 10_000), st.sampled_from([1e-2, 1e-4, 1e-6]))
def test_hard_marginals_hold_to_the_tolerance(seed, tolerance):
    rng = np.random.default_rng(seed)
    rows, columns = marginals(rng, 30, 4)
    plan, scaling = plan_of(3 * rng.standard_normal((30, 4)), rows, columns, tolerance=tolerance)
    assert scaling.error <= tolerance
    np.testing.assert_allclose(plan.sum(axis=0), columns, rtol=tolerance * 1.01)


@FEW
@given(st.integers(0, 10_000))
def test_adding_to_a_row_or_a_column_of_the_logarithms_changes_nothing(seed):
    rng = np.random.default_rng(seed)
    matrix, (rows, columns) = rng.standard_normal((9, 3)), marginals(rng, 9, 3)
    shifted = matrix + 800 * rng.standard_normal((9, 1)) + 800 * rng.standard_normal(3)
    plain, _ = plan_of(matrix, rows, columns, tolerance=1e-10)
    np.testing.assert_allclose(plan_of(shifted, rows, columns, tolerance=1e-10)[0], plain, atol=1e-9)


def test_a_place_without_mass_stays_empty():
    plan, _ = plan_of(np.zeros((3, 3)), np.array([1.0, 0.0, 1.0]), np.array([0.5, 1.5, 0.0]))
    np.testing.assert_allclose(plan, [[0.25, 0.75, 0], [0, 0, 0], [0.25, 0.75, 0]], atol=1e-4)


def test_a_start_at_the_answer_needs_one_pass():
    rng = np.random.default_rng(1)
    matrix, (rows, columns) = rng.standard_normal((20, 4)), marginals(rng, 20, 4)
    _, first = plan_of(matrix, rows, columns)
    assert first.n_iters > 1
    assert plan_of(matrix, rows, columns, start=first.column)[1].n_iters == 1


def test_the_sum_of_nothing_is_minus_infinity_without_a_warning():
    logs = np.array([[-np.inf, -np.inf], [0.0, 0.0]])
    assert log_sum_exp(logs, axis=1).tolist() == [-np.inf, np.log(2)]


def test_too_few_iterations_are_an_error_that_says_how_far_off():
    with pytest.raises(NotConvergedError, match=r"marginals off by .* after max_iters=2, tolerance=1\.0e-04"):
        plan_of(np.array([[0.0, 9.0], [0.0, 8.0]]), np.ones(2), np.ones(2), max_iters=2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"rows": np.array([1.0, -1.0])}, "row_marginal must be one or more finite numbers"),
        ({"columns": np.array([1.0, 2.0])}, r"must have one sum, got 2\.0 and 3\.0"),
        ({"hardness": np.array([0.0, 1.0])}, "hardness must be 2 numbers above 0"),
        ({"tolerance": 0.0}, r"tolerance must be positive, got 0\.0"),
        ({"max_iters": 0}, "max_iters must be positive, got 0"),
        ({"matrix": np.array([[0.0, 0.0], [-np.inf, -np.inf]])}, "row 1 of the matrix is 0"),
        ({"matrix": np.array([[0.0, -np.inf], [0.0, -np.inf]])}, "column 1 of the matrix is 0"),
    ],
)
def test_a_bad_call_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        plan_of(**{"matrix": np.zeros((2, 2)), "rows": np.ones(2), "columns": np.ones(2), **call})
