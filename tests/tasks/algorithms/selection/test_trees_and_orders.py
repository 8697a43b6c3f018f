"""The trees that `balanced` is balanced over, and the orders within their leaves."""

from dataclasses import replace

import numpy as np
import pytest
from selection_candidates import candidates_of

from windrow.tasks.algorithms.selection.column_values import group_numbers, sort_keys
from windrow.tasks.algorithms.selection.leaf_order import density_keys, leaf_keys, typicality, uniform_numbers
from windrow.tasks.algorithms.selection.policies.balanced import Balanced
from windrow.tasks.algorithms.selection.policies.typical import Typical
from windrow.tasks.algorithms.selection.tree_paths import tree_paths

PLANTS = np.array(["fern", None, "moss", "fern", "alga"], object)
NUMBERS = np.ma.array([3.0, 1.0, np.nan, 2.0], mask=[0, 0, 0, 1])


def test_groups_are_numbered_by_their_values_and_none_is_a_group() -> None:
    assert group_numbers(PLANTS).tolist() == [2, 0, 3, 2, 1]
    assert group_numbers(PLANTS[::-1]).tolist() == [1, 2, 3, 0, 2]
    assert group_numbers(NUMBERS).tolist() == [2, 1, 0, 0]
    assert group_numbers(np.array([], object)).tolist() == []


def test_values_order_as_in_sql_and_none_comes_last_in_both_directions() -> None:
    assert sort_keys(NUMBERS).tolist() == [3, 1, np.inf, np.inf]
    assert sort_keys(NUMBERS, descending=True).tolist() == [-3, -1, np.inf, np.inf]
    assert sort_keys(PLANTS).tolist() == [2, np.inf, 3, 2, 1]
    assert sort_keys(np.array([True, False]), descending=True).tolist() == [-1, 0]


def test_a_tree_of_labels_shares_among_them_and_then_among_the_clusters_of_each() -> None:
    candidates = candidates_of(60)
    policy = Balanced(tree=("clusters", "label"))
    found = policy.rank(candidates, 0)
    assert candidates.probabilities is not None
    label = candidates.probabilities.classes[:, 0]
    least = np.bincount(label).min()
    assert np.bincount(label[found.place <= 3 * least]).tolist() == [least] * 3
    assert found.strata.shape == (60, 3)
    for level in (0, 1):  # a group lies in one of the level above
        assert len(np.unique(found.strata[:, level:], axis=0)) == found.strata[:, level].max() + 1


def test_a_tree_of_a_column_takes_from_each_of_its_values_and_its_numbers_follow_no_order() -> None:
    candidates = candidates_of(60)
    source = np.array(["web", "book", None], object)[np.random.default_rng(0).integers(3, size=60)]
    candidates = replace(candidates, columns={"source": source})
    found = Balanced(tree=("clusters", "source")).rank(candidates, 0)
    assert {source[row] for row in np.argsort(found.place)[:3]} == {"web", "book", None}
    rows = np.random.default_rng(1).permutation(60)
    mixed = tree_paths(("clusters", "source"), candidates.at(rows), "balanced")
    assert mixed.tolist() == found.strata[rows].tolist()


def test_each_order_puts_its_own_first() -> None:
    candidates = replace(candidates_of(60, ("blur",)), paths=np.zeros((60, 1), np.int32))
    assert candidates.probabilities is not None and candidates.similarity is not None
    first = {
        "closest": candidates.distance,
        "farthest": -candidates.distance,
        "typical": -candidates.similarity.mean(axis=1),
        "surest": -candidates.probabilities.probabilities[:, 0],
        "blur": candidates.columns["blur"],
        "blur DESC": -candidates.columns["blur"],
    }
    for order, key in first.items():
        policy = Balanced(order=order)
        assert set(policy.expressions) <= {"blur"}
        place = policy.rank(candidates, 0).place
        assert (np.diff(np.asarray(key)[np.argsort(place)]) >= 0).all(), order
    orders = [Balanced(order="random").rank(candidates, seed).place.tobytes() for seed in range(4)]
    assert len(set(orders)) == 4


def test_typical_is_the_order_typical_over_the_clusters() -> None:
    candidates = candidates_of(60)
    places = [policy.rank(candidates, 1).place.tolist() for policy in (Typical(), Balanced(order="typical"))]
    assert places[0] == places[1]


def test_who_has_no_neighbours_is_the_least_typical_and_fewer_than_k_are_enough() -> None:
    similarity = np.array([[0.9, 0.5, -1], [0.8, 0.8, 0.8], [-1, -1, -1]], np.float32)
    assert typicality(similarity, 3).tolist() == pytest.approx([0.7, 0.8, -1])
    assert typicality(similarity, 1).tolist() == pytest.approx([0.9, 0.8, -1])


def test_samples_are_drawn_by_the_power_of_their_distance() -> None:
    # Distances 1 and 2 of unit rows are the similarities 1/2 and -1 (here: the last there is).
    similarity = np.repeat(np.array([[0.5, -1], [1 - 0.125 / 2, -1]], np.float32), 1000, axis=0)
    uniform = np.random.default_rng(0).random(2000)
    for power, chance in ((0.0, 0.5), (1.0, 1 / (1 + 0.125**0.5))):
        keys = density_keys(similarity, uniform, 2, power)
        near_first = (keys[:1000] < keys[1000:]).mean()  # the first of two, one of each weight
        assert abs(near_first - chance) < 4 * np.sqrt(chance * (1 - chance) / 1000)
    keys = density_keys(np.ones((4, 1), np.float32), uniform[:4], 1, 32.0)
    assert np.isfinite(keys).all() and len(set(keys)) == 4  # copies of a sample keep a random order


@pytest.mark.parametrize(
    ("policy", "lacking", "message"),
    [
        (Balanced(tree=("label",)), "probabilities", "selection.policy balanced wants labels of at least two classes"),
        (Balanced(order="surest"), "probabilities", "selection.policy balanced wants labels of at least two classes"),
        (Balanced(order="density"), "similarity", "selection.policy balanced wants the neighbours"),
        (Typical(), "similarity", "selection.policy typical wants the neighbours"),
    ],
)
def test_what_the_candidates_lack_is_told(policy, lacking, message) -> None:
    assert policy.needs == (lacking,)
    with pytest.raises(ValueError, match=message):
        policy.rank(replace(candidates_of(6), **{lacking: None}), 0)


def test_a_tree_names_each_level_once_and_at_least_one() -> None:
    with pytest.raises(ValueError, match="tree: wants each once"):
        Balanced(tree=("label", "label"))
    with pytest.raises(ValueError, match="tree: wants something"):
        Balanced(tree=())


def test_the_density_order_draws_as_inverse_density_does_within_a_cluster() -> None:
    candidates = candidates_of(60)
    assert len(set(leaf_keys("density", candidates, 0, "balanced"))) == 60


def test_a_sample_has_the_same_random_number_in_whatever_pool() -> None:
    small, large = candidates_of(60), candidates_of(400)
    found = uniform_numbers(large, 3)
    both = replace(large, sample_ids=np.concatenate([small.sample_ids, large.sample_ids[60:]]))
    assert uniform_numbers(both, 3)[:60].tolist() == uniform_numbers(small, 3).tolist()
    assert found.min() >= 0 and found.max() < 1 and abs(found.mean() - 0.5) < 0.05
    assert abs(np.corrcoef(found, uniform_numbers(large, 4))[0, 1]) < 0.15
