from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.selection_candidates import candidates_of
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities
from windrow.tasks.algorithms.selection.policies.balanced import Balanced
from windrow.tasks.algorithms.selection.policies.class_balanced import ClassBalanced, expected_counts


def said(classes: list[int], probabilities: list[float], n_classes: int) -> SparseProbabilities:
    column = np.array(probabilities, np.float32)[:, None]
    return SparseProbabilities(np.array(classes, np.int64)[:, None], column, n_classes)


def test_a_doubtful_sample_takes_as_much_of_a_place_as_it_is_probable() -> None:
    found = expected_counts(np.array([0, 0, 0, 2, 2]), np.array([1, 0.5, 0.25, 0.75, 1]))
    assert found.tolist() == [1, 1.5, 1.75, 0.75, 1.75]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.integers(1, 80))
def test_expected_counts_differ_by_one_at_most_while_every_class_lasts(seed: int, n_classes: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    classes, sure = rng.integers(n_classes, size=n), rng.uniform(0.8, 1, n)
    labels = said(classes.tolist(), sure.tolist(), n_classes)
    place = ClassBalanced().rank(replace(candidates_of(n), probabilities=labels), seed).place
    order = np.argsort(place)
    for size in range(1, n + 1):
        counts = np.bincount(classes[order[:size]], sure[order[:size]], minlength=n_classes)
        lasting = [number for number in range(n_classes) if (classes[order[size:]] == number).any()]
        if len(lasting) == n_classes:
            assert counts.max() - counts.min() <= 1 + 1e-6


def test_sharpness_brings_the_surest_of_a_class_first_and_none_draws_evenly() -> None:
    sure = np.linspace(0.75, 1, 60)
    candidates = replace(candidates_of(60), probabilities=said([0, 1] * 30, sure.tolist(), 2))
    found = {sharpness: ClassBalanced(sharpness=sharpness).rank(candidates, 0).place for sharpness in (0.0, 2.0, 400.0)}
    like_sureness = {sharpness: -np.corrcoef(place, sure)[0, 1] for sharpness, place in found.items()}
    assert abs(like_sureness[0.0]) < 0.3 < like_sureness[2.0] + 0.3 and like_sureness[400.0] > 0.9


def test_the_less_labels_say_the_more_clusters_decide() -> None:
    candidates = candidates_of(60)
    by_cluster = Balanced(order="random", balance=0.5).rank(candidates, 3).place
    agreements = []
    for certainty in (0.0, 0.1, 0.2, 0.5):
        labels = said([0, 1, 2] * 20, [1 / 3 + certainty * 2 / 3] * 60, 3)
        place = ClassBalanced().rank(replace(candidates, probabilities=labels), 3).place
        agreements.append(float(np.corrcoef(place, by_cluster)[0, 1]))
    assert agreements[0] == pytest.approx(1) and agreements == sorted(agreements, reverse=True)
    without = ClassBalanced().rank(replace(candidates, probabilities=None), 3).place
    assert without.tolist() == by_cluster.tolist()


def test_what_has_no_class_comes_last() -> None:
    labels = said([0, -1, 1, -1] * 15, [0.9, 0, 0.9, 0] * 15, 2)
    candidates = replace(candidates_of(60), probabilities=labels)
    place = ClassBalanced(balance=1).rank(candidates, 0).place
    assert place[labels.classes[:, 0] < 0].mean() > place[labels.classes[:, 0] >= 0].mean()
