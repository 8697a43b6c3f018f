import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.labels.combining.dawid_skene import DawidSkeneConfig, fit_dawid_skene

FEW = settings(max_examples=25, deadline=None)


def random_votes(seed, n=60, n_makers=4, n_classes=3, abstaining=0.2, accuracy=0.7):
    rng = np.random.default_rng(seed)
    truth = rng.integers(n_classes, size=n)
    votes = np.where(
        rng.random((n, n_makers)) < accuracy, truth[:, None], rng.integers(n_classes, size=(n, n_makers))
    ).astype(np.int64)
    votes[rng.random(votes.shape) < abstaining] = -1
    anchors = np.where(rng.random(n) < 0.2, truth, -1)
    return votes, truth, anchors


def em_by_hand(votes, n_classes, anchors, config, n_iters, from_anchors=False):
    n, n_makers = votes.shape
    belief = np.array([[(row == c).sum() + 0.1 for c in range(n_classes)] for row in votes])
    for i in range(n):
        if anchors[i] >= 0:
            belief[i] = np.eye(n_classes)[anchors[i]]
    belief /= belief.sum(axis=1, keepdims=True)
    if from_anchors:
        belief[anchors < 0] = 0
    for _ in range(n_iters):
        prior = belief.sum(axis=0) + config.smoothing
        confusion = np.full((n_makers, n_classes, n_classes), config.smoothing) + config.trust * np.eye(n_classes)
        for i in range(n):
            for j in range(n_makers):
                if votes[i, j] >= 0:
                    confusion[j, :, votes[i, j]] += belief[i]
        prior, confusion = prior / prior.sum(), confusion / confusion.sum(axis=2, keepdims=True)
        for i in range(n):
            joint = prior.copy()
            for j in range(n_makers):
                joint *= confusion[j, :, votes[i, j]] if votes[i, j] >= 0 else 1
            belief[i] = joint / joint.sum() if anchors[i] < 0 else belief[i]
    return prior, confusion


@FEW
@given(st.integers(0, 10_000), st.sampled_from([1, 2, 7]), st.booleans())
def test_the_iterations_are_those_of_plain_loops(seed, n_iters, anchored):
    votes, _, anchors = random_votes(seed, n=25)
    known = anchors if anchored else np.full(25, -1)
    config = DawidSkeneConfig(0.2, 0.7, n_iters)
    model = fit_dawid_skene(votes, 3, known if anchored else None, config=config)
    ends = [em_by_hand(votes, 3, known, config, n_iters, start) for start in (False, True)[: 1 + anchored]]
    gaps = [abs(model.prior - prior).max() + abs(model.confusion - confusion).max() for prior, confusion in ends]
    assert min(gaps) < 1e-9


@FEW
@given(st.integers(0, 10_000), st.sampled_from([1e-3, 0.1, 5.0]), st.sampled_from([0.0, 2.0]), st.integers(0, 2))
def test_the_likelihood_never_falls_and_everything_is_a_distribution(seed, smoothing, trust, case):
    votes, _, anchors = random_votes(seed)
    prior = np.array([0.5, 0.3, 0.2]) if case == 2 else None
    model = fit_dawid_skene(votes, 3, anchors if case else None, prior, DawidSkeneConfig(smoothing, trust))
    assert np.all(np.diff(model.objective) >= -1e-9 * np.abs(model.objective[1:]))
    np.testing.assert_allclose(model.confusion.sum(axis=2), 1)
    np.testing.assert_allclose(model.predict_proba(votes).sum(axis=1), 1, atol=1e-6)
    if prior is not None:
        np.testing.assert_allclose(model.prior, prior)


def test_the_objective_is_the_likelihood_of_the_votes_and_the_smoothing():
    votes, _, anchors = random_votes(5, n=20)
    config = DawidSkeneConfig(0.3, 0.5)
    model = fit_dawid_skene(votes, 3, anchors, config=config)
    total = 0.0
    for row, anchor in zip(votes, anchors, strict=True):
        joint = model.prior.copy()
        for maker, vote in enumerate(row):
            joint *= model.confusion[maker, :, vote] if vote >= 0 else 1
        total += np.log(joint[anchor] if anchor >= 0 else joint.sum())
    total += 0.3 * np.log(model.prior).sum()
    total += ((0.3 + 0.5 * np.eye(3)) * np.log(model.confusion)).sum()
    assert model.objective[-1] == pytest.approx(total, rel=1e-9)


