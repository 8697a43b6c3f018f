"""How many recipes an hour does `windrow tune` try?

    python tests/benchmarks/bench_tune.py                   # 10,000 samples of 1,280 dimensions, 500 held out

The pool is synthetic: normal clouds of ten classes in a long tail of 30 : 1. Its rows, neighbours and clusters are made
of arrays, as a run's tables would give them; recipes are those of the defaults. What is timed is the race and the
verdict, without the reading of the store.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa

from windrow.schemas import SCORES
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities
from windrow.tasks.algorithms.worth.set_probe import JudgedPool, judge_features
from windrow.tasks.selection.candidates import Evidence
from windrow.tasks.selection.selection_config import HELD_OUT, SelectionConfig
from windrow.tasks.storage.store.outputs import OutputWriter, make_output, open_output
from windrow.tasks.storage.store.pool import Pool
from windrow.tasks.worth.judged_selection import JudgedSelection
from windrow.tasks.worth.recipes import recipes_of
from windrow.tasks.worth.tune_config import TuneConfig
from windrow.tasks.worth.tuning import RankedPool, n_trials, tune_recipes
from windrow.tasks.worth.worth_config import WorthConfig

N_CLASSES, TAIL, N_CLUSTERS = 10, 30.0, 100


def ranked_pool(store: Path, n: int, dims: int, m: int, selection: SelectionConfig) -> RankedPool:
    """n samples, and m that are held out; the labels are right for nine in ten."""
    rng = np.random.default_rng(0)
    shares = TAIL ** (-np.arange(N_CLASSES) / (N_CLASSES - 1))
    truth = rng.choice(N_CLASSES, n + m, p=shares / shares.sum())
    means = 0.12 * rng.standard_normal((N_CLASSES, dims))
    embeddings = (means[truth] + rng.standard_normal((n + m, dims))).astype(np.float16)
    ids = pa.array(sorted(rng.bytes(16).hex() for _ in range(n + m)))
    said = np.where(rng.random(n + m) < 0.9, truth, rng.integers(N_CLASSES, size=n + m))
    paths = np.stack([truth * 10 + rng.integers(N_CLUSTERS // 10, size=n + m), truth], axis=1).astype(np.int32)
    nothing = pa.nulls(n + m, pa.string())
    rows = pa.table(
        {
            "sample_id": ids,
            "cluster_path": pa.array(paths.tolist(), pa.list_(pa.int32())),
            "distance": pa.array(rng.random(n + m), pa.float32()),
            "n_pixels": pa.array(np.full(n + m, 1024)),
            "has_label": pa.array(np.zeros(n + m, bool)),
            "group_name": nothing,
        }
    )
    similarity = np.sort(rng.random((n + m, 20)), axis=1)[:, ::-1].astype(np.float32)
    evidence = Evidence(
        similarity,
        SparseProbabilities(said[:, None], np.full((n + m, 1), 0.8, np.float32), N_CLASSES),
        {str(selection.last): (rng.random(n + m) > 0.95).astype(float)},
    )

    def write(writer: OutputWriter) -> None:
        near = {"sample_id": ids, "nearest_similarity": similarity[:, 0]}
        columns = {column.name: near.get(column.name, np.zeros(n + m)) for column in SCORES.columns}
        writer.write(SCORES, SCORES.build(columns))

    neighbors = open_output(store / make_output(store, "neighbors", 1, {"n": n}, write).path)
    features = judge_features(embeddings, np.arange(n))
    pool = JudgedPool(features[:n], said[:n], np.ones(n), features[n:], truth[n:], N_CLASSES)
    every = np.arange(n)
    judged = JudgedSelection(
        ids[:n],
        pool,
        np.arange(m),
        ids[n:],
        every[: round(n * selection.target_share)],
        every,
        paths[:n, 0].astype(np.int64),
        np.zeros(n, bool),
        (every[:0], every[:0]),
        tuple(map(str, range(N_CLASSES))),
    )
    broken = [None] * n + [HELD_OUT] * m
    row_of = np.concatenate([every, np.full(m, -1)])
    return RankedPool(rows, Pool(ids, embeddings), broken, evidence, neighbors, judged, row_of)


def main() -> None:
    """Time the race."""
    parser = argparse.ArgumentParser()
    for name, number in (("--samples", 10_000), ("--dims", 1280), ("--held-out", 500)):
        parser.add_argument(name, type=int, default=number)
    parser.add_argument("--probe", choices=("logistic", "knn"), default="logistic")
    asked = parser.parse_args()
    selection, tune = SelectionConfig(), TuneConfig()
    recipes = recipes_of(selection, tune, ("",))
    with TemporaryDirectory() as folder:
        pools = [ranked_pool(Path(folder), asked.samples, asked.dims, asked.held_out, selection)]
        started, busy = time.monotonic(), time.process_time()
        tuned = tune_recipes(pools, recipes, WorthConfig(probe=asked.probe), tune, 0)
        seconds, busy = time.monotonic() - started, time.process_time() - busy
    print(
        f"{asked.samples:,} samples x {asked.dims:,}, {asked.held_out:,} held out, {asked.probe}: {tuned.winner.name}"
    )
    print(
        f"{len(recipes)} recipes, {n_trials(len(recipes), tune)} sets judged, {seconds:.0f} s ({busy:.0f} s of cores)"
    )
    print(f"{len(recipes) / seconds * 3600:,.0f} recipes an hour; {len(recipes) / busy * 3600:,.0f} on one free core")


if __name__ == "__main__":
    main()
