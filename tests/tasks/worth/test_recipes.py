"""The search space: what is tried, and what each recipe changes."""

import numpy as np
import pytest

from windrow.tasks.algorithms.worth.hold_out import choosing_half
from windrow.tasks.selection.selection_config import SelectionConfig, SelectionPart
from windrow.tasks.worth.recipes import AS_IS, recipes_of
from windrow.tasks.worth.tune_config import TuneConfig


def test_every_policy_goes_with_its_settings_and_every_threshold_and_what_the_config_does_is_tried_once() -> None:
    config = SelectionConfig()
    found = recipes_of(config, TuneConfig(), ("",))
    assert (found[0].name, found[0].selection) == (AS_IS, config)
    assert len(found) == (6 + 6 + 3) * 3  # the config is one of the class-balanced ones
    assert len({recipe.selection for recipe in found}) == len({recipe.name for recipe in found}) == len(found)
    last = next(each for each in found if each.name == "balanced, balance 0.25, order random, near-duplicates keep")
    assert last.changes == {
        "policy": "balanced",
        "settings": {"balanced": {"balance": 0.25, "order": "random"}},
        "drop_near_duplicates": False,
    }
    assert last.selection.chosen().balance == 0.25  # type: ignore[attr-defined]
    assert not last.selection.drop_near_duplicates


def test_other_levels_and_backbones_are_tried_with_every_recipe() -> None:
    found = recipes_of(SelectionConfig(policy="random"), TuneConfig(policies=("random",)), ("", "2 levels"))
    assert [recipe.run for recipe in found] == [0, 0, 0, 1, 1, 1]
    assert found[-1].name == "random, near-duplicates 0.9, 2 levels"


def test_a_search_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="first_seeds: wants at most most_seeds, 2, got 4"):
        TuneConfig(first_seeds=4, most_seeds=2)
    with pytest.raises(ValueError, match="levels: wants each once"):
        TuneConfig(levels=(2, 2))


def test_the_halves_divide_groups_evenly_within_classes_whatever_the_order_of_samples() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(60), 2)
    truth, keys = groups % 3, rng.integers(0, 2**62, 120)
    half = choosing_half(truth, groups, keys, 0)
    assert (half[::2] == half[1::2]).all()
    assert [int(half[truth == each].sum()) for each in range(3)] == [20, 20, 20]
    order = rng.permutation(120)
    assert (choosing_half(truth[order], groups[order], keys[order], 0) == half[order]).all()
    assert (choosing_half(truth, groups, keys, 1) != half).any()


def test_parts_with_policies_of_their_own_are_refused_as_all_recipes_would_be_alike() -> None:
    config = SelectionConfig(parts=(SelectionPart("one", 0.5, policy="balanced"), SelectionPart("other")))
    with pytest.raises(ValueError, match=r"parts with a policy of their own do not ask: \['one'\]"):
        recipes_of(config, TuneConfig(), ("",))
