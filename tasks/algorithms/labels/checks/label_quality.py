"""The default against label noise: several views of each label, one score, and a cut that needs no threshold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from annotated_types import Ge, Gt

from windrow.schemas.settings import Settings
from windrow.tasks.algorithms.arrays import BoolArray, Float32Array, Float64Array, Int64Array
from windrow.tasks.algorithms.labels.checks.confident_learning import find_noisy
from windrow.tasks.algorithms.labels.checks.doubts import Doubts, doubts_of
from windrow.tasks.algorithms.labels.checks.neighbor_agreement import neighbor_shares
from windrow.tasks.algorithms.labels.checks.normalised_margin import normalised_margin
from windrow.tasks.algorithms.labels.judging.judged_labels import N_KEPT, JudgedLabels, probe_out_of_sample
from windrow.tasks.algorithms.labels.judging.judgement import Judgement, check_given
from windrow.tasks.algorithms.labels.judging.transition_table import TransitionTable, fit_tempered_transition
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph, neighbor_graph

# The weight of log p: from p = 1e-4 to 1 it moves the score by 1.8, about as much as the first margin does.
LOG_WEIGHT = 0.2
SMALLEST = 1e-4


@dataclass(frozen=True)
class LabelQualityConfig(Settings):
    """`l2`: of the probe. `n_folds`, `seed`: of the cross-fit. `k`: neighbours. `n_rounds`: of refitting without doubt.

    `n_kept`: classes kept of each prediction.
    """

    l2: Annotated[float, Gt(0)] = 0.001
    n_folds: Annotated[int, Ge(2)] = 5
    k: Annotated[int, Ge(1)] = 50
    n_rounds: Annotated[int, Ge(1)] = 3
    n_kept: Annotated[int, Ge(1)] = N_KEPT
    seed: int = 0


@dataclass(frozen=True)
class LabelQuality:
    """What Windrow says of all labels.

    judgement: the score and the verdict. predictions: of the last probe, out of
    sample, learnt without the labels in doubt; its first class corrects a label. transition: how labels of each class
    go wrong. doubts: what every verdict on these labels keeps to.
    """

    judgement: Judgement
    predictions: SparseProbabilities
    transition: TransitionTable
    doubts: Doubts


def label_quality(
    embeddings: npt.NDArray[Any],
    labels: Int64Array,
    n_classes: int,
    config: LabelQualityConfig | None = None,
    graph: NeighborGraph | None = None,
    predictions: SparseProbabilities | None = None,
) -> LabelQuality:
    """Judge every label (n,) of a pool; graph and out-of-sample predictions are made where they are None.

    A cross-fitted probe is refitted without the labels that confident learning prunes by noise rate, then without those
    that a class-wise noise model (fit_tempered_transition) doubts; not by that model at once, because a probe that has
    learnt the noise explains every label without it. The score is `combined_score`; those with the lowest are called
    wrong, as many as `doubts_of` says: a noise rate that nobody gives. The refits
    show a probe doubts about other samples that came from a probe which saw this one's label: out of sample but for
    that. Cross-fitting makes dense predictions, 4 n n_classes bytes, and deals its folds by place: a permuted pool has
    other folds.
    """
    check_given(labels, n_classes, len(embeddings))
    config = LabelQualityConfig() if config is None else config
    graph = neighbor_graph(embeddings, min(config.k, len(embeddings) - 1)) if graph is None else graph
    settings = (embeddings, labels, n_classes, config.l2, config.n_folds, config.seed, config.n_kept)
    first = probe_out_of_sample(*settings) if predictions is None else predictions
    pruned = find_noisy(first, labels)
    belief = np.where(pruned, 0.0, 1.0) + 0.5 * first.of_class(labels)
    for _ in range(config.n_rounds):
        last = probe_out_of_sample(*settings, left_out=doubted_labels(belief, labels, config.n_folds))
        transition = fit_tempered_transition(last, labels)
        belief = transition.posterior.astype(np.float64)
    score = combined_score(belief, first, last, neighbor_shares(graph, labels, n_classes), labels)
    doubts = doubts_of(int(pruned.sum()), transition, last, labels, graph)
    return LabelQuality(Judgement(score, doubts.lowest(score)), last, transition, doubts)


def quality_of(given: JudgedLabels) -> LabelQuality:
    """Return Windrow's own judgement of the labels, made once."""
    config = LabelQualityConfig(l2=given.l2, n_folds=given.n_folds, seed=given.seed)

    def judge() -> LabelQuality:
        graph = given.nearest(config.k)
        return label_quality(given.embeddings, given.labels, given.n_classes, config, graph, given.predictions)

    return given.once("quality", judge)


def combined_score(
    posterior: Float64Array,
    first: SparseProbabilities,
    last: SparseProbabilities,
    shares: tuple[Float64Array, Float64Array],
    labels: Int64Array,
) -> Float32Array:
    """Return margin of first + (posterior + margin of the neighbours' shares) / 2 + 0.2 log p(label) of last, (n,).

    The posterior sees noise by class, the margins see noise by picture, and the logarithm orders the surest errors.
    """
    own, other = shares
    sure = np.log(np.maximum(last.of_class(labels), SMALLEST))
    views = normalised_margin(first, labels) + 0.5 * (posterior + own - other)
    return np.asarray(views + LOG_WEIGHT * sure, dtype=np.float32)


def doubted_labels(belief: Float64Array, labels: Int64Array, n_least: int) -> BoolArray:
    """Return where belief in the label (n,) is below 1/2, but not the n_least most believed of each class."""
    order = np.lexsort((-belief, labels))
    ordered = labels[order]
    place = np.empty(len(labels), dtype=np.int64)
    place[order] = np.arange(len(labels)) - np.searchsorted(ordered, ordered, side="left")
    return np.asarray((belief < 0.5) & (place >= n_least))
