"""How well wrong labels are found, by us and by cleanlab: python tests/benchmarks/bench_noise.py

Labels of CIFAR-10 are made wrong in five ways (label_corruption.py). Each cell is AUROC / F1, mean over the seeds: of
the label quality score, and of the method's own verdict, against the truth. cleanlab is asked where it can be imported
(PYTHONPATH=where it is), on the same cross-fitted predictions; it is a peer to measure against, never a dependency.
--embeddings: an .npz of `embeddings` (n, d) and `labels`, instead of embedding the images anew.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from bench_cifar import embed, read_samples
from label_corruption import Labels, corruptions
from rich.console import Console
from rich.table import Table
from scipy.stats import rankdata

from windrow.tasks.algorithms.labels.checks import CHECKS
from windrow.tasks.algorithms.labels.checks.confident_learning import ConfidentLearning
from windrow.tasks.algorithms.labels.checks.label_quality import LabelQualityConfig, label_quality, quality_of
from windrow.tasks.algorithms.labels.judging.judged_labels import JudgedLabels, probe_out_of_sample
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph, neighbor_graph

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]
# (name, score or None where it is an earlier method's, verdict or None)
Found = tuple[str, Floats | None, Flags | None]


@dataclass(frozen=True)
class NoisyPool:
    """Embeddings, labels that are partly wrong, and what several methods start from."""

    embeddings: Floats
    labels: Labels
    n_classes: int
    graph: NeighborGraph
    predictions: SparseProbabilities


def default(pool: NoisyPool) -> Iterator[Found]:
    """What label_quality says, and the noise model in it."""
    labels, given = pool.labels, pool.predictions
    quality = label_quality(pool.embeddings, labels, pool.n_classes, graph=pool.graph, predictions=given)
    yield "default: label_quality", quality.judgement.score, quality.judgement.noisy
    by_class = quality.doubts.bound(quality.transition.judge())
    yield "  its noise transition", by_class.score, by_class.noisy


def ours(pool: NoisyPool) -> Iterator[Found]:
    """Every other method of ours."""
    given = JudgedLabels(pool.embeddings, pool.labels, pool.n_classes)
    given.made.update(neighbors=pool.graph, predictions=pool.predictions)
    doubts = quality_of(given).doubts
    for name in (name for name in CHECKS if name != "noise_transition"):
        judged = doubts.bound(CHECKS[name]().judge(given))
        yield name, judged.score, judged.noisy
    for pruning in ("by class", "both"):
        yield f"confident_learning, {pruning}", None, doubts.bound(ConfidentLearning(pruning).judge(given)).noisy


def cleanlabs(pool: NoisyPool) -> Iterator[Found]:
    """cleanlab's scores and filters on the same predictions; nothing where it is not there."""
    try:
        from cleanlab.filter import find_label_issues
        from cleanlab.rank import get_label_quality_scores
    except ImportError:
        return
    dense = pool.predictions.dense().astype(np.float64)
    for by in ("prune_by_noise_rate", "prune_by_class", "both", "confident_learning", "predicted_neq_given"):
        scores = get_label_quality_scores(pool.labels, dense) if by == "prune_by_noise_rate" else None
        yield f"cleanlab, {by}", scores, find_label_issues(pool.labels, dense, filter_by=by, n_jobs=1)
    for method in ("normalized_margin", "confidence_weighted_entropy"):
        yield f"cleanlab, {method}", get_label_quality_scores(pool.labels, dense, method=method), None
    adjusted = get_label_quality_scores(pool.labels, dense, adjust_pred_probs=True)
    yield "cleanlab, self_confidence, adjusted", adjusted, None


def area_under_roc(score: Floats, wrong: Flags) -> float:
    """How often a wrong label scores below a right one, ties counted half (Mann and Whitney 1947)."""
    n_wrong = int(wrong.sum())
    above = rankdata(-score)[wrong].sum() - n_wrong * (n_wrong + 1) / 2
    return float(above / (n_wrong * (len(wrong) - n_wrong)))


