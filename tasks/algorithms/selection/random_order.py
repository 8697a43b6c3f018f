"""The random order, the baseline that curation must beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from windrow.tasks.algorithms.selection.order import Order, Ranked, Samples


@dataclass(frozen=True)
class RandomOrder(Order):
    """Every order of the samples is as likely as every other."""

    def rank(self, samples: Samples, seed: int) -> Ranked:
        """Return the ranking; all samples are one stratum."""
        n = len(samples.paths)
        return Ranked(np.random.default_rng(seed).permutation(n) + 1, np.zeros((n, 1), np.int32))
