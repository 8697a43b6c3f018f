"""The policies that need more than probabilities, and what no policy may do to a given label."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.labels.deciding.accept_or_defer import AcceptOrDefer, accept, fit_accept_rule
from windrow.tasks.algorithms.labels.deciding.agreed import Agreed
from windrow.tasks.algorithms.labels.deciding.budget import Budget
from windrow.tasks.algorithms.labels.deciding.exclude import Exclude
from windrow.tasks.algorithms.labels.deciding.fixed import Fixed
from windrow.tasks.algorithms.labels.deciding.policy import Evidence, decide
from windrow.tasks.algorithms.labels.deciding.reliable import Reliable


def two_class(*first):
    return np.array([[p, 1 - p] for p in first], dtype=np.float32)


def test_accept_or_defer_is_the_rule_of_the_labels_held_out():
    held_out, pool = two_class(0.9, 0.8, 0.7, 0.6, 0.3), two_class(0.95, 0.72, 0.69, 0.999, 0.5)
    labels = np.concatenate([[-1] * 5, [0, 0, 1, 1, 1]])
    probabilities = np.concatenate([pool, held_out])
    decision = decide(probabilities, AcceptOrDefer(), evidence=Evidence(labels, held_out))
    assert decision.label.tolist() == [0, 0, -1, 0, -1, 0, 0, 1, 1, 1]
    # Of the two wrong ones the nearer may come in: 0.6 is as far from 0.85 as the radius now is.
    wider = AcceptOrDefer(error_share=0.5)
    assert decide(probabilities, wider, evidence=Evidence(labels, held_out)).label[:5].tolist() == [0, 0, 0, 0, -1]


def test_a_rule_for_other_classes_than_the_most_probable_asks_about_those():
    held_out, labels, predicted = two_class(0.7, 0.6, 0.9), np.array([1, 1, 0]), np.array([1, 1, 0])
    rule = fit_accept_rule(held_out, labels, predicted=predicted)
    np.testing.assert_allclose(rule.centroids, [[0.9, 0.1], [0.65, 0.35]], atol=1e-6)
    assert accept(two_class(0.65, 0.65), rule, np.array([1, 0])).tolist() == [True, False]
    evidence = Evidence(np.array([-1, 1, 1, 0]), held_out, predicted)
    pool = two_class(0.65, 0.7, 0.6, 0.9)
    decision = decide(pool, AcceptOrDefer(), np.array([1, 0, 0, 0]), evidence)
    assert decision.label.tolist() == [1, 1, 1, 0]


def test_reliable_keeps_few_of_the_common_class_and_weighs_by_entropy():
    # 300 sure ones of class 0, 9 of class 1, 9 of class 2 and 9 of class 3, and one that knows nothing.
    common = np.tile(np.array([[0.97, 0.01, 0.01, 0.01]], np.float32), (300, 1))
    rare = np.repeat(np.roll(common[:1], 1, axis=1), 9, axis=0)
    pool = np.concatenate([common, rare, np.roll(rare, 1, axis=1), np.roll(rare, 2, axis=1), np.full((1, 4), 0.25)])
    pool = pool.astype(np.float32)
    evidence = Evidence(np.full(len(pool), -1), keys=np.arange(len(pool)))
    decision = decide(pool, Reliable(), evidence=evidence)
    counts = np.bincount(decision.label[decision.label >= 0]).tolist()
    assert counts[0] < 150 and counts[1:] == [9, 9, 9]
    assert decision.label[-1] == -1
    entropy = -(0.97 * np.log(0.97) + 0.03 * np.log(0.01))
    np.testing.assert_allclose(decision.weight[~decision.abstained], np.exp(-entropy), rtol=1e-5)
    assert (decide(pool, Reliable(max_cosine=1.0), evidence=evidence).label == 0).sum() == 300
    assert decide(pool, Reliable(entropy_share=0.01), evidence=evidence).abstained.all()


def test_given_labels_take_no_place_among_the_reliable():
    pool = np.repeat(np.eye(4, dtype=np.float32), [200, 90, 90, 90], axis=0)
    labels = np.where(np.arange(470) < 200, -1, pool.argmax(axis=1))
    without = Evidence(np.full(470, -1), keys=np.arange(470))
    alone = decide(pool[:200], Reliable(), evidence=Evidence(labels[:200], keys=np.arange(200)))
    among = decide(pool, Reliable(), evidence=Evidence(labels, keys=np.arange(470)))
    np.testing.assert_array_equal(among.label[:200], alone.label)
    assert (decide(pool, Reliable(), evidence=without).label[:200] == 0).sum() != (alone.label == 0).sum()


def test_a_label_that_is_not_the_most_probable_class_is_not_reliable():
    evidence = Evidence(np.array([-1, -1]), keys=np.arange(2))
    decision = decide(two_class(0.99, 0.99), Reliable(), np.array([0, 1]), evidence)
    assert decision.label.tolist() == [0, -1]


def test_excluding_classes_labels_all_says_which_and_abstains_when_too_many_would_have_to_go():
    pool = np.array([[0.9, 0.06, 0.04, 0], [0.5, 0.44, 0.06, 0], [0.4, 0.3, 0.28, 0.02]], np.float32)
    free = decide(pool, Exclude(0.8))
    assert free.label.tolist() == [0, 0, 0] and not free.abstained.any()
    assert free.excluded is not None
    assert [free.excluded[row].tolist() for row in range(3)] == [[], [1], [1, 2]]
    np.testing.assert_allclose(free.confidence, [0.9, 0.5, 0.4])
    np.testing.assert_allclose(free.weight, [1, 0.5 / 3, 0.4 / 3], rtol=1e-6)
    one = decide(pool, Exclude(0.8, most_excluded=1))
    assert one.label.tolist() == [0, 0, -1] and one.weight.tolist()[2] == 0
    assert one.excluded is not None and [len(one.excluded[row]) for row in range(3)] == [0, 1, 0]
    none = decide(pool, Exclude(0.8, most_excluded=0))
    np.testing.assert_array_equal(none.label, decide(pool, Fixed(0.8)).label)


def test_what_is_predicted_is_kept_among_the_classes_and_the_more_probable_ones_go():
    pool = np.array([[0.6, 0.3, 0.1]], np.float32)
    decision = decide(pool, Exclude(0.7), np.array([1]))
    assert decision.excluded is not None
    assert (decision.label.tolist(), decision.excluded[0].tolist()) == ([1], [0])
    np.testing.assert_allclose(decision.confidence, [0.3])
    impossible = decide(np.array([[1, 0]], np.float32), Exclude(most_excluded=0), np.array([1]))
    assert impossible.abstained.all() and impossible.confidence.tolist() == [0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: Evidence(np.array([0, -1]), held_out=two_class(0.5, 0.5)),
            "held_out must have a row for each of the 1",
        ),
        (lambda: Evidence(np.array([0.0])), "labels must be int64"),
        (lambda: Evidence(np.array([-1]), keys=np.arange(2)), "keys must have one entry for each of 1 rows"),
        (
            lambda: decide(two_class(0.5), Fixed(), evidence=Evidence(np.array([2]))),
            "labels must be 1 classes below 2",
        ),
    ],
)
def test_a_bad_call_names_what_is_wrong(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_what_the_makers_do_not_agree_on_abstains_however_sure_it_is():
    votes = np.array([[0, 0, 0], [0, 0, 1], [0, 1, -1], [1, 1, 1], [-1, -1, -1]])
    pool, evidence = two_class(0.6, 0.99, 0.99, 0.99, 0.5), Evidence(np.full(5, -1), votes=votes)
    assert decide(pool, Agreed(), evidence=evidence).label.tolist() == [0, -1, -1, -1, -1]
    assert decide(pool, Agreed(2 / 3), evidence=evidence).label.tolist() == [0, 0, -1, -1, -1]
    assert decide(pool, Agreed(0.6667), evidence=evidence).label.tolist() == [0, 0, -1, -1, -1]
    assert decide(pool, Agreed(0.67), evidence=evidence).label.tolist() == [0, -1, -1, -1, -1]


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10_000), st.integers(0, 40), st.sampled_from(["labelled", "abstained"]))
def test_a_budget_is_met_to_the_sample_with_the_surest_labelled(seed, n, n_of):
    rng = np.random.default_rng(seed)
    labels, refused = np.where(rng.random(30) < 0.2, 0, -1), rng.random(30) < 0.2
    pool = two_class(*rng.integers(0, 6, 30) / 5)
    decision = decide(pool, Budget(n, n_of), evidence=Evidence(labels, keys=np.arange(30), refused=refused))
    free = labels < 0
    may, n_free, n_refused = free & ~refused, free.sum(), (free & refused).sum()
    wanted = min(n, may.sum()) if n_of == "labelled" else n_free - min(max(n, n_refused), n_free)
    given = ~decision.abstained & free
    assert given.sum() == wanted and not (given & refused).any()
    left = may & decision.abstained
    assert not left.any() or not given.any() or decision.confidence[given].min() >= decision.confidence[left].max()


def test_equally_sure_samples_are_chosen_by_their_keys_not_by_their_place():
    pool, keys = two_class(*[0.9] * 50), np.arange(50)
    chosen = decide(pool, Budget(10), evidence=Evidence(np.full(50, -1), keys=keys)).label == 0
    turned = decide(pool, Budget(10), evidence=Evidence(np.full(50, -1), keys=keys[::-1])).label == 0
    assert chosen.sum() == 10 and np.array_equal(turned, chosen[::-1]) and not chosen[:10].all()
