import numpy as np
import pytest

from windrow.tasks.algorithms.labels.class_shares import LEAST_LABELS, class_shares, why_unknown
from windrow.tasks.algorithms.selection.balance import normalised_entropy

SIZES = (300, 90, 30)


def pool(seed: int, n_each: int = 12, sizes: tuple[int, ...] = SIZES) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Three overlapping Gaussians of these sizes, and labels of n_each samples of each class."""
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.repeat(np.arange(3), sizes))
    embeddings = (np.eye(3, 8)[truth] * 3.0 + rng.normal(size=(len(truth), 8))).astype(np.float32)
    given = np.full(len(truth), -1, np.int64)
    for c in range(3):
        given[np.flatnonzero(truth == c)[:n_each]] = c
    return embeddings, truth, given


def test_the_intervals_hold_the_truth_of_pool_and_selection_though_labels_are_even() -> None:
    held, widths = [], []
    for seed in range(10):
        embeddings, truth, given = pool(seed)
        chosen = np.argsort(-embeddings[:, 2], kind="stable")[:60]  # depends on what the probes see
        sets = {"pool": np.ones(len(truth), bool), "curated": np.isin(np.arange(len(truth)), chosen)}
        for name, found in class_shares(embeddings, given, 3, sets).items():
            true = np.bincount(truth[sets[name]], minlength=3)
            held.append(found.balance.low <= normalised_entropy(true) <= found.balance.high)
            held += list((found.low <= true / true.sum()) & (true / true.sum() <= found.high))
            widths.append(found.balance.high - found.balance.low)
            assert found.share.sum() == pytest.approx(1)
    assert np.mean(held) >= 0.93 and np.mean(widths) < 0.4, (np.mean(held), np.mean(widths))


def test_where_every_label_is_given_shares_are_counted_and_certain() -> None:
    embeddings, truth, _ = pool(0)
    found = class_shares(embeddings, truth, 3, {"pool": np.ones(len(truth), bool)})["pool"]
    assert found.share.tolist() == pytest.approx(np.array(SIZES) / sum(SIZES))
    assert found.balance.low == found.balance.value == found.balance.high


def test_an_empty_selection_has_no_shares_and_too_few_labels_are_refused_with_the_reason() -> None:
    embeddings, truth, given = pool(0, sizes=(40, 40, 40))
    sets = {"pool": np.ones(len(truth), bool), "curated": np.zeros(len(truth), bool)}
    assert set(class_shares(embeddings, given, 3, sets)) == {"pool"}
    given[np.flatnonzero(given == 2)[LEAST_LABELS - 1 :]] = -1
    assert why_unknown(given, 3) == ("it takes 4 given labels of each class: 1 of 3 have fewer, the rarest 3")
    with pytest.raises(ValueError, match="labels: it takes 4"):
        class_shares(embeddings, given, 3, sets)
