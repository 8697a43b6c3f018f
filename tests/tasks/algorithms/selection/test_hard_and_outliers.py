"""The window of a score, and the outliers of each cluster."""

from dataclasses import replace

import numpy as np
import pytest
from selection_candidates import candidates_of

from windrow.tasks.algorithms.selection.policies.dos import Dos
from windrow.tasks.algorithms.selection.policies.hard import Hard

SCORE = "1 - confidence"


def test_the_hardest_share_comes_last_and_what_has_no_score_before_it() -> None:
    score = np.array([0.1, 0.9, np.nan, 0.5, 0.7, 0.3])
    candidates = replace(candidates_of(6), columns={SCORE: score})
    assert Hard(skip=0.4).rank(candidates, 0).place.tolist() == [3, 6, 4, 1, 5, 2]
    assert Hard(skip=0.0).rank(candidates, 0).place.tolist() == [5, 1, 6, 3, 2, 4]


def test_a_score_that_no_sample_has_is_refused() -> None:
    candidates = replace(candidates_of(6), columns={SCORE: np.ma.masked_all(6)})
    with pytest.raises(ValueError, match="policy hard wants a score, and 1 - confidence is null for every sample"):
        Hard().rank(candidates, 0)


def test_the_first_of_every_cluster_is_what_is_least_like_its_neighbours() -> None:
    candidates = candidates_of(60)
    assert candidates.similarity is not None
    place, likeness = Dos().rank(candidates, 0).place, candidates.similarity.mean(axis=1)
    finest = candidates.paths[:, 0]
    for row in np.flatnonzero(place <= 6):
        assert likeness[row] == likeness[finest == finest[row]].min()
    assert len(set(finest[place <= 6])) == 6
