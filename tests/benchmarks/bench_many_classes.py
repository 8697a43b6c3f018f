"""Time and memory of labels of many classes: python tests/benchmarks/bench_many_classes.py [N [CLASSES]] [options]

Synthetic pools: 128 dimensions, a Gaussian cluster for each class, five labels a class, 20 neighbours. The makers of
the default, tuned and judged as the pipeline does, and what combines and decides, each in a process of its own.
--dense: the methods that hold samples x classes in their place. --once: makers with their usual settings, neither
tuned nor judged. --only: one step.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from bench_label_scale import most_memory, table

from windrow.tasks.algorithms.labels.all_makers import MAKERS
from windrow.tasks.algorithms.labels.deciding.fixed import Fixed
from windrow.tasks.algorithms.labels.deciding.policy import Evidence, decide
from windrow.tasks.algorithms.labels.label_spreading import MakerPredictions, combine_predictions, predict
from windrow.tasks.algorithms.labels.maker import LabelPool
from windrow.tasks.algorithms.labels.many_classes.listed_predictions import cross_fit_listed
from windrow.tasks.algorithms.labels.many_classes.spread_rows import ListedPredictions, combine_listed
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities
from windrow.tasks.algorithms.neighbors.approximate_neighbors import approximate_neighbor_graph
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph

SIGNAL, DIM, LABELS, K, LISTED = 0.56, 128, 5, 20, 64
NAMES = ("propagation", "smoothed", "smoothed_probe")
DECIDING = "deciding"


def make_pool(n: int, n_classes: int, path: Path) -> None:
    """Write embeddings float16, their graph, the classes, and five labels of each."""
    rng = np.random.default_rng(n + n_classes)
    truth = rng.integers(n_classes, size=n)
    truth[:n_classes] = np.arange(n_classes)
    centres = rng.standard_normal((n_classes, DIM), dtype=np.float32)
    embeddings = np.empty((n, DIM), np.float16)
    for start in range(0, n, 8192):
        own = centres[truth[start : start + 8192]]
        embeddings[start : start + 8192] = SIGNAL * own + rng.standard_normal(own.shape, dtype=np.float32)
    order = rng.permutation(n)
    by_class = order[np.argsort(truth[order], kind="stable")]
    place = np.arange(n) - np.searchsorted(truth[by_class], truth[by_class], side="left")
    labels = np.full(n, -1, np.int64)
    given = by_class[place < LABELS]
    labels[given] = truth[given]
    graph = approximate_neighbor_graph(embeddings, K).graph
    indices = graph.indices.astype(np.int32)
    np.savez(path, embeddings=embeddings, labels=labels, truth=truth, indices=indices, similarity=graph.similarity)


def measure(step: str, folder: Path, n_classes: int, dense: bool, once: bool) -> None:
    """Do a step in this process, and print what it took."""
    with np.load(folder / "pool.npz") as arrays:
        held = {name: arrays[name] for name in arrays.files}
    labels, graph = held["labels"], NeighborGraph(held["indices"].astype(np.int64), held["similarity"])
    pool = LabelPool(held["embeddings"], n_classes, graph, n_listed=None if dense else LISTED)
    before, started = most_memory(), time.process_time()
    label = _decided(folder, labels, dense) if step == DECIDING else _made(step, pool, labels, folder, once)
    right = float((label == held["truth"])[labels < 0].mean())
    took = {"seconds": time.process_time() - started, "start_mb": before, "peak_mb": most_memory(), "right": right}
    print(json.dumps(took))


def _made(name: str, pool: LabelPool, labels: np.ndarray, folder: Path, once: bool) -> np.ndarray:
    rows = np.arange(len(labels))
    maker = MAKERS[name]() if once else MAKERS[name]().tuned(pool, labels)
    if pool.n_listed is None:
        said = predict(maker.fit(pool), labels, pool.n_classes)
        found, held_out = (SparseProbabilities.of(each, LISTED) for each in (said.pool, said.held_out))
    else:
        listed = maker.fit_listed(pool)
        found = listed(labels, rows)
        held_out = found.take(labels >= 0) if once else cross_fit_listed(listed, labels, pool.n_classes)
    parts = {"pool": found.classes, "shares": found.probabilities}
    np.savez(folder / f"{name}.npz", **parts, held_out=held_out.classes, held_out_shares=held_out.probabilities)
    return found.classes[:, 0]


def _decided(folder: Path, labels: np.ndarray, dense: bool) -> np.ndarray:
    n_classes, said = int(labels.max()) + 1, {}
    for name in (name for name in NAMES if (folder / f"{name}.npz").exists()):
        with np.load(folder / f"{name}.npz") as read:
            pool = SparseProbabilities(read["pool"], read["shares"], n_classes)
            held_out = SparseProbabilities(read["held_out"], read["held_out_shares"], n_classes)
        said[name] = ListedPredictions(pool, held_out)
    if dense:
        whole = {name: MakerPredictions(each.pool.dense(), each.held_out.dense()) for name, each in said.items()}
        spread = combine_predictions(whole, labels, list(said))
    else:
        spread = combine_listed(said, labels, list(said))
    decide(spread.confidence, Fixed(), spread.label, Evidence(labels, spread.corrected.held_out))
    return spread.label


def rows(steps: list[str], folder: Path, words: list[str]) -> Iterator[list[str]]:
    """The cells of each step, which is measured in a process of its own."""
    for step in steps:
        call = [sys.executable, __file__, *words, "--measure", step, str(folder)]
        took = json.loads(subprocess.run(call, stdout=subprocess.PIPE, text=True, check=True).stdout)
        memory = f"{took['peak_mb']:,.0f} ({took['start_mb']:,.0f})"
        yield [step, f"{took['seconds']:,.1f}", memory, f"{100 * took['right']:.1f}"]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("n", type=int, nargs="?", default=20_000)
    parser.add_argument("classes", type=int, nargs="?", default=740)
    parser.add_argument("--dense", action="store_true")
    parser.add_argument("--once", action="store_true")
    parser.add_argument("--only", choices=(*NAMES, DECIDING))
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.measure:
        measure(chosen.measure[0], Path(chosen.measure[1]), chosen.classes, chosen.dense, chosen.once)
        return
    words = [str(chosen.n), str(chosen.classes), *(f"--{name}" for name in ("dense", "once") if getattr(chosen, name))]
    with tempfile.TemporaryDirectory(prefix="windrow-bench-") as name:
        make_pool(chosen.n, chosen.classes, Path(name) / "pool.npz")
        found = list(rows([chosen.only] if chosen.only else [*NAMES, DECIDING], Path(name), words))
    print(table(["step", "CPU s", "peak MB (at the start)", "right, %"], found))


if __name__ == "__main__":
    main()
