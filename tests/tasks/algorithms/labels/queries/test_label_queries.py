import numpy as np
import pytest

from windrow.tasks.algorithms.labels.queries import QUERIES, query_for
from windrow.tasks.algorithms.labels.queries.hard_to_contrast import HardToContrast
from windrow.tasks.algorithms.labels.queries.typiclust import TypiClust, mean_distance
from windrow.tasks.algorithms.labels.queries.uncertain import Uncertain

NONE = -1


def points(*degrees: float) -> np.ndarray:
    return np.stack([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], axis=1)


# Two clusters, of seven and five; their middles are at 3 degrees and at 92.
POOL = points(0, 1, 2, 3, 4, 5, 6, 90, 91, 92, 93, 94)
MIDDLES = [3, 9]


def labels_at(**classes: int) -> np.ndarray:
    labels = np.full(len(POOL), NONE)
    for row, label in classes.items():
        labels[int(row[1:])] = label
    return labels


def test_the_typical_sample_of_the_largest_cluster_comes_first() -> None:
    found = TypiClust().pick(POOL, labels_at(), 2, seed=0)
    assert found.rows.tolist() == MIDDLES
    assert found.cluster_size.tolist() == [7, 5]
    assert found.score == pytest.approx([mean_distance(POOL[:7].astype(np.float32), 6)[3], found.score[1]], rel=1e-4)


def test_a_cluster_that_has_a_label_is_not_asked_again_before_the_others() -> None:
    assert TypiClust().pick(POOL, labels_at(_0=0), 1, seed=0).rows.tolist() == [9]
    more = TypiClust(most_clusters=2).pick(POOL, labels_at(_3=0), 3, seed=0).rows.tolist()
    assert more[0] == 9 and more[1] in (2, 4) and more[2] in (8, 10)


def test_the_hardest_to_contrast_are_typical_and_of_every_cluster() -> None:
    found = HardToContrast(most_clusters=2, n_neighbors=3).pick(POOL, labels_at(), 4, seed=0)
    assert sorted(found.rows[:2] >= 7) == [False, True] and sorted(found.rows[2:] >= 7) == [False, True]
    assert not set(found.rows) & {0, 6, 7, 11}
    assert (found.score < 0.3).all()


def test_what_lies_between_two_classes_is_uncertain() -> None:
    pool = points(*range(0, 91, 5))
    labels = np.full(len(pool), NONE)
    labels[[0, 1]], labels[[-1, -2]] = 5, 2
    found = Uncertain().pick(pool, labels, 1, seed=0)
    assert found.rows.tolist() == [9] and found.score[0] < 0.01
    least = Uncertain(breadth=1).pick(pool, labels, 3, seed=0).rows
    spread = Uncertain().pick(pool, labels, 3, seed=0).rows
    assert sorted(least) == [8, 9, 10]
    assert spread[0] == 9 and np.ptp(spread) > np.ptp(least)


@pytest.mark.parametrize("name", QUERIES)
def test_every_query_picks_each_unlabelled_sample_once_and_again_the_same(name: str) -> None:
    rng = np.random.default_rng(0)
    pool = np.concatenate([rng.normal(size=(20, 4)), np.ones((5, 4))])  # five that are equal
    labels = np.full(25, NONE)
    labels[[0, 7, 9]] = [1, 0, 1]
    query = QUERIES[name]()
    for n in (1, 6, 22, 99):
        found = query.pick(pool, labels, n, seed=1)
        assert len(found.rows) == len(set(found.rows)) == min(n, 22)
        assert (labels[found.rows] == NONE).all() and (found.cluster_size > 0).all()
        assert found.rows.tolist() == query.pick(pool * 3, labels, n, seed=1).rows.tolist()
    assert not len(query.pick(pool, np.zeros(25, np.int64), 3, seed=0).rows)


def test_what_fits_depends_on_how_many_labels_there_are() -> None:
    asked = [query_for(*counts) for counts in ((0, 0), (99, 10), (100, 10), (100, 1))]
    assert asked == ["typical", "typical", "uncertain", "typical"]


def test_a_bad_call_is_refused() -> None:
    with pytest.raises(ValueError, match="n: wants 1 or more, got 0"):
        TypiClust().pick(POOL, labels_at(), 0, seed=0)
    with pytest.raises(ValueError, match="wants labels of two classes to be uncertain between, got 1"):
        Uncertain().pick(POOL, labels_at(_1=3), 1, seed=0)
    with pytest.raises(ValueError, match="one entry for each of the 12 rows"):
        TypiClust().pick(POOL, np.zeros(3, np.int64), 1, seed=0)
