"""How the pool lies to a reference set: what each sample should weigh, and how far the two overlap."""

from __future__ import annotations

from pathlib import Path

from windrow.schemas import REFERENCE_OVERLAP, REFERENCE_WEIGHTS
from windrow.schemas.stages import Part, Stage
from windrow.tasks.algorithms.selection.reference_set import density_ratio_weights, overlap, share_interval
from windrow.tasks.clusters.known_graph import read_graph
from windrow.tasks.selection.selection_config import REFERENCE
from windrow.tasks.selection.sets_beside import embeddings_beside, features_beside
from windrow.tasks.storage.store.made import Made, digests
from windrow.tasks.storage.store.outputs import Done, OutputWriter, make_output
from windrow.tasks.storage.store.pool import read_pool

VERSION = 2
MOST_REFERENCE = 10_000
MOST_FITTED = 50_000
"""Samples of the reference that are asked, and of the pool that probes learn from. The first by `sample_id`, which is a
hash: as good as drawn."""
MOST_PAIRS, LEAST_COMPARED = 1_000_000_000, 1000
"""Of a larger pool fewer samples of the reference are compared, so many at least: time is bounded, but for that."""


def n_compared(n_pool: int) -> int:
    """How many samples of the reference a pool of this size is compared with, at most."""
    return min(MOST_REFERENCE, max(LEAST_COMPARED, MOST_PAIRS // max(n_pool, 1)))


def weigh_by_reference(store: Path, made: Made, seed: int) -> Done:
    """Write REFERENCE_WEIGHTS, a row for each embedded sample in the order of `sample_id`, and REFERENCE_OVERLAP.

    Probes learn from at most 10,000 samples of the reference. At most MOST_PAIRS pairs are compared for the overlap,
    which is an estimate then, with an interval. The radii of the pool are those of the stored k-NN graph. Raises
    ValueError, naming the setting, where pool or reference are too small.
    """
    outputs = made.opened(store, Stage.FEATURES, Stage.NEIGHBORS)
    features = features_beside(store, made, REFERENCE)

    def write(writer: OutputWriter) -> None:
        pool = read_pool(outputs[Stage.FEATURES])
        whole = embeddings_beside(REFERENCE, features)
        reference = whole[:MOST_REFERENCE]
        similarity = read_graph(outputs[Stage.NEIGHBORS][0]).similarity
        try:
            ratio = density_ratio_weights(pool.embeddings, reference, seed=seed, n_fitted=MOST_FITTED)
            found = overlap(pool.embeddings, reference[: n_compared(len(pool.embeddings))], pool_neighbors=similarity)
        except ValueError as error:
            raise ValueError(f"{REFERENCE}: {error}") from None
        columns = {"sample_id": pool.sample_ids, "density_ratio": ratio, "is_alike": found.alike}
        writer.write(REFERENCE_WEIGHTS, REFERENCE_WEIGHTS.build(columns))
        low, high = share_interval(int(found.covered.sum()), len(found.covered), len(whole))
        told = {
            "n_reference": [len(found.covered)],
            "reference_covered": [found.reference_covered],
            "reference_covered_low": [low],
            "reference_covered_high": [high],
            "n_pool": [len(ratio)],
            "pool_alike": [found.pool_alike],
        }
        writer.write(REFERENCE_OVERLAP, REFERENCE_OVERLAP.build(told))
        writer.counts.update(n_weighed=len(ratio))

    inputs = {**digests(outputs), **digests({REFERENCE: features}), "seed": seed}
    return make_output(store, Part.REFERENCE_WEIGHTS, VERSION, inputs, write)
