import numpy as np
import pytest

from windrow.tasks.algorithms.labels.combining.cautious_temperature import (
    MANY,
    cautious_temperature,
    honest_predictions,
)

MEANS = np.array([[0.0, 0.0], [1.5, 0.0], [0.0, 1.5]])


def two_makers(seed, each, seen=0.0):
    """What two makers, honest but for the share `seen` of the truth, say of so many labels of three classes."""
    rng = np.random.default_rng(seed)
    targets = np.repeat(np.arange(3), each)
    said = {}
    for name in ("near", "far"):
        where = MEANS[targets] + rng.standard_normal((len(targets), 2))
        density = np.exp(-0.5 * ((where[:, None] - MEANS) ** 2).sum(axis=2))
        shares = density / density.sum(axis=1, keepdims=True)
        said[name] = (seen * np.eye(3)[targets] + (1 - seen) * shares).astype(np.float32)
    return said, targets


def test_the_fewer_the_labels_the_less_sure():
    mean = [np.mean([cautious_temperature(*two_makers(seed, each), 3) for seed in range(4)]) for each in (4, 20, 300)]
    assert mean[0] > mean[1] > mean[2]
    assert mean[0] > 1.15 and mean[2] == pytest.approx(1, abs=0.06)


def test_what_makes_a_fold_worse_than_the_rest_is_seen():
    said, targets = two_makers(0, 40)
    rng = np.random.default_rng(0)
    wild = said | {f"wild {i}": rng.dirichlet(np.ones(3), len(targets)).astype(np.float32) for i in range(6)}
    assert cautious_temperature(wild, targets, 3, "equal") > 1
    assert cautious_temperature(two_makers(0, 40, seen=0.9)[0], targets, 3) < cautious_temperature(said, targets, 3)


@pytest.mark.parametrize(("each", "n_classes"), [(1, 3), (MANY, 3)])
def test_one_label_a_class_says_nothing_and_many_say_all(each, n_classes):
    assert cautious_temperature(*two_makers(1, each), n_classes) == 1


def test_a_class_without_labels_is_no_trouble():
    said, targets = two_makers(2, 10)
    wider = {name: np.pad(each, ((0, 0), (0, 1))) for name, each in said.items()}
    assert 0.5 < cautious_temperature(wider, targets, 4) < 3


def test_permuting_the_labels_permutes_what_is_said_of_them():
    said, targets = two_makers(3, 7)
    order = np.random.default_rng(0).permutation(len(targets))
    plain = honest_predictions(said, targets, 3)
    permuted = honest_predictions({name: each[order] for name, each in said.items()}, targets[order], 3)
    np.testing.assert_allclose(permuted, plain[order], atol=1e-4)
    np.testing.assert_allclose(plain.sum(axis=1), 1, atol=1e-5)


def test_an_honest_prediction_learns_nothing_of_its_own_label():
    """Of makers that are all noise, what is fitted on a label would be a little right of it."""
    right = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        targets = np.repeat(np.arange(3), 5)
        noise = {str(i): rng.dirichlet(np.ones(3), 15).astype(np.float32) for i in range(3)}
        right.append(honest_predictions(noise, targets, 3).argmax(axis=1) == targets)
    assert np.mean(right) < 1 / 3 + 3 * np.sqrt(2 / 9 / 300)
