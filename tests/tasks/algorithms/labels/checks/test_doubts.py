import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.labels.checks.doubts import Doubts, doubts_of
from windrow.tasks.algorithms.labels.judging.judgement import Judgement
from windrow.tasks.algorithms.labels.judging.transition_table import TransitionTable
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities

LABELS = np.array([0, 0, 1, 1, 1, 0])


def table(expected: float) -> TransitionTable:
    """Of a table that expects so many of the six labels to be wrong."""
    return TransitionTable(np.eye(2), np.full(6, 1 - expected / 6, np.float32), 1.0, 0.0)


def predicted(sure: float) -> SparseProbabilities:
    """Four labels contradicted, each with the probability `sure`."""
    first = np.array([0, 1, 1, 0, 0, 1])
    dense = np.full((6, 2), 1 - sure, np.float32)
    dense[np.arange(6), first] = sure
    return SparseProbabilities.of(dense, 2)


@pytest.mark.parametrize(
    ("n_pruned", "expected", "sure", "most"),
    [(4, 1.0, 0.9, 2), (4, 6.0, 0.75, 3), (0, 6.0, 0.9, 0), (4, 0.0, 0.9, 0), (1, 4.0, 1.0, 2)],
)
def test_the_number_is_the_mean_of_what_is_pruned_and_of_what_is_expected_or_known(
    n_pruned: int, expected: float, sure: float, most: int
) -> None:
    found = doubts_of(n_pruned, table(expected), predicted(sure), LABELS)
    # 4 pruned: 2 with 1 expected; with 6 expected, no more than the 4 * 0.75 = 3 known, and sqrt(12) is 3.46.
    assert found.most == most
    assert found.contradicted.tolist() == [False, True, False, True, True, True]


def test_a_model_that_gives_every_label_itself_doubts_none() -> None:
    agreeing = SparseProbabilities.of(np.eye(2, dtype=np.float32)[LABELS], 2)
    found = doubts_of(6, table(6.0), agreeing, LABELS)
    assert found.most == 0 and not found.lowest(np.zeros(6, np.float32)).any()


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
