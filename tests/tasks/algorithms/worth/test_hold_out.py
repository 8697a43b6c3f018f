"""Held-out groups: whole, seeded, stable as a pool grows, and never a rare class's labels."""

import numpy as np

from windrow.tasks.algorithms.worth.hold_out import held_out_groups

N = 3000
KEYS = np.random.default_rng(0).integers(0, 2**64, N // 3, np.uint64)
GROUPS = np.arange(N) // 3
LABELS = np.where(np.arange(N) % 3 == 0, np.arange(N) // 3 % 4, -1)


def held(labels: np.ndarray = LABELS, share: float = 0.2, most: int = 10_000, seed: int = 0) -> np.ndarray:
    return held_out_groups(labels, GROUPS[: len(labels)], KEYS, share, most, seed)


def test_about_the_share_of_the_labelled_is_held_out_with_all_of_their_groups() -> None:
    found = held()
    assert 150 < found[LABELS >= 0].sum() < 250  # four deviations around 200
    assert (found.reshape(-1, 3).all(axis=1) == found.reshape(-1, 3).any(axis=1)).all()
    assert 30 < held(most=50)[LABELS >= 0].sum() < 80
    assert not held(share=0).any()
    assert not held(np.full(N, -1)).any()


def test_a_group_stays_held_out_as_the_pool_grows_and_another_seed_draws_others() -> None:
    assert (held(LABELS[:1500]) == held()[:1500]).all()
    assert (held(seed=1) != held()).any()


def test_groups_without_a_label_and_labels_of_rare_classes_stay() -> None:
    labels = LABELS.copy()
    labels[:300] = -1
    labels[2400:2412:3] = 9  # four of them
    found = held(labels, share=0.99)
    assert not found[:300].any()
    assert not found[2400:2412].any()
