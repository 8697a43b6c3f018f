import numpy as np
import pytest

from windrow.tasks.algorithms.neighbors.duplicate_threshold import FALLBACK, propose_threshold


def similarities(n: int, centre: float, seed: int = 0) -> np.ndarray:
    z = np.random.default_rng(seed).normal(np.arctanh(centre), 0.09, n)
    return np.tanh(z).astype(np.float32)


@pytest.mark.parametrize("centre", [0.3, 0.65, 0.85])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.25])
def test_copies_lie_above_the_threshold_and_distinct_samples_below_in_any_encoder(centre: float, share: float) -> None:
    distinct = similarities(2000, centre)
    copies = np.tanh(np.random.default_rng(1).uniform(np.arctanh(centre) + 0.5, np.arctanh(centre) + 1.2, 4000))
    nearest = np.concatenate([distinct, copies[: int(2000 * share)].astype(np.float32)])
    threshold = propose_threshold(np.random.default_rng(2).permutation(nearest)).threshold
    assert (copies >= threshold).mean() > 0.95 and (distinct >= threshold).mean() < 0.01
    assert threshold == propose_threshold(nearest).threshold


@pytest.mark.parametrize("nearest", [similarities(99, 0.6), np.full(500, 0.7, np.float32)])
def test_where_nothing_can_be_said_it_says_so(nearest: np.ndarray) -> None:
    found = propose_threshold(nearest)
    assert found.threshold == FALLBACK and " where " in found.how
