"""Which labels a person checks, and what the verdicts prove of those that nobody has seen."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import pytest

from windrow.tasks.algorithms.selection.seeded_order import seeded_order
from windrow.tasks.labels.audits.audit_sample import STRATA, Checked, draw, draw_all, judge, stratum_name
from windrow.tasks.labels.audits.audited_set import BANDS, AuditedSet


@dataclass(frozen=True)
class Labels:
    """A set with the class and the confidence (n,) of each of its units, none of which is thinned out."""

    set: AuditedSet
    label: np.ndarray
    confidence: np.ndarray


def of_units(
    label: np.ndarray, confidence: np.ndarray, classes: tuple[str, ...], seed: object = 0, state: str | None = None
) -> Labels:
    ids = sorted(hashlib.sha256(f"{seed} {number}".encode()).hexdigest()[:32] for number in range(len(label)))
    cells, cell, size = np.unique(
        label * 4 + np.searchsorted(BANDS, confidence, side="right"), return_inverse=True, return_counts=True
    )
    keys = np.array([int(each[:16], 16) for each in ids], dtype=np.uint64)
    mean = np.bincount(cell, confidence) / size
    places = cells // 4, cells % 4, size, mean
    found = AuditedSet(
        "pseudo", state, len(label), classes, *places, np.array(ids, dtype=object), keys, cell, confidence
    )
    return Labels(found, label, confidence)


def label_set(seed: int, n: int, n_classes: int, *, sure: float = 0.5, state: str | None = None) -> Labels:
    """Labels of classes a, b, ..., the first the most common; half of them in the highest band of confidence."""
    rng = np.random.default_rng(seed)
    label = (rng.random(n) ** 2 * n_classes).astype(np.int64)
    confidence = np.where(rng.random(n) < sure, 0.97, 0.85).astype(np.float32)
    return of_units(label, confidence, tuple("abcdefghij"[:n_classes]), f"{seed}{state or ''}", state)


def test_the_finest_strata_that_get_two_checks_each_are_drawn_by() -> None:
    labels = label_set(0, 2000, 10)
    for n, by, n_strata in [
        (40, "class and confidence", 20),
        (39, "class", 10),
        (19, "confidence", 2),
        (3, "nothing", 1),
    ]:
        drawn = draw(labels.set, n, 0)
        assert (drawn.by, len(drawn.rows), len(set(drawn.rows.tolist()))) == (by, n, n)
        strata = labels.set.strata(by)
        assert len(set(strata[labels.set.cell[drawn.rows]].tolist())) == n_strata == len(set(strata.tolist()))
    one = int(np.flatnonzero((labels.label == 1) & (labels.confidence > 0.9))[0])
    names = {each: stratum_name(labels.set, one, each) for each in STRATA}
    assert list(names.values()) == ["b, 0.95 to 1.00", "b", "0.95 to 1.00", "all"]


def test_a_confidence_on_the_edge_of_a_band_is_in_the_upper_one() -> None:
    confidence = np.array([0.4999, 0.5, 0.8, 0.95, 1], dtype=np.float32)
    labels = of_units(np.zeros(5, np.int64), confidence, ("a",)).set
    assert (labels.band.tolist(), labels.size.tolist()) == ([0, 1, 2, 3], [1, 1, 1, 2])


def test_whoever_stops_early_has_checked_a_random_part() -> None:
    labels = label_set(1, 200, 3)
    firsts = [labels.label[row] for seed in range(300) for row in draw(labels.set, 30, seed).rows[:5]]
    shares = np.bincount(firsts) / len(firsts)
    np.testing.assert_allclose(shares, np.bincount(labels.label) / 200, atol=0.04)


@pytest.mark.parametrize(("n", "shares"), [(1, [1]), (2, [1, 1]), (9, [5, 4]), (60, [20, 40]), (400, [20, 200])])
def test_what_is_said_to_be_present_is_checked_as_often_as_what_is_absent_as_far_as_it_goes(
    n: int, shares: list[int]
) -> None:
    sets = [label_set(0, size, 2, state=state).set for size, state in [(20, "present"), (200, "absent")]]
    drawn = draw_all(sets, n, 0)
    assert [len(each.rows) for each in drawn] == shares
    assert [each.labels.state for each in drawn] == ["present", "absent"][: len(shares)]
    assert stratum_name(sets[1], 0, "nothing") == "absent all"


def test_a_set_of_which_only_the_first_units_are_kept_is_drawn_as_the_whole_of_it() -> None:
    whole = label_set(3, 3000, 5).set
    for n in (4, 30, 200):
        order = np.lexsort((seeded_order(whole.key, 7), whole.cell))
        place = np.arange(len(order)) - np.searchsorted(whole.cell[order], whole.cell[order])
        kept = order[place < n]
        units = {name: getattr(whole, name)[kept] for name in ("sample_id", "key", "cell", "sureness")}
        thin = draw(replace(whole, **units), n, 7)
        drawn = draw(whole, n, 7)
        assert thin.by == drawn.by
        assert thin.labels.sample_id[thin.rows].tolist() == whole.sample_id[drawn.rows].tolist()


def test_the_interval_holds_the_accuracy_of_all_labels_as_often_as_it_says() -> None:
    held, plain = [], []
    for seed in range(300):
        labels = label_set(seed, 500, 4)
        rng = np.random.default_rng(seed)
        # The sure ones are right nearly always, those of class a half of the time.
        correct = rng.random(500) < np.where(labels.confidence > 0.9, 0.97, 0.6) - 0.3 * (labels.label == 0)
        drawn = draw(labels.set, 60, seed)
        everything, first, *_ = judge(Checked(labels.set, drawn.rows, correct[drawn.rows], drawn.by))
        assert (everything.n_checked, first.n_labels) == (60, (labels.label == 0).sum())
        for figure, truth in ((everything, correct.mean()), (first, correct[labels.label == 0].mean())):
            assert figure.interval is not None
            held.append(figure.interval.low <= truth <= figure.interval.high)
        plain.append(everything.interval.estimate - correct.mean())
    assert np.mean(held) > 0.94 and abs(np.mean(plain)) < 0.01


def test_verdicts_of_all_strata_but_one_fall_back_to_coarser_strata() -> None:
    labels = label_set(2, 400, 2)
    drawn = draw(labels.set, 40, 0)
    kept = drawn.rows[labels.set.strata(drawn.by)[labels.set.cell[drawn.rows]] != 0]
    correct = np.ones(len(kept), np.bool_)
    correct[:4] = False
    figures = {figure.name: figure for figure in judge(Checked(labels.set, kept, correct, drawn.by))}
    assert list(figures) == ["all", "a", "b", "0.80 to 0.95", "0.95 to 1.00"]
    of_a = labels.label[kept] == 0
    assert figures["a"].interval is not None
    assert figures["a"].interval.estimate == pytest.approx(correct[of_a].mean())
    rest = kept[labels.label[kept] == 1]
    none = judge(Checked(labels.set, rest, np.ones(len(rest), np.bool_), drawn.by))
    assert none[1].interval is None and none[1].n_checked == 0 and none[0].interval is not None


def test_a_sample_of_nothing_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="--n: wants 1 or more samples, got 0"):
        draw_all([label_set(0, 5, 1).set], 0, 0)
    assert len(draw(label_set(0, 5, 1).set, 9, 0).rows) == 5
