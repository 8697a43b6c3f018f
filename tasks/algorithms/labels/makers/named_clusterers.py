"""The makers that do not learn from labels by their names, each with its settings: clusters, named by a few labels."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from windrow.tasks.algorithms.arrays import Float32Array, Float64Array, Int64Array
from windrow.tasks.algorithms.labels.label_makers import CLUSTERERS, ClustererName, LabelMaker, check_pool
from windrow.tasks.algorithms.labels.makers.balanced_labels import sela_labels, swav_codes
from windrow.tasks.algorithms.labels.makers.cluster_naming import name_clusters
from windrow.tasks.algorithms.labels.makers.cluster_start import ClusterStart, cluster_start
from windrow.tasks.algorithms.labels.makers.depict import depict_targets
from windrow.tasks.algorithms.labels.makers.iterative_labels import Relabel, self_train
from windrow.tasks.algorithms.labels.makers.latent_label_shift import latent_label_shift, source_probabilities
from windrow.tasks.algorithms.labels.makers.maker_settings import DEFAULT, MakerSettings
from windrow.tasks.algorithms.labels.makers.partial_transport import (
    TransportConfig,
    TransportLabels,
    p2ot_labels,
    rho_ramp,
)
from windrow.tasks.algorithms.labels.makers.semantic_transport import sp2ot_labels
from windrow.tasks.algorithms.labels.makers.setting_rules import PLACE
from windrow.tasks.algorithms.labels.makers.sinkhorn import NotConvergedError
from windrow.tasks.algorithms.labels.makers.soft_probe import SoftProbeConfig, predict_pool
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph

# Clusters of a sample that are kept.
KEPT = 10
# Of the clusters' sizes in a round, relative: labels that a head learns and replaces need no better ones, and with 1e-3
# SeLa did not converge in some pools of a few hundred.
TOLERANCE = 0.02


def cluster_labels(
    name: ClustererName,
    embeddings: npt.NDArray[Any],
    graph: NeighborGraph,
    n_clusters: int,
    settings: MakerSettings = DEFAULT,
    seed: int = 0,
) -> SparseProbabilities:
    """The ten most probable of n_clusters clusters of each sample of a pool (n, d), by a method's name; no labels.

    scan: the best of its heads, after its third step where settings say so. The others start from k-means of the
    centred pool (`cluster_start`); swav: its codes for these centroids; depict, sela, p2ot, sp2ot: rounds of a head
    that learns what the method makes of the last one's predictions, with p2ot and sp2ot of ever more samples. The seed
    is SCAN's and k-means's, and the answer depends on the order of the samples through it. Holds a few arrays
    (n, n_clusters). Raises ValueError, and NotConvergedError where the settings ask for too hard clusters.
    """
    if name not in CLUSTERERS:
        raise ValueError(f"name must be one of {', '.join(CLUSTERERS)}, got {name!r}")
    if n_clusters < 2:
        raise ValueError(f"n_clusters must be at least 2, got {n_clusters}")
    if name == "scan":
        return _kept(_scan(embeddings, graph, n_clusters, settings, seed))
    start = cluster_start(embeddings, n_clusters, seed)
    own = getattr(settings, name)
    try:
        if name == "swav":
            codes = swav_codes(start.units, start.centroids, own.eps, start.ordered(own.marginal, name))
            return _kept(codes)
        relabel = _relabel(name, graph, start, settings)
        return self_train(embeddings, start.shares, relabel, own.n_rounds, SoftProbeConfig(own.l2), KEPT).kept[-1]
    except NotConvergedError as error:
        softer = "a smaller power" if name == "sela" else "a larger eps"
        raise NotConvergedError(f"{PLACE}.{name}: wants {softer} for this pool, got {own}: {error}") from None


def maker_of_clusters(
    make_clusters: Callable[[], SparseProbabilities], n_classes: int, settings: MakerSettings = DEFAULT
) -> LabelMaker:
    """Clusters as a label maker: made on the first use and kept, however often `name_clusters` names them anew."""
    clusters = cache(make_clusters)
    return lambda labels, rows: name_clusters(clusters(), labels, n_classes, settings.clusters.smoothing, rows)


def cluster_maker(
    name: ClustererName,
    embeddings: npt.NDArray[Any],
    graph: NeighborGraph,
    n_classes: int,
    settings: MakerSettings = DEFAULT,
    seed: int = 0,
) -> LabelMaker:
    """`cluster_labels` as a label maker: the clusters are made on the first use and kept, and named by each labels."""
    n_clusters = settings.clusters.n_clusters or n_classes
    return maker_of_clusters(
        lambda: cluster_labels(name, embeddings, graph, n_clusters, settings, seed), n_classes, settings
    )


def source_clusters(
    embeddings: npt.NDArray[Any],
    sources: Int64Array,
    n_clusters: int,
    settings: MakerSettings = DEFAULT,
    seed: int = 0,
) -> SparseProbabilities:
    """Clusters of a pool (n, d) from where its samples came from: p(cluster | sample, its source).

    sources: int64 (n,), 0 to n_sources - 1, each of which has a sample: np.unique(names, return_inverse=True)[1] of the
    sources' names. At least as many sources as clusters, which hold these in other proportions; `latent_label_shift`
    over `source_probabilities`. Raises ValueError.
    """
    check_pool(embeddings, sources)
    n_sources = int(sources.max(initial=-1)) + 1
    if not 1 <= n_clusters <= n_sources:
        raise ValueError(f"sources must be at least as many as the {n_clusters} classes, got {n_sources}")
    own = settings.sources
    discriminator = source_probabilities(embeddings, sources, n_sources, own.l2, own.n_folds, seed)
    return _kept(latent_label_shift(discriminator, sources, n_clusters, own.n_cells, seed).probabilities)


def source_maker(
    embeddings: npt.NDArray[Any],
    sources: Int64Array,
    n_classes: int,
    settings: MakerSettings = DEFAULT,
    seed: int = 0,
) -> LabelMaker:
    """`source_clusters` as a label maker: the clusters are made on the first use and kept, and named by each labels."""
    n_clusters = settings.clusters.n_clusters or n_classes
    return maker_of_clusters(
        lambda: source_clusters(embeddings, sources, n_clusters, settings, seed), n_classes, settings
    )


def _kept(probabilities: Float32Array) -> SparseProbabilities:
    return SparseProbabilities.of(probabilities, min(KEPT, probabilities.shape[1]))


def _scan(
    embeddings: npt.NDArray[Any], graph: NeighborGraph, n_clusters: int, settings: MakerSettings, seed: int
) -> Float32Array:
    from windrow.tasks.algorithms.labels.makers.scan_head import ScanConfig, fit_scan_head, self_label

    own = settings.scan
    fields = {key: value for key, value in vars(own).items() if key not in ("confident", "least_steps")}
    per_epoch = max(1, round(len(embeddings) / own.batch_size))
    fields["n_epochs"] = max(own.n_epochs, -(-own.least_steps // per_epoch))
    head = fit_scan_head(embeddings, graph, n_clusters, ScanConfig(seed=seed, **fields)).best
    probabilities = predict_pool(head, embeddings)
    if own.confident is None or not (probabilities.max(axis=1) > np.float32(own.confident)).any():
        return probabilities
    return predict_pool(self_label(embeddings, head, own.confident), embeddings)


def _relabel(name: ClustererName, graph: NeighborGraph, start: ClusterStart, settings: MakerSettings) -> Relabel:
    """What a head learns in a round: soft labels and the samples' weights, of the last head's probabilities."""
    sela, p2ot, sp2ot = settings.sela, settings.p2ot, settings.sp2ot
    marginal = start.ordered(sela.marginal, "sela") if name == "sela" else None

    def balanced(_: int, predicted: Float32Array) -> tuple[Float32Array, Float64Array]:
        targets = sela_labels(predicted, sela.power, marginal, tolerance=TOLERANCE)
        return targets, np.ones(len(predicted))

    def partial(number: int, predicted: Float32Array) -> tuple[Float32Array, Float64Array]:
        config = TransportConfig(p2ot.size_weight, p2ot.eps, TOLERANCE)
        return _weighted(p2ot_labels(predicted, rho_ramp(number + 1, p2ot.n_rounds), config))

    def semantic(number: int, predicted: Float32Array) -> tuple[Float32Array, Float64Array]:
        config, rho = TransportConfig(sp2ot.size_weight, sp2ot.eps, TOLERANCE), rho_ramp(number + 1, sp2ot.n_rounds)
        weight, gamma, n_steps = sp2ot.semantic_weight, sp2ot.gamma, sp2ot.n_steps
        return _weighted(sp2ot_labels(predicted, graph, rho, weight, config, gamma=gamma, n_steps=n_steps).labels)

    def sharpened(_: int, predicted: Float32Array) -> tuple[Float32Array, Float64Array]:
        return depict_targets(predicted), np.ones(len(predicted))

    return {"depict": sharpened, "sela": balanced, "p2ot": partial, "sp2ot": semantic}[name]


def _weighted(found: TransportLabels) -> tuple[Float32Array, Float64Array]:
    return found.probabilities, found.confidence.astype(np.float64)
