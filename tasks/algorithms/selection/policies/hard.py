"""The hardest samples first, but for the very hardest.

Cost at a million samples: 0.2 s of a core, a sort.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Lt, MinLen

from windrow.tasks.algorithms.selection.column_values import sort_keys
from windrow.tasks.algorithms.selection.ranking import rank_by
from windrow.tasks.algorithms.selection.selection_policy import Candidates, Ranked, SelectionPolicy


@dataclass(frozen=True)
class Hard(SelectionPolicy):
    """A window of a score, from the hardest down.

    Paul, Ganguli and Dziugaite 2021, Deep Learning on a Data Diet, arXiv 2107.07075: with wrong labels, leave out the
    hardest.

    `score`: how hard a sample is, a SQL expression over `pool`, highest first; null is easiest of all. `skip`: share
    of the scored samples, the hardest, that comes last, the hardest at the very end: there the wrong labels are, and
    what belongs nowhere.
    """

    score: Annotated[str, MinLen(1)] = "1 - confidence"
    skip: Annotated[float, Ge(0), Lt(1)] = 0.1

    @property
    def expressions(self) -> tuple[str, ...]:
        return (self.score,)

    def rank(self, candidates: Candidates, seed: int) -> Ranked:  # noqa: ARG002  (nothing in it is random)
        """Return the ranking; the clusters are its strata. Raises ValueError where no sample has a score."""
        keys = sort_keys(candidates.columns[self.score], descending=True)
        scored = np.isfinite(keys)
        if len(keys) and not scored.any():
            raise ValueError(f"selection.policy hard wants a score, and {self.score} is null for every sample")
        place = rank_by(keys, candidates.sample_ids)
        n_skipped = int(self.skip * scored.sum())
        place = np.where(place <= n_skipped, len(place) + 1 - place, place - n_skipped)
        return Ranked(place, candidates.paths)
