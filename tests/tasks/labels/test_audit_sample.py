"""Which labels a person checks, and what the verdicts prove of those that nobody has seen."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from windrow.tasks.labels.audit_sample import STRATA, AuditedSet, draw, judge, stratum_name


def label_set(seed: int, n: int, n_classes: int, *, sure: float = 0.5) -> AuditedSet:
    """Labels of classes a, b, ..., the first the most common; half of them in the highest band of confidence."""
    rng = np.random.default_rng(seed)
    ids = sorted(hashlib.sha256(f"{seed} {number}".encode()).hexdigest()[:32] for number in range(n))
    label = (rng.random(n) ** 2 * n_classes).astype(np.int64)
    confidence = np.where(rng.random(n) < sure, 0.97, 0.85).astype(np.float32)
    keys = np.array([int(each[:16], 16) for each in ids], dtype=np.uint64)
    return AuditedSet(
        "pseudo", np.array(ids, dtype=object), keys, label, confidence, 0, tuple("abcdefghij"[:n_classes])
    )


def test_the_finest_strata_that_get_two_checks_each_are_drawn_by() -> None:
    labels = label_set(0, 2000, 10)
    for n, by, n_strata in [
        (40, "class and confidence", 20),
        (39, "class", 10),
        (19, "confidence", 2),
        (3, "nothing", 1),
    ]:
        rows, found = draw(labels, n, 0)
        assert (found, len(rows), len(set(rows.tolist()))) == (by, n, n)
        assert len(set(labels.strata(by)[rows].tolist())) == n_strata == len(set(labels.strata(by).tolist()))
    one = int(np.flatnonzero((labels.label == 1) & (labels.confidence > 0.9))[0])
    names = {each: stratum_name(labels, one, each) for each in STRATA}
    assert list(names.values()) == ["b, 0.95 to 1.00", "b", "0.95 to 1.00", "all"]


def test_a_confidence_on_the_edge_of_a_band_is_in_the_upper_one() -> None:
    confidence = np.array([0.4999, 0.5, 0.8, 0.95, 1], dtype=np.float32)
    ids = np.array([f"{number:032x}" for number in range(5)], dtype=object)
    keys = np.arange(5, dtype=np.uint64)
    assert AuditedSet("x", ids, keys, np.zeros(5, np.int64), confidence, 0, ("a",)).bands().tolist() == [0, 1, 2, 3, 3]


def test_whoever_stops_early_has_checked_a_random_part() -> None:
    firsts = []
    for seed in range(300):
        labels = label_set(1, 200, 3)
        firsts += [labels.label[row] for row in draw(labels, 30, seed)[0][:5]]
    shares = np.bincount(firsts) / len(firsts)
    np.testing.assert_allclose(shares, np.bincount(labels.label) / 200, atol=0.04)


def test_the_interval_holds_the_accuracy_of_all_labels_as_often_as_it_says() -> None:
    held, plain = [], []
    for seed in range(300):
        labels = label_set(seed, 500, 4)
        rng = np.random.default_rng(seed)
        # The sure ones are right nearly always, those of class a half of the time.
        correct = rng.random(500) < np.where(labels.confidence > 0.9, 0.97, 0.6) - 0.3 * (labels.label == 0)
        rows, by = draw(labels, 60, seed)
        everything, first, *_ = judge(labels, rows, correct[rows], by)
        assert (everything.n_checked, first.n_labels) == (60, (labels.label == 0).sum())
        for figure, truth in ((everything, correct.mean()), (first, correct[labels.label == 0].mean())):
            assert figure.interval is not None
            held.append(figure.interval.low <= truth <= figure.interval.high)
        plain.append(everything.interval.estimate - correct.mean())
    assert np.mean(held) > 0.94 and abs(np.mean(plain)) < 0.01


def test_verdicts_of_all_strata_but_one_fall_back_to_coarser_strata() -> None:
    labels = label_set(2, 400, 2)
    rows, by = draw(labels, 40, 0)
    kept = rows[labels.strata(by)[rows] != 0]
    correct = np.ones(len(kept), np.bool_)
    correct[:4] = False
    figures = {figure.name: figure for figure in judge(labels, kept, correct, by)}
    assert list(figures) == ["all", "a", "b", "0.80 to 0.95", "0.95 to 1.00"]
    of_a = labels.label[kept] == 0
    assert figures["a"].interval is not None
    assert figures["a"].interval.estimate == pytest.approx(correct[of_a].mean())
    none = judge(labels, kept[labels.label[kept] == 1], np.ones((labels.label[kept] == 1).sum(), np.bool_), by)
    assert none[1].interval is None and none[1].n_checked == 0 and none[0].interval is not None


def test_a_sample_of_nothing_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="--n: wants 1 or more samples, got 0"):
        draw(label_set(0, 5, 1), 0, 0)
    assert len(draw(label_set(0, 5, 1), 9, 0)[0]) == 5