@FEW
@given(st.integers(0, 10_000))
def test_the_order_of_the_samples_changes_no_bit(seed):
    votes, _, anchors = random_votes(seed)
    order = np.random.default_rng(seed).permutation(len(votes))
    plain, permuted = fit_dawid_skene(votes, 3, anchors), fit_dawid_skene(votes[order], 3, anchors[order])
    np.testing.assert_array_equal(permuted.confusion, plain.confusion)
    np.testing.assert_array_equal(permuted.predict_proba(votes[order]), plain.predict_proba(votes)[order])


def test_a_maker_that_swaps_two_classes_is_read_backwards():
    rng = np.random.default_rng(0)
    truth = rng.integers(3, size=600)
    good = [np.where(rng.random(600) < 0.7, truth, rng.integers(3, size=600)) for _ in range(2)]
    swapped = np.array([1, 0, 2])[truth]
    votes = np.stack([*good, swapped], axis=1).astype(np.int64)
    model = fit_dawid_skene(votes, 3, config=DawidSkeneConfig(trust=1.0))
    np.testing.assert_allclose(model.confusion[2], np.eye(3)[[1, 0, 2]], atol=0.1)
    majority = (votes[:, :, None] == np.arange(3)).sum(axis=1).argmax(axis=1)
    assert (model.predict_proba(votes).argmax(axis=1) == truth).mean() > 0.95 > (majority == truth).mean() + 0.1


def test_a_few_anchors_undo_a_majority_that_is_wrong():
    rng = np.random.default_rng(1)
    truth = rng.integers(2, size=400)
    wrong = [np.where(rng.random(400) < 0.9, 1 - truth, truth) for _ in range(3)]
    votes = np.stack(wrong, axis=1).astype(np.int64)
    anchors = np.where(np.arange(400) < 40, truth, -1)
    alone, anchored = (fit_dawid_skene(votes, 2, known, config=DawidSkeneConfig(0.1, 0)) for known in (None, anchors))
    right = [(m.predict_proba(votes).argmax(axis=1) == truth).mean() for m in (alone, anchored)]
    assert right[0] < 0.1 and right[1] > 0.9


def test_without_votes_a_sample_has_the_prior_and_an_abstention_says_nothing():
    votes = np.array([[0, 0], [1, -1], [-1, 1], [-1, -1]])
    model = fit_dawid_skene(votes, 2)
    np.testing.assert_allclose(model.predict_proba(votes)[3], model.prior, atol=1e-7)
    np.testing.assert_allclose(model.confusion[0], model.confusion[1], atol=1e-9)
    assert fit_dawid_skene(np.full((3, 2), -1), 4).prior.tolist() == [0.25] * 4


def test_towards_endless_trust_votes_are_believed_and_towards_endless_smoothing_none_is():
    votes = np.array([[0, 0, 1], [1, 1, 1], [0, 1, 1], [0, -1, -1]])
    trusted = fit_dawid_skene(votes, 2, prior=np.ones(2), config=DawidSkeneConfig(1e-3, 1e6)).predict_proba(votes)
    assert trusted.argmax(axis=1).tolist() == [0, 1, 1, 0]
    np.testing.assert_allclose(trusted.max(axis=1), 1, atol=1e-6)
    deaf = fit_dawid_skene(votes, 2, prior=np.ones(2), config=DawidSkeneConfig(1e9, 0)).predict_proba(votes)
    np.testing.assert_allclose(deaf, 0.5, atol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: DawidSkeneConfig(smoothing=0.0), "smoothing must be positive, got 0.0"),
        (lambda: DawidSkeneConfig(trust=-1.0), "trust must be from 0, got -1.0"),
        (lambda: DawidSkeneConfig(n_iters=0), "n_iters must be positive, got 0"),
        (lambda: fit_dawid_skene(np.zeros(3, np.int64), 2), "votes must be int64 .n, n_makers., got int64 of shape"),
        (lambda: fit_dawid_skene(np.zeros((3, 1)), 2), "votes must be int64 .n, n_makers., got float64"),
        (lambda: fit_dawid_skene(np.array([[2]]), 2), "votes must be from -1 to 1, got 2 to 2"),
        (lambda: fit_dawid_skene(np.array([[1]]), 2, np.array([2])), "anchors must be .1,., each from -1 to 1"),
        (lambda: fit_dawid_skene(np.array([[1]]), 2, np.array([0, 1])), "anchors must be"),
        (lambda: fit_dawid_skene(np.array([[1]]), 2, prior=np.array([1.0, 0.0])), "prior must be 2 positive numbers"),
    ],
)
def test_a_bad_call_names_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()
