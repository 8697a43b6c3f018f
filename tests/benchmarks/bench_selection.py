"""What every selection policy is worth on pools of known classes: python tests/benchmarks/bench_selection.py

Pools of CIFAR-10, long-tailed: the class at place i of an order keeps 2,000 x tail^(-i / 9) images, less those of the
test set, 10 of them with their label. Each of --orders is a pool: another order of the classes and another draw of
images. Features of --encoder select; those of --judge, which had no part in it, judge: a probe trained on the true
labels of a set, balanced accuracy on images that are in no pool, plain and with classes weighted alike. Differences
are to the mean of 5 random sets of the same pool and size; the interval is a 95 % one, of t, over the pools. --dirty
mixes pictures of no class in, of the kinds --dirt (off_topic_images.py), --copies near-duplicates (bench_detection.py
says which), which the default drops by the threshold that it proposes. --pool digits takes scikit-learn's. --seeds
ranks with so many seeds and takes the mean. The multiplier is how many times as large a random set of the same (plain)
accuracy is, read off a curve of random sets up to the whole pool, at most 5; its mean is geometric. --brief leaves it
and most policies out; --bounds compares what knows the true classes instead (selection_bounds.py). --write puts the
table into docs/evidence/selection-tables.md; bench_selection_grid.py makes all of them. --out keeps features, and what
probes said of a set: remove it when a probe, an encoder or a score of strangers changes.

The orders 0 to 4 were looked at while defaults were chosen; 20 to 24 were not.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from intervals import half_width
from off_topic_images import KINDS
from rich.console import Console
from rich.progress import track
from selection_bounds import bounds_of
from selection_orders import BOUND, DEFAULT, PRUNING, RANKED, UNLABELLED, code, rankings_of
from selection_pools import DIRT, HEAD, N_CLASSES, BenchPool, Images, draw_pool, read_images

from windrow.tasks.algorithms.selection.balance import normalised_entropy
from windrow.tasks.algorithms.worth.learning_curve import matching_size, monotone
from windrow.tasks.algorithms.worth.set_probe import JudgedPool, is_right, judge_features

N_RANDOM, RANDOM = 5, "random"
N_SCORES = 5  # of a set; a multiplier of each accuracy may follow
BRIEF = (DEFAULT, UNLABELLED, "balanced", "inverse-density", "diverse", PRUNING, BOUND)
PAGE = Path(__file__).parent.parent.parent / "docs" / "evidence" / "selection-tables.md"


Scores = npt.NDArray[np.float64]
Found = dict[tuple[str, int], Scores]
"""The scores of a ranking at so many fifths of the pool."""


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


def score_rankings(images: Images, pool: BenchPool, order: int, chosen: argparse.Namespace, kept: Found) -> None:
    """Add to what is kept, of every ranking and size that is asked for and is not there yet: what `scorer` says and
    the multipliers, the mean over the seeds."""
    n = len(pool.rows)
    seeds, sizes = [order + 1000 * each for each in range(chosen.seeds)], {f: f * n // 5 for f in (1, 2)}
    rankings = [_rankings(images, pool, seed, chosen) for seed in seeds]
    n_told = N_SCORES if chosen.brief else N_SCORES + 2
    missing = [name for name in (RANDOM, *rankings[0]) if len(kept.get((name, 1), ())) < n_told]
    if not missing:
        return
    scores = scorer(images, pool, chosen.out / "scores")

    def of_random(size: int) -> Scores:
        draws = [np.random.default_rng([order, each]).permutation(n) for each in range(N_RANDOM if size < n else 1)]
        return np.asarray(np.mean([scores(drawn[:size]) for drawn in draws], axis=0))

    along = np.unique([round(n / 5 * times) for times in (1, 1.5, 2, 3, 4, 5)])
    growing = np.empty(0)
    if not chosen.brief:
        growing = monotone(np.array([of_random(int(size)) for size in along])[:, :2].T, np.ones(len(along)))

    def told(rows: npt.NDArray[np.int64]) -> Scores:
        said = scores(rows)
        return said if chosen.brief else np.r_[said, matching_size(along, growing, said[:2], n) / len(rows)]

    for fifths, size in sizes.items():
        kept[RANDOM, fifths] = np.r_[of_random(size), np.ones(n_told - N_SCORES)]
    for name in missing[RANDOM in missing :]:
        drawn = [made[name]() for made in rankings]
        for fifths, size in sizes.items():
            kept[name, fifths] = _mean([told(rows[:size]) for rows in drawn])


def _rankings(
    images: Images, pool: BenchPool, seed: int, chosen: argparse.Namespace
) -> dict[str, Callable[[], npt.NDArray[np.int64]]]:
    """Those that the options ask for."""
    found = rankings_of(images, pool, seed, chosen.copies > 0, chosen.out / "known")
    if chosen.bounds:
        return {BOUND: found[BOUND], **bounds_of(images, pool, seed, chosen.out / "known")}
    only = chosen.only or (BRIEF if chosen.brief else found)
    return {name: made for name, made in found.items() if name in only}


def _mean(each: Sequence[Scores]) -> Scores:
    """The mean over seeds; of multipliers, which come last, the geometric one."""
    values = np.array(each)
    return np.r_[values[:, :N_SCORES].mean(axis=0), np.exp(np.log(values[:, N_SCORES:]).mean(axis=0))]


def table(found: Sequence[Found], has_copies: bool) -> str:
    """A Markdown table: differences to random, mean and half a 95 % interval over the pools."""
    heads = ["1/5: plain", "weighted", "balance", "off topic", *(["near-duplicates"] if has_copies else [])]
    has_multiplier = all(len(scores) > N_SCORES for each in found for scores in each.values())
    heads += [*(["multiplier"] if has_multiplier else []), "2/5: plain", "weighted", "balance"]
    lines = [f"| policy | {' | '.join(heads)} |", f"|---|{'---:|' * len(heads)}"]
    names = [RANDOM, *dict.fromkeys(name for name, _ in found[0] if name not in (RANDOM, BOUND)), BOUND]
    names = [name for name in names if (name, 1) in found[0]]
    for name in names:
        cells = [name]
        for fifths in (1, 2):
            n_told = min(len(each[name, fifths]) for each in found)
            values = np.array([each[name, fifths][:n_told] for each in found])
            base = np.array([each[RANDOM, fifths][:2] for each in found])
            gain = values[:, :2] - (0 if name == RANDOM else base)
            for column in (0, 1):
                sign = "" if name == RANDOM else "+"
                cells.append(f"{gain[:, column].mean():{sign}.1f} ± {half_width(gain[:, column]):.1f}")
            cells.append(f"{values[:, 2].mean() / 100:.3f}")
            if fifths == 1:
                cells += [f"{values[:, column].mean():.1f} %" for column in ((3, 4) if has_copies else (3,))]
            if fifths == 1 and has_multiplier:
                plain = np.log(values[:, N_SCORES])
                low, high = plain.mean() - half_width(plain), plain.mean() + half_width(plain)
                cells.append(f"{np.exp(plain.mean()):.2f} ({np.exp(low):.2f} to {np.exp(high):.2f})")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def kept_scores(images: Images, order: int, chosen: argparse.Namespace) -> tuple[int, Found]:
    """Samples of an order's pool, and what its rankings score: kept under --out, by the options and the code."""
    pool, path = draw_pool(images, order, chosen), kept_path(order, chosen)
    kept: Found = {}
    if path.exists():
        kept = {(name, fifths): np.array(scores) for name, fifths, scores in json.loads(path.read_text())}
    before = dict(kept)
    score_rankings(images, pool, order, chosen, kept)
    if any(kept[key] is not before.get(key) for key in kept):
        path.parent.mkdir(parents=True, exist_ok=True)
        said = [[name, fifths, np.asarray(scores).tolist()] for (name, fifths), scores in kept.items()]
        path.with_suffix(".part").write_text(json.dumps(said))
        path.with_suffix(".part").replace(path)
    asked = {RANDOM, *_rankings(images, pool, order, chosen)}
    return len(pool.rows), {key: scores for key, scores in kept.items() if key[0] in asked}


