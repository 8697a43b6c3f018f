"""The settings of the k-NN graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge

from windrow.schemas.settings import Settings

Method = Literal["auto", "exact", "approximate"]


@dataclass(frozen=True)
class NeighborsConfig(Settings):
    """The k-NN graph of the pool, by cosine similarity.

    `k`: neighbours of each sample.

    `method`: exact compares every two samples; approximate looks among the samples of near clusters only, and reports
    which share of the true neighbours it found; auto is exact up to 100,000 samples. Either graph is extended, exactly,
    while little is new; so one that was exact stays so when the pool outgrows that.
    """

    k: Annotated[int, Ge(1)] = 20
    method: Method = "auto"
