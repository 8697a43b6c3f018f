import label_pools
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from windrow.tasks.algorithms.labels.cores.standardisation import CentredRows, centred_units
from windrow.tasks.algorithms.labels.maker import LabelPool
from windrow.tasks.algorithms.labels.makers.prototypes import Prototypes

FEW = settings(max_examples=15, deadline=None)


def random_pool(seed, n=50, **sizes):
    return label_pools.random_pool(seed, n, **sizes)


def prototypes(pool, labels, n_classes, **settings):
    return label_pools.said(Prototypes(**settings), pool, labels, n_classes)


def by_hand(pool, labels, n_classes, temperature, weight, smoothness=0.05):
    def unit(vectors):
        return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)

    def soft(scores):
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    rows = unit(pool.astype(np.float64))
    rows = unit(rows - rows.mean(axis=0))
    means = unit(np.stack([rows[labels == c].mean(axis=0) for c in range(n_classes)]))
    shares = soft(rows @ means.T / temperature).mean(axis=0)
    plan = np.exp(rows @ means.T / smoothness)
    plan /= len(rows) * plan.sum(axis=1, keepdims=True)
    for _ in range(100_000):
        missing = shares / plan.sum(axis=0)
        if np.abs(missing - 1).max() < 1e-12:
            break
        plan *= missing
        plan /= len(rows) * plan.sum(axis=1, keepdims=True)
    counts = np.bincount(labels[labels >= 0], minlength=n_classes)[:, None]
    moved = unit(counts * means + weight * unit(plan.T @ rows))
    return soft(rows @ moved.T / temperature)


def test_the_nearer_of_two_means_has_the_larger_share_in_the_ratio_of_the_exponentials():
    pool = np.array([[1, 0], [-1, 0], [0, 1], [0, -1]], dtype=np.float32)
    shares = prototypes(pool, np.array([0, 1, -1, -1]), 2, temperature=1, transport_weight=0)
    # The pool's mean is 0: cosines 1 and -1 for the first, 0 and 0 for the third.
    np.testing.assert_allclose(shares[0], [np.e**2 / (np.e**2 + 1), 1 / (np.e**2 + 1)], atol=1e-6)
    np.testing.assert_allclose(shares[2], [0.5, 0.5], atol=1e-6)
    assert shares.dtype == np.float32


@FEW
@given(st.integers(0, 10_000), st.sampled_from([0.08, 0.5]), st.sampled_from([0.0, 10.0, 1000.0]))
def test_prototypes_are_those_of_plain_numpy(seed, temperature, weight):
    pool, labels = random_pool(seed)
    ours = prototypes(pool, labels, 3, temperature=temperature, transport_weight=weight)
    np.testing.assert_allclose(ours, by_hand(pool, labels, 3, temperature, weight), atol=1e-6)


@FEW
@given(st.integers(0, 10_000), st.sampled_from([0.0, 10.0]))
def test_rows_sum_to_one_and_permuting_the_pool_permutes_them(seed, weight):
    pool, labels = random_pool(seed)
    order = np.random.default_rng(seed).permutation(len(pool))
    plain = prototypes(pool, labels, 5, transport_weight=weight)
    np.testing.assert_allclose(plain.sum(axis=1), 1, atol=1e-6)
    permuted = prototypes(pool[order], labels[order], 5, transport_weight=weight)
    np.testing.assert_allclose(permuted, plain[order], atol=1e-6)
    assert not plain[:, 3:].any()


@FEW
@given(st.integers(0, 10_000))
def test_towards_temperature_zero_the_nearest_takes_all(seed):
    pool, labels = random_pool(seed)
    cold = prototypes(pool, labels, 3, temperature=1e-9, transport_weight=0)
    warm = prototypes(pool, labels, 3, temperature=1.0, transport_weight=0)
    np.testing.assert_array_equal(cold.argmax(axis=1), warm.argmax(axis=1))
    assert set(np.unique(cold)) <= {0, 1}


def test_the_length_of_an_embedding_does_not_matter():
    pool, labels = random_pool(2)
    lengths = np.linspace(0.1, 9, len(pool))[:, None]
    np.testing.assert_allclose(prototypes(pool * lengths, labels, 3), prototypes(pool, labels, 3), atol=1e-5)


def test_transport_moves_a_mean_of_one_odd_sample_to_its_group():
    turns = np.deg2rad(np.concatenate([np.linspace(-20, 20, 41), np.linspace(70, 110, 41)]))
    pool = np.stack([np.cos(turns), np.sin(turns)], axis=1)
    labels = np.full(82, -1, dtype=np.int64)
    labels[40], labels[81] = 0, 1  # at 20 and at 110 degrees, each the last of its group
    truth = np.repeat([0, 1], 41)
    plain = Prototypes(transport_weight=0).directions(pool, labels, 2)
    moved = Prototypes().directions(pool, labels, 2)
    centres = np.stack([pool[truth == c].mean(axis=0) - plain.origin for c in range(2)])
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    assert np.all((moved.directions * centres).sum(axis=1) > (plain.directions * centres).sum(axis=1))


def test_a_probability_does_not_depend_on_its_block_or_the_threads():
    pool, labels = random_pool(1, n=400, d=100)
    fitted, whole = Prototypes().directions(pool, labels, 3), prototypes(pool, labels, 3)
    few = np.concatenate([fitted.predict_proba(pool[i : i + 7]) for i in range(0, 400, 7)])
    np.testing.assert_array_equal(few, whole)
    with threadpool_limits(1):
        np.testing.assert_array_equal(prototypes(pool, labels, 3), whole)


@pytest.mark.parametrize("n_listed", [None, 2])
def test_rows_that_are_kept_and_rows_that_are_made_anew_give_the_same_bytes(n_listed: int | None):
    pool, labels = random_pool(4, n=9000, d=20)
    every = np.arange(len(pool))

    def said(memory: int) -> tuple[bytes, ...]:
        whole = LabelPool(pool, 3, n_listed=n_listed, memory=memory)
        if n_listed is None:
            return (Prototypes().fit(whole)(labels, every[::3]).tobytes(),)
        listed = Prototypes().fit_listed(whole)(labels, every[::3])
        return listed.classes.tobytes(), listed.probabilities.tobytes()

    assert said(0) == said(2**31)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array([0, 1, 1]), "one entry for each of the 2 rows, got 3"),
        (np.array([-1, -1]), "at least one label"),
    ],
)
def test_a_bad_call_names_the_argument(labels, message):
    with pytest.raises(ValueError, match=message):
        prototypes(np.eye(2), labels, 2)


def test_centred_rows_are_the_same_bits_held_or_made():
    pool, _ = random_pool(2, n=300, d=20)
    held, made = CentredRows(pool, 4 * pool.size), CentredRows(pool, 4 * pool.size - 1)
    for rows in (slice(3, 90), np.array([7, 0, 299, 7])):
        assert held[rows].tobytes() == made[rows].tobytes() == centred_units(pool, held.origin)[rows].tobytes()