def kept_path(order: int, chosen: argparse.Namespace) -> Path:
    """Where scores of the rankings of an order's pool are kept."""
    apart = ("orders", "out", "write", "only", "bounds", "brief")
    asked = {name: str(value) for name, value in vars(chosen).items() if name not in apart}
    name = hashlib.sha256(json.dumps([asked, order, code(RANKED)], sort_keys=True).encode()).hexdigest()
    return chosen.out / "pools" / f"{name[:32]}.json"


def options() -> argparse.ArgumentParser:
    """The options of one table."""
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
    parser.add_argument("--dirt", nargs="*", choices=KINDS, default=list(DIRT), help="kinds of what is off topic")
    parser.add_argument("--copies", type=float, default=0.0, help="near-duplicates, as a share of what is on topic")
    parser.add_argument("--only", nargs="*", help="rankings to compare; all of them by default")
    parser.add_argument("--brief", action="store_true", help="the default and its nearest rivals, and no multiplier")
    parser.add_argument("--bounds", action="store_true", help="add what knows the true classes (selection_bounds.py)")
    parser.add_argument("--out", type=Path, default=Path("data/selection"), help="folder of features and scores")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.name}")
    return parser


def measured(chosen: argparse.Namespace) -> tuple[str, list[Found]]:
    """The title of the table that the options ask for, and the scores of each pool."""
    chosen.head = chosen.head or HEAD[chosen.pool]
    images, orders = read_images(chosen), [int(each) for each in chosen.orders.split(",")]
    pools = [kept_scores(images, order, chosen) for order in track(orders, "pools", console=Console(stderr=True))]
    sizes = [size for size, _ in pools]
    of_kind = "Digits, tail" if chosen.pool == "digits" else "Tail"
    of_what = f" ({', '.join(chosen.dirt)})" if chosen.dirty and tuple(chosen.dirt) != DIRT else ""
    copies = f"{chosen.copies:.0%} near-duplicates, " if chosen.copies else ""
    seeds = f", {chosen.seeds} seeds each" if chosen.seeds > 1 else ""
    title = (
        f"{of_kind} {chosen.tail:g} : 1, {chosen.labels} labels a class, {chosen.dirty:.0%} off topic{of_what}, "
        f"{copies}{len(pools)} pools of {min(sizes):,} to {max(sizes):,} samples (orders {chosen.orders}{seeds}),"
        f" {Path(chosen.encoder).name} selects, {Path(chosen.judge).name} judges{', bounds' if chosen.bounds else ''}"
    )
    return title, [scores for _, scores in pools]


def write_section(title: str, text: str, page: Path = PAGE) -> None:
    """Put a section into the page, in place of the one of this title if there is one."""
    told = page.read_text()
    start = told.find(f"### {title}\n")
    if start < 0:
        page.write_text(f"{told.rstrip()}\n\n### {title}\n\n{text}")
        return
    ends = [end for end in (told.find("\n### ", start + 1), told.find("\n## ", start + 1)) if end >= 0]
    after = told[min(ends) + 1 :] if ends else ""
    page.write_text(f"{told[:start]}### {title}\n\n{text}" + (f"\n{after}" if after else ""))


def main() -> None:
    chosen = options().parse_args()
    title, found = measured(chosen)
    text = f"{table(found, chosen.copies > 0)}\n\n{platform.machine()}, {os.cpu_count()} cores\n"
    Console(width=150).print(f"### {title}\n\n{text}", markup=False, soft_wrap=True)
    if chosen.write:
        write_section(title, text)


if __name__ == "__main__":
    main()
