import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.labels.checks.doubts import Doubts, doubts_of
from windrow.tasks.algorithms.labels.judging.judgement import Judgement
from windrow.tasks.algorithms.labels.judging.transition_table import TransitionTable
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities

LABELS = np.array([0, 0, 1, 1, 1, 0])


def table(n_likely: int) -> TransitionTable:
    """Of a table by which so many of the six labels are likelier wrong than right."""
    posterior = np.where(np.arange(6) < n_likely, 0.4, 0.5).astype(np.float32)
    return TransitionTable(np.eye(2), posterior, 1.0, 0.0)


@pytest.mark.parametrize(("n_pruned", "n_likely", "most"), [(4, 1, 2), (1, 4, 2), (4, 3, 3), (0, 6, 0), (6, 0, 0)])
def test_the_number_is_the_mean_of_what_is_pruned_and_what_is_likely_wrong(
    n_pruned: int, n_likely: int, most: int
) -> None:
    predictions = SparseProbabilities.of(np.eye(2, dtype=np.float32)[[0, 1, 1, 0, 0, 1]], 2)
    found = doubts_of(n_pruned, table(n_likely), predictions, LABELS)
    assert found.most == most
    assert found.contradicted.tolist() == [False, True, False, True, True, True]


def test_a_model_that_gives_every_label_itself_doubts_none() -> None:
    agreeing = SparseProbabilities.of(np.eye(2, dtype=np.float32)[LABELS], 2)
    found = doubts_of(6, table(6), agreeing, LABELS)
    assert not found.lowest(np.zeros(6, np.float32)).any()


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10_000), st.integers(0, 30))
def test_what_is_left_of_a_verdict_is_its_lowest_contradicted_labels(seed: int, most: int) -> None:
    rng = np.random.default_rng(seed)
    score, contradicted, noisy = rng.integers(0, 9, 25).astype(np.float32), rng.random(25) < 0.6, rng.random(25) < 0.6
    said = Doubts(contradicted, most).bound(Judgement(score, noisy))
    may = noisy & contradicted
    assert said.noisy is not None and said.score is score
    assert said.noisy.sum() == min(most, may.sum()) and not (said.noisy & ~may).any()
    assert not said.noisy.any() or score[said.noisy].max() <= score[may & ~said.noisy].min(initial=9)


def test_a_method_without_a_verdict_stays_without() -> None:
    said = Judgement(np.zeros(3, np.float32))
    assert Doubts(np.ones(3, np.bool_), 3).bound(said) is said
