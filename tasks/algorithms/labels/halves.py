"""How often two copies of a maker, each of which learnt from half of the labels, say the same of the pool."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from windrow.tasks.algorithms.arrays import Int64Array
from windrow.tasks.algorithms.labels.folds import Predict, assign_folds

MOST_ASKED = 2000
FEW = 8
"""Labels a class, on average, from which on they alone tell how often a maker is right: docs/evidence/calibration.md"""


@dataclass(frozen=True)
class HalvesAgreement:
    """n_asked: samples without a label that both copies were asked about; n_alike: those of which both say the same."""

    n_asked: int
    n_alike: int

    @property
    def share(self) -> float | None:
        """The share of the asked that both say the same of; None where nothing was asked."""
        return self.n_alike / self.n_asked if self.n_asked else None


NOTHING_ASKED = HalvesAgreement(0, 0)


def halves_agreement(predict: Predict, labels: Int64Array, n_classes: int, seed: int = 0) -> HalvesAgreement:
    """Return on how many samples without a label (MOST_ASKED at most, evenly spread) both halves' copies agree.

    labels: int64 (n,), -1 where there is none; each class's are dealt to both halves. Two classifiers that learnt from
    other labels disagree about as often as either is wrong (Jiang et al. 2022, Assessing generalization of SGD via
    disagreement), and thousands of samples say it where a few dozen labels cannot. Nothing is asked where a class has
    a single label, which only one half could know, nor with FEW labels a class or more. Takes two of the maker's fits.
    """
    counts = np.bincount(labels[labels >= 0], minlength=n_classes)
    asked = np.flatnonzero(labels < 0)
    if not len(asked) or (counts == 1).any() or counts.sum() >= FEW * np.count_nonzero(counts):
        return NOTHING_ASKED
    asked = asked[:: -(-len(asked) // MOST_ASKED)]
    halves = assign_folds(labels, 2, seed)
    said = [predict(np.where(halves == half, labels, -1), asked).argmax(axis=1) for half in range(2)]
    return HalvesAgreement(len(asked), int((said[0] == said[1]).sum()))