def f1(noisy: Flags, wrong: Flags) -> float:
    """2 hits over the number of labels called wrong plus the number that are."""
    return float(2 * (noisy & wrong).sum() / max(noisy.sum() + wrong.sum(), 1))


def read_pool(chosen: argparse.Namespace) -> tuple[Floats, Labels]:
    """Embeddings and true classes of all images."""
    if chosen.embeddings:
        with np.load(chosen.embeddings) as arrays:
            embeddings, truth = arrays["embeddings"], arrays["labels"].astype(np.int64)
    else:
        samples = read_samples(chosen.data)
        embeddings, truth = embed(chosen.model, samples), np.array([sample.label for sample in samples])
    return embeddings, truth


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/cifar10-20k"))
    parser.add_argument("--model", default="../shared/models/mobilenet_v2_1.0_224")
    parser.add_argument("--embeddings", type=Path, help="an .npz of embeddings and labels, instead of --data, --model")
    parser.add_argument("--samples", type=int, default=4_000, help="how many of the images each seed draws")
    parser.add_argument("--seeds", type=int, default=3, help="draws of the images and of each noise")
    parser.add_argument("--l2", type=float, default=LabelQualityConfig().l2, help="of the shared predictions' probe")
    parser.add_argument("--default-only", action="store_true", help="of ours only label_quality: a quarter of the time")
    chosen = parser.parse_args()
    everything, every_truth = read_pool(chosen)
    n_classes = int(every_truth.max()) + 1
    roc: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    hits: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    seconds: dict[str, float] = defaultdict(float)
    kinds: list[str] = []
    for seed in range(chosen.seeds):
        rows = np.sort(np.random.default_rng(seed + 100).permutation(len(every_truth))[: chosen.samples])
        embeddings, truth = everything[rows].astype(np.float32), every_truth[rows]
        graph = neighbor_graph(embeddings, LabelQualityConfig().k)
        for kind, labels in corruptions(embeddings, truth, n_classes, seed):
            kinds += [] if kind in kinds else [kind]
            given = probe_out_of_sample(embeddings, labels, n_classes, chosen.l2)
            pool = NoisyPool(embeddings, labels, n_classes, graph, given)
            for family in (default, cleanlabs) if chosen.default_only else (default, ours, cleanlabs):
                started = time.perf_counter()
                for name, score, noisy in family(pool):
                    seconds[name] += time.perf_counter() - started
                    if score is not None:
                        roc[name][kind].append(area_under_roc(score, labels != truth))
                    if noisy is not None:
                        hits[name][kind].append(f1(noisy, labels != truth))
                    started = time.perf_counter()
    print_table(kinds, roc, hits, {name: total / (chosen.seeds * len(kinds)) for name, total in seconds.items()})
    Console().print(f"{len(truth):,} samples, {chosen.seeds} seeds, l2 {chosen.l2}. AUROC / F1, mean ± std of seeds.")


def print_table(
    kinds: list[str],
    roc: dict[str, dict[str, list[float]]],
    hits: dict[str, dict[str, list[float]]],
    seconds: dict[str, float],
) -> None:
    """AUROC / F1 of every method by kind of noise."""
    table = Table(title="wrong labels found")
    for heading in ("method", *kinds, "s"):
        table.add_column(heading, justify="left" if heading == "method" else "right", no_wrap=True)
    for name, spent in seconds.items():
        cells = [f"{_mean_std(roc[name][kind])} / {_mean_std(hits[name][kind])}" for kind in kinds]
        table.add_row(name, *cells, f"{spent:.1f}")
    Console(width=200).print(table)


def _mean_std(values: list[float]) -> str:
    return f"{np.mean(values):.3f}±{np.std(values):.3f}" if values else "-"


if __name__ == "__main__":
    main()
