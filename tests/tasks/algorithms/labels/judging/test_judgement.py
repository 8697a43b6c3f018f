import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.labels.judging.judgement import Judgement, check_given, most_expected_f1


def test_sure_noise_alone_is_called_noise():
    assert most_expected_f1(np.array([1.0, 0.0, 1.0, 0.05])).tolist() == [True, False, True, False]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 20), min_size=1, max_size=8))
def test_the_cut_is_the_best_of_all_subsets(twentieths):
    noise = np.array(twentieths) / 20
    chosen = most_expected_f1(noise)
    value = 2 * noise[chosen].sum() / max(chosen.sum() + noise.sum(), 1e-9)
    every = (np.array(subset, bool) for subset in itertools.product([0, 1], repeat=len(noise)))
    best = max(2 * noise[subset].sum() / max(subset.sum() + noise.sum(), 1e-9) for subset in every)
    assert value >= best - 1e-12 or len(np.unique(noise)) < len(noise)
    assert not chosen.any() or noise[chosen].min() >= best / 2 - 1e-12


def test_no_noise_and_no_samples_are_no_verdicts():
    assert not most_expected_f1(np.zeros(4)).any()
    assert most_expected_f1(np.zeros(0)).shape == (0,)


def test_a_bad_call_names_the_argument():
    assert Judgement(np.zeros(2, np.float32)).noisy is None
    with pytest.raises(ValueError, match="one shape"):
        Judgement(np.zeros(2, np.float32), np.zeros(3, bool))
    with pytest.raises(ValueError, match=r"labels must be from 0 to 1, got -1 to 1"):
        check_given(np.array([-1, 1]), 2, 2)
    with pytest.raises(ValueError, match=r"labels must be int64 of shape \(3,\)"):
        check_given(np.array([0, 1]), 2, 3)
