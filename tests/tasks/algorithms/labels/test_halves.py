import numpy as np
import pytest

from windrow.tasks.algorithms.labels.folds import assign_folds
from windrow.tasks.algorithms.labels.halves import FEW, MOST_ASKED, NOTHING_ASKED, HalvesAgreement, halves_agreement
from windrow.tasks.algorithms.labels.label_spreading import predict


def labelled(n, each, n_classes=3):
    """Labels of a pool of n: the first `each` samples of every class have theirs."""
    labels = np.full(n, -1, np.int64)
    labels[: each * n_classes] = np.arange(each * n_classes) % n_classes
    return labels


def of_one_half(labels, rows):
    """Says class 0, and of every fourth row class 1 where the lowest label is among those given."""
    said = np.zeros((len(rows), 3), np.float32)
    said[:, 0] = 1
    if labels[0] >= 0:
        said[rows % 4 == 0, 1] = 2
    return said


def test_copies_are_asked_about_samples_without_a_label_and_counted_where_they_say_the_same():
    found = halves_agreement(of_one_half, labelled(112, 4), 3)
    assert found == HalvesAgreement(100, 75)
    assert found.share == 0.75


def test_each_label_is_known_to_one_copy_and_each_class_to_both():
    seen = []

    def say(labels, rows):
        seen.append(labels)
        return np.ones((len(rows), 3), np.float32)

    labels = labelled(50, 4)
    halves_agreement(say, labels, 3)
    assert [np.bincount(half[half >= 0]).tolist() for half in seen] == [[2, 2, 2], [2, 2, 2]]
    np.testing.assert_array_equal(np.maximum(*seen), labels)
    assert not ((seen[0] >= 0) & (seen[1] >= 0)).any()
    np.testing.assert_array_equal(seen[1] >= 0, assign_folds(labels, 2, 0) == 1)


def test_of_a_large_pool_a_part_is_asked():
    found = halves_agreement(of_one_half, labelled(10 * MOST_ASKED, 4), 3)
    assert MOST_ASKED / 2 < found.n_asked <= MOST_ASKED


@pytest.mark.parametrize(
    "labels",
    [
        labelled(9, 3),
        labelled(1000, FEW),
        labelled(100, 1),
        np.concatenate([labelled(99, 4, 2), [2]]),
        np.full(100, -1, np.int64),
    ],
    ids=["no sample without a label", "many labels", "one label a class", "one label of a class", "no label"],
)
def test_nothing_is_asked_where_halves_would_say_nothing_of_the_whole(labels):
    found = halves_agreement(of_one_half, labels, 3)
    assert found == NOTHING_ASKED
    assert found.share is None


def test_a_maker_that_does_not_go_by_labels_is_not_asked():
    labels = labelled(112, 4)
    assert predict(of_one_half, labels, 3).agreement == 0.75
    assert predict(of_one_half, labels, 3, by_labels=False).agreement is None
