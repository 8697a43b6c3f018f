import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from label_pools import said

from windrow.tasks.algorithms.labels.makers.knn_vote import KnnVote

FEW = settings(max_examples=25, deadline=None)


def random_pool(seed, n=30, d=6, n_classes=3, labelled=12):
    rng = np.random.default_rng(seed)
    labels = np.full(n, -1, dtype=np.int64)
    labels[rng.permutation(n)[:labelled]] = rng.integers(n_classes, size=labelled)
    return rng.standard_normal((n, d)).astype(np.float32), labels


def knn_vote(pool, labels, n_classes, **settings):
    return said(KnnVote(**settings), pool, labels, n_classes)


def angles(*degrees):
    turns = np.deg2rad(degrees)
    return np.stack([np.cos(turns), np.sin(turns)], axis=1)


def vote_by_hand(pool, labels, n_classes, k, temperature):
    units = pool / np.linalg.norm(pool, axis=1, keepdims=True)
    answer = np.zeros((len(pool), n_classes))
    for i in range(len(pool)):
        others = [j for j in np.flatnonzero(labels >= 0) if j != i]
        for j in sorted(others, key=lambda j: -float(units[i] @ units[j]))[:k]:
            answer[i, labels[j]] += np.exp(float(units[i] @ units[j]) / temperature)
    return answer / answer.sum(axis=1, keepdims=True)


def test_two_neighbours_vote_in_the_ratio_of_their_exponentials():
    pool = angles(0, 60, 90)
    shares = knn_vote(pool, np.array([-1, 0, 1]), 2, k=2, temperature=0.5)
    # cosines 0.5 and 0: exp(1) against exp(0)
    np.testing.assert_allclose(shares[0], [np.e / (np.e + 1), 1 / (np.e + 1)], atol=1e-6)
    assert shares.dtype == np.float32


@FEW
@given(st.integers(0, 10_000), st.integers(1, 20), st.sampled_from([0.05, 0.3, 2.0]))
def test_the_vote_is_that_of_plain_loops(seed, k, temperature):
    pool, labels = random_pool(seed)
    np.testing.assert_allclose(
        knn_vote(pool, labels, 3, k=k, temperature=temperature, class_balanced=False),
        vote_by_hand(pool, labels, 3, k, temperature),
        atol=1e-5,
    )


@FEW
@given(st.integers(0, 10_000), st.booleans())
def test_rows_sum_to_one_and_permuting_the_pool_permutes_them(seed, balanced):
    pool, labels = random_pool(seed)
    order = np.random.default_rng(seed).permutation(len(pool))
    plain = knn_vote(pool, labels, 4, class_balanced=balanced)
    np.testing.assert_allclose(plain.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(
        knn_vote(pool[order], labels[order], 4, class_balanced=balanced), plain[order], atol=1e-6
    )


@FEW
@given(st.integers(0, 10_000))
def test_towards_temperature_zero_the_nearest_takes_all(seed):
    pool, labels = random_pool(seed)
    cold, nearest = knn_vote(pool, labels, 3, k=5, temperature=1e-9), knn_vote(pool, labels, 3, k=1)
    np.testing.assert_array_equal(cold, nearest)
    assert set(np.unique(nearest)) <= {0, 1}


@FEW
@given(st.integers(0, 10_000), st.integers(0, 2), st.booleans())
def test_a_labelled_sample_does_not_vote_for_itself(seed, other, balanced):
    pool, labels = random_pool(seed)
    row = int(np.flatnonzero(labels >= 0)[0])
    changed = labels.copy()
    changed[row] = other
    before, after = (knn_vote(pool, each, 3, class_balanced=balanced)[row] for each in (labels, changed))
    np.testing.assert_array_equal(before, after)


def test_duplicates_of_a_labelled_sample_do_hear_its_vote():
    pool = np.concatenate([angles(0, 0, 90), angles(0)])
    shares = knn_vote(pool, np.array([0, 1, 1, -1]), 2, k=1)
    assert shares.argmax(axis=1).tolist() == [1, 0, 0, 0]


def test_balanced_votes_do_not_let_the_class_labelled_more_often_win():
    pool = angles(0, 30, 30, 30, -29)
    labels = np.array([-1, 0, 0, 0, 1])
    assert knn_vote(pool, labels, 2, k=4, temperature=1, class_balanced=False).argmax(axis=1)[0] == 0
    assert knn_vote(pool, labels, 2, k=4, temperature=1).argmax(axis=1)[0] == 1


def test_the_only_labelled_sample_of_the_pool_hears_nobody():
    shares = knn_vote(angles(0, 10), np.array([1, -1]), 4)
    assert shares.tolist() == [[0.25] * 4, [0, 1, 0, 0]]
