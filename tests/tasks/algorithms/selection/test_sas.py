"""Greedy similarity against the plain greedy of its objective, and how classes are cut."""

from dataclasses import replace

import numpy as np
import pytest
from selection_candidates import candidates_of

from windrow.tasks.algorithms.selection.grid_units import grid_units
from windrow.tasks.algorithms.selection.policies.sas import Sas, greedy_similarity


def naive_order(units: np.ndarray) -> list[int]:
    """Each time all gains anew: similarity to what is not chosen, less that to what is."""
    similarity = units.astype(np.float64) @ units.T.astype(np.float64)
    np.fill_diagonal(similarity, 0)
    chosen: list[int] = []
    left = np.ones(len(units), bool)
    while left.any():
        gain = np.where(left, similarity[:, left].sum(axis=1) - similarity[:, chosen].sum(axis=1), -np.inf)
        chosen.append(int(gain.argmax()))
        left[chosen[-1]] = False
    return chosen


@pytest.mark.parametrize("held", [300, 0])
def test_it_is_the_plain_greedy_index_by_index(held: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("windrow.tasks.algorithms.selection.policies.sas.MOST_SAMPLES", held)
    rng = np.random.default_rng(0)
    units = grid_units(np.repeat(rng.normal(size=(240, 6)), rng.permutation([1] * 180 + [2] * 60), axis=0))
    assert len(units) == 300
    assert greedy_similarity(units).tolist() == naive_order(units)


def test_the_order_within_a_class_is_greedy_and_classes_share_by_size() -> None:
    candidates = candidates_of(60)
    found = Sas().rank(candidates, 0)
    assert candidates.probabilities is not None and candidates.embeddings is not None
    label = candidates.probabilities.classes[:, 0]
    by_id = np.argsort(candidates.sample_ids)
    for c in range(3):
        members = by_id[label[by_id] == c]
        greedy = members[naive_order(grid_units(candidates.embeddings[members]))]
        assert (np.diff(found.place[greedy]) > 0).all()
    half = np.bincount(label[found.place <= 30], minlength=3)
    assert np.abs(half - np.bincount(label) / 2).max() <= 1


def test_large_classes_are_cut_along_clusters_and_without_labels_clusters_are_classes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("windrow.tasks.algorithms.selection.policies.sas.MOST_SAMPLES", 5)
    candidates = candidates_of(60)
    said = candidates.probabilities
    assert said is not None
    label, strata = said.classes[:, 0], Sas().rank(candidates, 0).strata
    assert len(np.unique(strata[:, 0])) == len({*zip(label, candidates.paths[:, -1], strict=True)})
    unlabelled = Sas().rank(replace(candidates, probabilities=None), 0).strata
    assert np.array_equal(unlabelled[:, 1], candidates.paths[:, -1])
