import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.labels.makers.zero_shot import zero_shot
from windrow.tasks.algorithms.labels.multi_label import blend_views, multi_label

FEW = settings(max_examples=25, deadline=None)


def random_views(seed, n=9, n_snippets=4, d=6, n_classes=5):
    rng = np.random.default_rng(seed)
    prototypes = rng.standard_normal((n_classes, d))
    return rng.standard_normal((n, d)), rng.standard_normal((n, n_snippets, d)), prototypes


def by_hand(whole, parts, threshold):
    answer = np.empty(whole.shape)
    for i in range(len(whole)):
        for c in range(whole.shape[1]):
            a, b = max(parts[i, :, c]), min(parts[i, :, c])
            answer[i, c] = (whole[i, c] + (a if a >= threshold else b)) / 2
    return answer


def test_one_snippet_that_shows_a_class_is_enough_and_all_must_deny_it():
    whole = np.array([[0.6, 0.3, 0.1]], np.float32)
    parts = np.array([[[0.9, 0.05, 0.05], [0.1, 0.5, 0.4]]], np.float32)
    # class 0: largest 0.9 stands; class 1: largest 0.5 stands; class 2: largest 0.4 is too little, smallest 0.05
    np.testing.assert_allclose(blend_views(whole, parts), [[0.75, 0.4, 0.075]], atol=1e-7)
    np.testing.assert_allclose(blend_views(whole, parts, 0.95), [[0.35, 0.175, 0.075]], atol=1e-7)


@FEW
@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.3, 0.5, 1.0]))
def test_the_scores_are_those_of_plain_loops(seed, threshold):
    pool, snippets, prototypes = random_views(seed)
    whole = zero_shot(pool, prototypes, 5.0)
    parts = np.stack([zero_shot(each, prototypes, 5.0) for each in snippets])
    scores = multi_label(pool, snippets, prototypes, 5.0, threshold)
    np.testing.assert_allclose(scores, by_hand(whole, parts, np.float32(threshold)), atol=1e-6)
    assert scores.dtype == np.float32 and scores.min() >= 0 and scores.max() <= 1


@FEW
@given(st.integers(0, 10_000))
def test_permuting_samples_or_snippets_changes_nothing_else(seed):
    pool, snippets, prototypes = random_views(seed)
    rng = np.random.default_rng(seed)
    rows, places = rng.permutation(9), rng.permutation(4)
    plain = multi_label(pool, snippets, prototypes)
    np.testing.assert_array_equal(multi_label(pool[rows], snippets[rows][:, places], prototypes), plain[rows])
    np.testing.assert_array_equal(multi_label(pool, snippets, prototypes, rows=rows[:3]), plain[rows[:3]])


def test_blocks_of_rows_join_up():
    pool, snippets, prototypes = random_views(3, n=1500)
    np.testing.assert_array_equal(
        multi_label(pool, snippets, prototypes)[1020:1030],
        multi_label(pool[1020:1030], snippets[1020:1030], prototypes),
    )


def test_with_the_whole_picture_as_its_only_snippet_nothing_changes():
    pool, _, prototypes = random_views(4)
    np.testing.assert_allclose(
        multi_label(pool, pool[:, None], prototypes, 5.0), zero_shot(pool, prototypes, 5.0), atol=1e-7
    )


def test_a_confidence_equal_to_the_threshold_counts():
    whole, parts = np.array([[0.0]], np.float32), np.array([[[0.9], [0.2]]], np.float32)
    assert blend_views(whole, parts, 0.9)[0, 0] == pytest.approx(0.45)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: multi_label(np.ones((2, 3)), np.ones((2, 3)), np.ones((2, 3))), "snippets must have shape"),
        (lambda: multi_label(np.ones((2, 3)), np.ones((1, 2, 3)), np.ones((2, 3))), "for the 2 rows, got"),
        (lambda: blend_views(np.ones((2, 3)), np.ones((2, 4, 2))), "whole must be"),
        (lambda: blend_views(np.ones((2, 3)), np.ones((2, 4, 3)), 1.5), "threshold must be from 0 to 1, got 1.5"),
    ],
)
def test_a_bad_call_names_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()
