"""The random order, the baseline that curation must beat.

Cost at a million samples: 0.3 s of a core, a sort of the ids.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from windrow.tasks.algorithms.selection.selection_policy import Candidates, Ranked, SelectionPolicy


@dataclass(frozen=True)
class Uniform(SelectionPolicy):
    """Every order of the samples is as likely as every other."""

    def rank(self, candidates: Candidates, seed: int) -> Ranked:
        """Return the ranking; all samples are one stratum."""
        n = len(candidates)
        place = np.empty(n, np.int64)
        place[np.argsort(candidates.sample_ids)] = np.random.default_rng(seed).permutation(n) + 1
        return Ranked(place, np.zeros((n, 1), np.int32))
