"""Balanced accuracy by hand, and the variance between runs without the part of the evaluated samples."""

import numpy as np
import pytest

from windrow.tasks.algorithms.worth.set_quality import qualities, variance_of_runs

TRUTH = np.array([0, 0, 0, 1])
RIGHT = np.array([[True, True, False, False], [True, False, False, True]])


def test_every_class_counts_the_same() -> None:
    assert qualities(RIGHT, TRUTH, np.ones((1, 4)))[0] == pytest.approx([1 / 3, 2 / 3])


def test_samples_count_as_often_as_they_are_drawn_and_classes_only_where_they_are() -> None:
    counts = np.array([[2.0, 1, 0, 1], [1, 0, 1, 0]])
    assert qualities(RIGHT, TRUTH, counts) == pytest.approx(np.array([[0.5, 5 / 6], [0.5, 0.5]]))


def test_it_is_the_published_formula_where_every_sample_weighs_the_same() -> None:
    rng = np.random.default_rng(0)
    right = rng.random((200, 50)) < np.clip(rng.normal(0.5, 0.3, (200, 1)), 0, 1)
    n, share = 50, right.mean(axis=0)
    few = 200 / 199  # runs are counted with r - 1
    wanted = n / (n - 1) * few * (right.mean(axis=1).var() - (share * (1 - share)).sum() / n**2)
    assert variance_of_runs(right, np.zeros(50, np.int64)) == pytest.approx(wanted)


@pytest.mark.parametrize("n_runs", [2, 5])
def test_what_the_evaluated_samples_add_is_taken_out(n_runs: int) -> None:
    """Runs that are equally good have no variance, however much they differ on a few samples; others have theirs."""
    rng = np.random.default_rng(1)
    truth = np.repeat([0, 1], 20)

    def mean_variance(luck: float) -> float:
        draws = []
        for _ in range(600):
            quality = 0.6 + luck * rng.standard_normal((n_runs, 1))
            right = rng.random((n_runs, 40)) < quality
            _, own, sizes = np.unique(truth, return_inverse=True, return_counts=True)
            draws.append(variance_of_runs(right, truth) if luck else np.var(right @ (0.5 / sizes[own]), ddof=1))
        return float(np.mean(draws))

    assert mean_variance(0.0) == pytest.approx(0.24 / 40, rel=0.15)  # what it would be without the correction
    assert mean_variance(0.15) == pytest.approx(0.15**2, rel=0.25)


def test_states_of_one_sample_are_one_draw_of_the_luck_and_of_others_as_many_samples() -> None:
    """Runs of one quality, whose states of a sample are all right or all wrong: sets have no luck."""
    rng = np.random.default_rng(0)
    truth, sample = np.tile(np.arange(4), 60), np.repeat(np.arange(60), 4)
    found = []
    for _ in range(400):
        right = np.repeat(rng.random((5, 60)) < 0.7, 4, axis=1)
        weights = np.full(240, 1 / 240)
        together = np.var(right @ weights, ddof=1) - np.var(right[:, ::4] / 60, axis=0, ddof=1).sum()
        assert variance_of_runs(right, truth, sample) == pytest.approx(max(0.0, together / (1 - 1 / 60)))
        found.append(together)
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(len(found))
    right = rng.random((4, 240)) < 0.5
    assert variance_of_runs(right, truth, np.arange(240)) == pytest.approx(variance_of_runs(right, truth))


def test_quality_of_states_is_the_mean_accuracy_of_presence_and_of_absence() -> None:
    """Class 0 is found in one of two samples that have it and in none of three that have not; class 1 is in all."""
    truth = np.array([1, 1, 0, 0, 0, 3, 2])
    right = np.array([[True, False, True, True, True, True, False]])
    assert qualities(right, truth, np.ones((1, 7)))[0] == pytest.approx([(0.5 + 1 + 1 + 0) / 4])
    groups = np.array([0, 1, 0, 1, 2, 0, 1])  # the first sample counts twice, the third not
    assert qualities(right, truth, np.array([[2.0, 1.0, 0.0]]), groups)[0] == pytest.approx([(2 / 3 + 1 + 1 + 0) / 4])
