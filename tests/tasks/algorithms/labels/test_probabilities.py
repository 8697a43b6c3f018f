import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.labels.probabilities import ensemble, normalise_rows

FEW = settings(max_examples=40, deadline=None)


def test_the_arithmetic_mean_follows_one_sure_maker_and_the_geometric_mean_agreement():
    sure, unsure = np.array([[1, 0]], np.float32), np.array([[0.2, 0.8]], np.float32)
    np.testing.assert_allclose(ensemble([sure, unsure]), [[0.6, 0.4]], atol=1e-6)
    np.testing.assert_allclose(ensemble([sure, unsure], [3, 1]), [[0.8, 0.2]], atol=1e-6)
    np.testing.assert_allclose(
        ensemble([np.array([[0.5, 0.5]], np.float32), unsure], mean="geometric"), [[1 / 3, 2 / 3]], atol=1e-6
    )
    vetoed = ensemble([sure, np.array([[0, 1]], np.float32)], mean="geometric")
    np.testing.assert_allclose(vetoed, [[0.5, 0.5]], atol=1e-6)


@FEW
@given(st.integers(0, 10_000), st.sampled_from(["arithmetic", "geometric"]), st.integers(1, 4))
def test_an_ensemble_is_a_distribution_and_of_one_opinion_that_opinion(seed, mean, n_members):
    rng = np.random.default_rng(seed)
    members = [normalise_rows(rng.random((9, 4))) for _ in range(n_members)]
    np.testing.assert_allclose(ensemble(members, mean=mean).sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(ensemble([members[0]] * 3, mean=mean), members[0], atol=1e-6)
    np.testing.assert_allclose(ensemble(members, mean=mean), ensemble(members[::-1], mean=mean), atol=1e-6)


def test_rows_of_zeros_become_uniform():
    np.testing.assert_allclose(normalise_rows(np.array([[0.0, 0.0], [1.0, 3.0]])), [[0.5, 0.5], [0.25, 0.75]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ensemble([]), "one or more arrays"),
        (lambda: ensemble([np.ones((1, 2)), np.ones((2, 1))]), "of one shape"),
        (lambda: ensemble([np.ones((1, 2))], [0.0]), "weights must be 1 numbers"),
        (lambda: ensemble([np.ones((1, 2))], mean="harmonic"), "mean must be"),
    ],
)
def test_a_bad_call_names_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()
