"""What every selection policy is worth on pools of known classes: python tests/benchmarks/bench_selection.py

Pools of CIFAR-10, long-tailed: the class at place i of an order keeps 2,000 x tail^(-i / 9) images, less those of the
test set, 10 of them with their label. Each of --orders is a pool: another order of the classes and another draw of
images. Features of --encoder select; those of --judge, which had no part in it, judge: a probe trained on the true
labels of a set, balanced accuracy on images that are in no pool, plain and with classes weighted alike. Differences are
to the mean of 5 random sets of the same pool and size; the interval is a 95 % one, of t, over the pools. --dirty mixes
photographs and drawn digits in, --copies near-duplicates (bench_detection.py says which), which the default drops by
the threshold that it proposes. --pool digits takes scikit-learn's. --seeds ranks with so many seeds and takes the mean.
The multiplier is how many times as large a random set of the same (plain) accuracy is, read off a curve of random sets
up to the whole pool, at most 5; its mean is geometric. --write puts the tables into docs/evidence/selection.md. --out
keeps features, and what probes said of a set: remove it when a probe or an encoder changes.

The orders 0 to 4 were looked at while defaults were chosen; 20 to 24 were not.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track
from scipy.stats import t as student
from selection_pools import HEAD, N_CLASSES, BenchPool, Images, draw_pool, read_images

from windrow.tasks.algorithms.clustering.estimator import HierarchicalKMeans
from windrow.tasks.algorithms.labels.deciding.belonging import belonging
from windrow.tasks.algorithms.labels.label_spreading import spread_labels
from windrow.tasks.algorithms.labels.sparse_probabilities import SparseProbabilities
from windrow.tasks.algorithms.neighbors.deduplication import near_duplicates
from windrow.tasks.algorithms.neighbors.duplicate_threshold import propose_threshold
from windrow.tasks.algorithms.neighbors.exact_neighbors import neighbor_graph
from windrow.tasks.algorithms.neighbors.outliers import off_topic_score
from windrow.tasks.algorithms.selection.balance import normalised_entropy
from windrow.tasks.algorithms.selection.policies import POLICIES
from windrow.tasks.algorithms.selection.policies.balanced import Balanced
from windrow.tasks.algorithms.selection.policies.class_balanced import ClassBalanced
from windrow.tasks.algorithms.selection.selection_policy import Candidates, SelectionPolicy
from windrow.tasks.algorithms.worth.learning_curve import matching_size, monotone
from windrow.tasks.algorithms.worth.set_probe import JudgedPool, is_right, judge_features

MAKERS = ("propagation", "smoothed", "smoothed_probe")
N_RANDOM, LEAST_BELONGING, MOST_STRANGE = 5, 0.05, 0.95
DEFAULT = "class-balanced, the default"
UNLABELLED, BOUND, PRUNING = "class-balanced, no label", "equal per true class (bound)", "SemDeDup-like pruning"
STRANGERS_LAST = f"{UNLABELLED}, off_topic_score > 0.95 last"
HARD = "1 - confidence"  # what `hard` asks the pool for
PAGE = Path(__file__).parent.parent.parent / "docs" / "evidence" / "selection.md"


def candidates_of(images: Images, pool: BenchPool, seed: int) -> tuple[Candidates, npt.NDArray[np.float32] | None]:
    """What the pipeline knows of the pool by its default settings, and who belongs to the labelled classes."""
    embeddings = images.select[pool.rows]
    embeddings = (embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)).astype(np.float32)
    clusters = HierarchicalKMeans(seed=seed).fit(embeddings)
    graph = neighbor_graph(embeddings, 20)
    labels = np.where(pool.given, images.labels[pool.rows], -1)
    candidates = Candidates(
        sample_ids=np.array([hashlib.sha256(str(row).encode()).hexdigest()[:32] for row in pool.rows]),
        paths=clusters.paths_,
        distance=clusters.distance_.astype(np.float32),
        embeddings=embeddings,
        similarity=graph.similarity,
        columns={HARD: np.full(len(labels), np.nan)},
        targets=images.select[pool.test[:: max(1, len(pool.test) // 500)]],
    )
    if not pool.given.any():
        return candidates, None
    spread = spread_labels(embeddings, graph, labels, N_CLASSES, MAKERS, MAKERS, seed=seed)
    said = SparseProbabilities.of(spread.confidence, 5)
    known = replace(candidates, probabilities=said, columns={HARD: 1.0 - said.probabilities[:, 0].astype(np.float64)})
    return known, belonging(embeddings, graph, labels)


def pruned(embeddings: npt.NDArray[Any], seed: int) -> npt.NDArray[np.int64]:
    """In a random order, the least similar to those before first: what pruning to a size by a threshold keeps."""
    order = np.random.default_rng(seed).permutation(len(embeddings))
    rows = embeddings[order]
    nearest = np.full(len(rows), -np.inf)
    for start in range(0, len(rows), 1024):
        block = rows[start : start + 1024] @ rows[: start + 1024].T
        late = np.arange(block.shape[1]) >= np.arange(start, start + len(block))[:, None]
        nearest[start : start + len(block)] = np.where(late, -np.inf, block).max(axis=1)
    return order[np.argsort(nearest, kind="stable")]


def repeated(embeddings: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """What is dropped as a near-duplicate of another by the threshold that is proposed."""
    threshold = propose_threshold(neighbor_graph(embeddings, 1).similarity[:, 0]).threshold
    found: npt.NDArray[np.bool_] = near_duplicates(embeddings, threshold).duplicate_of >= 0
    return found


def orders_of(
    candidates: Candidates,
    close: npt.NDArray[np.float32] | None,
    truth: npt.NDArray[np.int64],
    seed: int,
    has_copies: bool,
    only: Sequence[str],
) -> dict[str, npt.NDArray[np.int64]]:
    """The rankings to compare, each the rows, best first; `only` those policies, if it names some."""
    unlabelled = replace(candidates, probabilities=None)
    policies: dict[str, tuple[SelectionPolicy, Candidates]] = {
        name: (policy(), candidates)
        for name, policy in POLICIES.items()
        if name != "random" and (candidates.probabilities is not None or name not in ("class-balanced", "hard"))
    }
    policies["balanced, the paper's 'r'"] = (Balanced(order="random"), candidates)
    policies[UNLABELLED] = (ClassBalanced(), unlabelled)
    found = {
        name: np.argsort(policy.rank(who, seed).place)
        for name, (policy, who) in policies.items()
        if not only or name in only
    }
    assert candidates.embeddings is not None
    dropped = repeated(candidates.embeddings) if has_copies else np.zeros(len(truth), np.bool_)
    if close is not None:
        place = policies["class-balanced"][0].rank(candidates, seed).place
        found[DEFAULT] = np.lexsort((place, close <= LEAST_BELONGING, dropped))
    elif has_copies:
        place = policies[UNLABELLED][0].rank(unlabelled, seed).place
        found[DEFAULT] = np.lexsort((place, dropped))
    strange = off_topic_score(candidates.embeddings)
    if strange is not None:
        place = policies[UNLABELLED][0].rank(unlabelled, seed).place
        found[STRANGERS_LAST] = np.lexsort((place, strange > MOST_STRANGE))
    found[PRUNING] = pruned(candidates.embeddings, seed)
    turn = np.empty(len(truth))
    shuffled = np.random.default_rng(seed).permutation(len(truth))
    for label in np.unique(truth):
        mine = shuffled[truth[shuffled] == label]
        turn[mine] = np.arange(len(mine)) + (1e9 if label < 0 else 0)
    found[BOUND] = np.argsort(turn, kind="stable")
    return found


Scores = npt.NDArray[np.float64]


def scorer(images: Images, pool: BenchPool, kept: Path) -> Callable[[npt.NDArray[np.int64]], Scores]:
    """A function that scores a set, per cent: accuracy plain and weighted, entropy of true classes, share off topic,
    and share that is a copy of another of the set, or of which another is. What it said before lies in `kept`."""
    truth, tested = images.labels[pool.rows], images.labels[pool.test]
    both = judge_features(images.judge[np.r_[pool.rows, pool.test]], np.arange(len(pool.rows)))
    judged = JudgedPool(both[: len(truth)], truth, np.ones(len(truth)), both[len(truth) :], tested, N_CLASSES)
    origin = np.where(images.copy_of >= 0, images.copy_of, np.arange(len(images.copy_of)))[pool.rows]
    name = hashlib.sha256(both.tobytes())
    kept.mkdir(parents=True, exist_ok=True)

    def probed(rows: npt.NDArray[np.int64]) -> list[float]:
        right = [is_right(judged, rows, "logistic", weighted) for weighted in (False, True)]
        return [float(np.mean([each[tested == label].mean() for label in range(N_CLASSES)])) for each in right]

    def scores(rows: npt.NDArray[np.int64]) -> Scores:
        this = name.copy()
        this.update(np.asarray(rows, np.int64).tobytes())
        path = kept / f"{this.hexdigest()[:32]}.npy"
        if not path.exists():
            np.save(path, probed(rows))
        topical = truth[rows][truth[rows] >= 0]
        balance = normalised_entropy(np.bincount(topical, minlength=N_CLASSES))
        _, of, times = np.unique(origin[rows], return_inverse=True, return_counts=True)
        return 100 * np.array([*np.load(path), balance, (truth[rows] < 0).mean(), (times[of] > 1).mean()])

    return scores


def score_rankings(
    images: Images, pool: BenchPool, order: int, chosen: argparse.Namespace
) -> dict[tuple[str, int], Scores]:
    """Of every ranking and size what `scorer` says and its multipliers, the mean over the seeds."""
    scores, truth = scorer(images, pool, chosen.out / "scores"), images.labels[pool.rows]
    n = len(truth)
    sizes = {fifths: fifths * n // 5 for fifths in (1, 2)}
    along = np.unique([round(n / 5 * times) for times in (1, 1.5, 2, 3, 4, 5)])
    curve = np.array([_of_random(scores, n, int(size), order) for size in along])
    growing = monotone(curve[:, :2].T, np.ones(len(along)))
    found = {("random", fifths): [np.r_[_of_random(scores, n, size, order), 1, 1]] for fifths, size in sizes.items()}
    for seed in (order + 1000 * each for each in range(chosen.seeds)):
        candidates, close = candidates_of(images, pool, seed)
        for name, ranking in orders_of(candidates, close, truth, seed, chosen.copies > 0, chosen.only or ()).items():
            for fifths, size in sizes.items() if not chosen.only or name in chosen.only else ():
                said = scores(ranking[:size])
                said = np.r_[said, matching_size(along, growing, said[:2], n) / size]
                found.setdefault((name, fifths), []).append(said)
    return {key: _mean(each) for key, each in found.items()}


def _mean(each: Sequence[Scores]) -> Scores:
    """The mean over seeds; of multipliers, which come last, the geometric one."""
    values = np.array(each)
    return np.r_[values[:, :5].mean(axis=0), np.exp(np.log(values[:, 5:]).mean(axis=0))]


def _of_random(scores: Callable[[npt.NDArray[np.int64]], Scores], n: int, size: int, seed: int) -> Scores:
    drawn = [np.random.default_rng([seed, each]).permutation(n)[:size] for each in range(N_RANDOM if size < n else 1)]
    return np.asarray(np.mean([scores(rows) for rows in drawn], axis=0))


def table(found: Sequence[dict[tuple[str, int], Scores]], has_copies: bool) -> str:
    """A Markdown table: differences to random, mean and half a 95 % interval over the pools."""
    heads = ["1/5: plain", "weighted", "balance", "off topic", *(["near-duplicates"] if has_copies else [])]
    heads += ["multiplier", "2/5: plain", "weighted", "balance"]
    lines = [f"| policy | {' | '.join(heads)} |", f"|---|{'---:|' * len(heads)}"]
    names = list(dict.fromkeys(name for name, _ in found[0]))
    wide = float(student.ppf(0.975, len(found) - 1)) / len(found) ** 0.5 if len(found) > 1 else np.nan
    for name in names:
        cells = [name]
        for fifths in (1, 2):
            values = np.array([each[name, fifths] for each in found])
            base = np.array([each["random", fifths] for each in found])
            gain = values - (0 if name == "random" else base)
            for column in (0, 1):
                sign = "" if name == "random" else "+"
                cells.append(f"{gain[:, column].mean():{sign}.1f} ± {wide * gain[:, column].std(ddof=1):.1f}")
            cells.append(f"{values[:, 2].mean() / 100:.3f}")
            if fifths == 1:
                cells += [f"{values[:, column].mean():.1f} %" for column in ((3, 4) if has_copies else (3,))]
                plain = np.log(values[:, 5])
                low, high = plain.mean() - wide * plain.std(ddof=1), plain.mean() + wide * plain.std(ddof=1)
                cells.append(f"{np.exp(plain.mean()):.2f} ({np.exp(low):.2f} to {np.exp(high):.2f})")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pool", choices=["cifar", "digits"], default="cifar")
    parser.add_argument("--data", type=Path, default=Path("../shared/data/cifar10-20k"))
    parser.add_argument("--photographs", type=Path, default=Path("../shared/data/photos"))
    parser.add_argument("--encoder", default="lite0")
    parser.add_argument("--judge", default="hf:../shared/models/mobilenet_v2_1.0_224")
    parser.add_argument("--orders", default="20,21,22,23,24")
    parser.add_argument("--seeds", type=int, default=1, help="rankings of an order")
    parser.add_argument("--tail", type=float, default=100)
    parser.add_argument("--head", type=int, help=f"images of the first class, by default {HEAD}")
    parser.add_argument("--labels", type=int, default=10, help="given labels a class")
    parser.add_argument("--dirty", type=float, default=0.0, help="share of the pool that is off topic")
    parser.add_argument("--copies", type=float, default=0.0, help="near-duplicates, as a share of what is on topic")
    parser.add_argument("--only", nargs="*", help="rankings to compare; all of them by default")
    parser.add_argument("--out", type=Path, default=Path("data/selection"), help="folder of features and scores")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.name}")
    chosen = parser.parse_args()
    chosen.head = chosen.head or HEAD[chosen.pool]
    images = read_images(chosen)
    console, found, sizes = Console(width=150), [], []
    for order in track([int(each) for each in chosen.orders.split(",")], "pools", console=Console(stderr=True)):
        pool = draw_pool(images, order, chosen)
        sizes.append(len(pool.rows))
        found.append(score_rankings(images, pool, order, chosen))
    of_kind = "Digits, tail" if chosen.pool == "digits" else "Tail"
    copies = f"{chosen.copies:.0%} near-duplicates, " if chosen.copies else ""
    seeds = f", {chosen.seeds} seeds each" if chosen.seeds > 1 else ""
    title = (
        f"{of_kind} {chosen.tail:g} : 1, {chosen.labels} labels a class, {chosen.dirty:.0%} off topic, {copies}"
        f"{len(found)} pools of {min(sizes):,} to {max(sizes):,} samples (orders {chosen.orders}{seeds}),"
        f" {Path(chosen.encoder).name} selects, {Path(chosen.judge).name} judges"
    )
    text = f"### {title}\n\n{table(found, chosen.copies > 0)}\n\n{platform.machine()}, {os.cpu_count()} cores\n"
    console.print(text, markup=False, soft_wrap=True)
    if chosen.write:
        page = PAGE.read_text()
        start = page.find(f"### {title}")
        end = page.find("\n### ", start + 1) if start >= 0 else -1
        before, after = (
            (page[:start], page[end + 1 :] if end >= 0 else "") if start >= 0 else (page.rstrip() + "\n\n", "")
        )
        PAGE.write_text(before + text + ("\n" + after if after else ""))


if __name__ == "__main__":
    main()
