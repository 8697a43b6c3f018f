"""SP2OT over the probe: its predictions, drawn to classes of one size and to what neighbours say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from annotated_types import Gt, Le

from windrow.tasks.algorithms.arrays import Float32Array, Int64Array
from windrow.tasks.algorithms.labels.cores.sinkhorn import NotConvergedError
from windrow.tasks.algorithms.labels.folds import Predict
from windrow.tasks.algorithms.labels.maker import Count, LabelPool, Maker, NotNegative, Positive, SettingError, given
from windrow.tasks.algorithms.labels.makers.linear_probe import LinearProbe


@dataclass(frozen=True)
class Transport(Maker):
    """What the probe predicts, refined by `sp2ot_labels`: partial optimal transport that asks neighbours.

    `rho`: share of the pool's mass that gets a class; it must not be less than the labelled share.
    `semantic_weight`: of neighbours with the same class.
    `size_weight`: how firmly classes are drawn to one size.
    `eps`: of the entropy.
    `gamma`: an edge weighs cosine^gamma.
    `n_steps`: of majorise-minimise.
    `probe`: the settings of what is refined.
    """

    rho: Annotated[float, Gt(0), Le(1)] = 1.0
    semantic_weight: NotNegative = 3.0
    size_weight: Positive = 0.3
    eps: Positive = 1.0
    gamma: Positive = 3.0
    n_steps: Count = 10
    probe: LinearProbe = field(default_factory=LinearProbe)

    needs = ("labels", "graph")

    def fit(self, pool: LabelPool) -> Predict:
        from windrow.tasks.algorithms.labels.cores.partial_transport import TransportConfig
        from windrow.tasks.algorithms.labels.cores.semantic_transport import sp2ot_labels

        graph, start = given(pool.graph, "graph"), self.probe.fit(pool)
        config = TransportConfig(self.size_weight, self.eps)

        def predict(labels: Int64Array, rows: Int64Array) -> Float32Array:
            predictions = start(labels, np.arange(len(labels)))
            try:
                found = sp2ot_labels(
                    predictions,
                    graph,
                    self.rho,
                    self.semantic_weight,
                    config,
                    labels=labels,
                    gamma=self.gamma,
                    n_steps=self.n_steps,
                )
            except NotConvergedError as error:
                raise SettingError(f"eps: wants a larger one for this pool, got {self.eps}: {error}") from None
            return found.labels.probabilities[rows]

        return predict
