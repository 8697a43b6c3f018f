"""Whether samples of no class are told from the others: python tests/benchmarks/bench_belonging.py [--write]

Three kinds of pool. CIFAR-10, embedded by MobileNetV2 at 96 pixels, of which two classes are no class: nobody labels
them. CIFAR-10 with 150 foreign pictures (8 x 8 digits enlarged; or photographs), embedded alike. And the demo's, digits
and 40 patches of two photographs, by `patches`. CIFAR's are balanced (300 of each class) or long-tailed
(class c keeps 1000 x 100^(-c / 9), in the order of classes.txt). 4, 10 or 100 samples of each class are labelled, half
of it at most. The peers are scikit-learn's, fitted on the labelled samples at unit length, each with the better of two
settings for the table's AUROC, which only the truth could choose; held-out scores of the labels (5 folds) make p-values
of theirs as of ours. The seeds are not those that our score was chosen with. --embeddings: an .npz of CIFAR's
`embeddings` (n, d) and `labels`, instead of embedding --data anew. --write puts the tables into
docs/evidence/no-class.md.
"""

from __future__ import annotations

import argparse
import io
import os
import platform
import re
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from bench_cifar import Sample, embed
from bench_labels import Ints, load, say
from evidence_page import EVIDENCE, write_places
from intervals import told
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import LocalOutlierFactor
from sklearn.svm import OneClassSVM

from windrow.flows.demo.demo import SIDE
from windrow.flows.demo.demo_pool import make_demo_pool
from windrow.tasks.algorithms.arrays import Float32Array, unit_rows
from windrow.tasks.algorithms.labels.deciding.belonging import belonging, nearness, refuse
from windrow.tasks.algorithms.labels.deciding.policy import decide
from windrow.tasks.algorithms.labels.folds import assign_folds
from windrow.tasks.algorithms.labels.label_spreading import spread_labels
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph, neighbor_graph
from windrow.tasks.backbones import BackboneConfig
from windrow.tasks.config import CurationConfig
from windrow.tasks.features.extraction import extract_shards, identify_backbone
from windrow.tasks.features.fitting import FITTED, fit_backbone
from windrow.tasks.ingest.ingestion import ingest_shards
from windrow.tasks.labels.given_labels import class_names, given_labels, pool_labels
from windrow.tasks.labels.labels_config import LabelsConfig
from windrow.tasks.storage.sources.source_plan import plan_shards
from windrow.tasks.storage.store.outputs import open_output
from windrow.tasks.storage.store.pool import read_pool

COUNTS = (4, 10, 100)
ALPHAS = (0.02, 0.05)
N_FOREIGN = 150
OURS = "**Windrow's `belonging`**"
PEERS: dict[str, tuple[Any, Any]] = {
    "scikit-learn LocalOutlierFactor": (
        lambda n: LocalOutlierFactor(min(5, n - 1), novelty=True),
        lambda n: LocalOutlierFactor(min(20, n - 1), novelty=True),
    ),
    "scikit-learn OneClassSVM": (lambda _: OneClassSVM(nu=0.1), lambda _: OneClassSVM(gamma=2.0, nu=0.1)),
}


@dataclass(frozen=True)
class Case:
    """A pool, what is true of it (-1: of no class), and the labels that are given of it (-1: none)."""

    kind: str
    n_each: int
    embeddings: Float32Array
    graph: NeighborGraph
    truth: Ints
    given: Ints


def cifar_cases(embeddings: Float32Array, truth: Ints, foreign: dict[str, Float32Array], seed: int) -> Iterator[Case]:
    """Yield the pools of CIFAR for a seed."""
    for shape in ("balanced", "long-tailed"):
        rng = np.random.default_rng([seed, len(shape)])
        sizes = [300 if shape == "balanced" else int(1000 * 100 ** (-c / 9)) for c in range(10)]
        rows = np.concatenate([rng.permutation(np.flatnonzero(truth == c))[:size] for c, size in enumerate(sizes)])
        unknown = rng.choice(7, 2, replace=False)
        known = np.setdiff1d(np.arange(10), unknown)
        near = np.where(np.isin(truth[rows], known), np.searchsorted(known, truth[rows]), -1)
        yield from labelled(f"two classes, {shape}", embeddings[rows], near, rng)
        for name, strangers in foreign.items():
            both = np.concatenate([embeddings[rows], strangers])
            yield from labelled(f"{name}, {shape}", both, np.append(truth[rows], np.full(len(strangers), -1)), rng)


def labelled(kind: str, embeddings: Float32Array, truth: Ints, rng: np.random.Generator) -> Iterator[Case]:
    """Yield a pool with every number of labels."""
    graph = neighbor_graph(embeddings, 20)
    order = rng.permutation(len(truth))
    for n_each in COUNTS:
        given = np.full(len(truth), -1, np.int64)
        for c in range(truth.max() + 1):
            members = order[truth[order] == c]
            given[members[: min(n_each, len(members) // 2)]] = c
        yield Case(kind, n_each, embeddings, graph, truth, given)


def demo_case(seed: int) -> Case:
    """The demo's pool for a seed, as its stages embed it."""
    with tempfile.TemporaryDirectory() as folder:
        demo = make_demo_pool(Path(folder, "pool"), seed, SIDE)
        store = Path(folder, "store")
        store.mkdir()
        config = CurationConfig(
            name="demo", store=str(store), sources=tuple(map(str, demo.sources)), features=BackboneConfig("patches")
        )
        ingested = [done.path for done in ingest_shards(store, plan_shards(config.sources), config.ingest)]
        fitted = fit_backbone(store, ingested, config.features, config.seed)
        weights = store / fitted.path / FITTED if fitted else None
        backbone = identify_backbone(config.features, weights)
        features = extract_shards(store, ingested, config.features, weights, backbone)
        pool = read_pool([open_output(store / done.path) for done in features])
        given = given_labels("found", {"ingest": [open_output(store / path) for path in ingested]})
        classes = class_names(given)
        true = {row["sample_id"]: row["label"] for row in pq.read_table(demo.truth).to_pylist()}
        names = [true[sample_id] for sample_id in pool.sample_ids.to_pylist()]
        truth = np.array([-1 if name is None else classes.index(name) for name in names], np.int64)
        embeddings = pool.embeddings.astype(np.float32)
        return Case(
            "demo", 10, embeddings, neighbor_graph(embeddings, 20), truth, pool_labels(pool.sample_ids, given, classes)
        )


def peer_nearness(case: Case, make: Any) -> tuple[Float32Array, Float32Array]:
    """What `nearness` gives, by a model of scikit-learn."""
    units, rows = unit_rows(case.embeddings)[0], np.flatnonzero(case.given >= 0)
    folds = assign_folds(case.given, 5, seed=0)[rows]
    held_out = np.empty(len(rows), np.float32)
    for fold in range(5):
        rest = rows[folds != fold]
        held_out[folds == fold] = make(len(rest)).fit(units[rest]).score_samples(units[rows[folds == fold]])
    return make(len(rows)).fit(units[rows]).score_samples(units).astype(np.float32), held_out


def scores_of(case: Case, pool: Float32Array, p_values: Float32Array) -> list[float]:
    """AUROC, and for each alpha the share refused of the classes' samples and of the others, without a label all."""
    hidden, belongs = case.given < 0, case.truth >= 0
    shares = [(p_values <= np.float32(a))[hidden & group].mean() for a in ALPHAS for group in (belongs, ~belongs)]
    return [float(roc_auc_score(belongs[hidden], pool[hidden])), *map(float, shares)]


def refusals(case: Case) -> dict[str, list[float]]:
    """The scores of each method."""
    found = {OURS: scores_of(case, nearness(case.embeddings, case.graph, case.given)[0], belongings(case))}
    for name, settings in PEERS.items():
        tried = []
        for make in settings:
            pool, held_out = peer_nearness(case, make)
            places = (1 + np.searchsorted(np.sort(held_out), pool, side="right")) / (len(held_out) + 1)
            tried.append(scores_of(case, pool, places.astype(np.float32)))
        found[name] = max(tried)
    return found


def belongings(case: Case) -> Float32Array:
    """Our p-values."""
    return belonging(case.embeddings, case.graph, case.given)


def sure_labels(case: Case) -> list[float]:
    """Of the default's labels, refusing none and at each alpha: coverage and accuracy in the classes, and coverage of
    the samples of none."""
    defaults = LabelsConfig()
    spread = spread_labels(
        case.embeddings, case.graph, case.given, int(case.truth.max()) + 1, defaults.combine, defaults.combine
    )
    plain = decide(spread.confidence, defaults.policy.chosen(), spread.label)
    hidden, belongs, p_values = case.given < 0, case.truth >= 0, belongings(case)
    found = []
    for alpha in (0.0, *ALPHAS):
        label = refuse(plain, p_values, alpha).label
        known, labels = hidden & belongs, label >= 0
        right = (label == case.truth)[known & labels].sum() / max((known & labels).sum(), 1)
        found += [labels[known].mean(), float(right), labels[hidden & ~belongs].mean()]
    return found


def table(head: Sequence[str], cells: dict[tuple[str, ...], list[list[float]]], sizes: Sequence[int]) -> str:
    """Markdown: means over the seeds in percent, with intervals; `sizes` is how many values each column holds."""
    lines = [f"| {' | '.join(head)} |", "|" + " --- |" * len(head)]
    for names, values in cells.items():
        mean = iter(100 * np.transpose(values))
        said = [" / ".join(told(next(mean)) for _ in range(size)) for size in sizes]
        lines.append(f"| {' | '.join([*names, *said])} |")
    return "\n".join(lines) + "\n"


def ahead(refused: dict[tuple[str, ...], list[list[float]]]) -> str:
    """Markdown: seed by seed, by how much our AUROC is above each peer's, in points."""
    cells: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for (*cell, name), values in refused.items():
        if name != OURS:
            apart = 100 * (np.array(refused[*cell, OURS]) - np.array(values))[:, 0]
            cells[tuple(cell)].append(told(apart, sign="+"))
    head = ("no class", "labels a class", *(f"less {name}" for name in PEERS))
    lines = [f"| {' | '.join(head)} |", "|" + " --- |" * len(head)]
    return "\n".join([*lines, *(f"| {' | '.join([*cell, *found])} |" for cell, found in cells.items())]) + "\n"


def foreign_pictures(model: str, photographs: Path) -> dict[str, Float32Array]:
    """Embeddings of digits and of photographs, as CIFAR's pictures were embedded."""
    digits = [Image.fromarray(np.rint(image * 15.9375).astype(np.uint8)) for image in load_digits().images[:N_FOREIGN]]
    photos = sorted(photographs.iterdir())[:N_FOREIGN]
    if len(photos) < N_FOREIGN:
        raise SystemExit(f"--photographs: wants {N_FOREIGN} files in {photographs}, got {len(photos)}")
    return {
        "digits": embed(model, [Sample(f"{n:04d}", encoded(digit), -1) for n, digit in enumerate(digits)]),
        "photographs": embed(model, [Sample(path.name, path.read_bytes(), -1) for path in photos]),
    }


def encoded(image: Image.Image) -> bytes:
    """A PNG of the picture, enlarged."""
    out = io.BytesIO()
    image.resize((SIDE, SIDE)).save(out, "PNG")
    return out.getvalue()


def main() -> None:
    """Make the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/cifar10-20k"))
    parser.add_argument("--photographs", type=Path, default=Path("../shared/data/photos"))
    parser.add_argument("--model", default="../shared/models/mobilenet_v2_1.0_224")
    parser.add_argument("--embeddings", type=Path, help="an .npz of embeddings and labels, instead of --data")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="write docs/evidence/no-class.md")
    args = parser.parse_args()
    embeddings, truth = load(args)
    foreign = foreign_pictures(args.model, args.photographs)
    started = time.perf_counter()
    refused: dict[tuple[str, ...], list[list[float]]] = defaultdict(list)
    sure: dict[tuple[str, ...], list[list[float]]] = defaultdict(list)
    for seed in range(100, 100 + args.seeds):
        for case in (demo_case(seed), *cifar_cases(embeddings, truth, foreign, seed)):
            cell = (case.kind, str(case.n_each))
            for name, values in refusals(case).items():
                refused[*cell, name].append(values)
            sure[cell].append(sure_labels(case))
            say(f"seed {seed}, {case.kind}, {case.n_each} labels a class: {time.perf_counter() - started:.0f} s")
    model = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    refused_at = [f"refused at {alpha}: of the classes / of none" for alpha in ALPHAS]
    sure_at = [f"at {alpha}" for alpha in ALPHAS]
    machine = f"{model.group(1) if model else platform.machine()}, {os.cpu_count()} cores"
    made = {
        "machine": f"{machine}; means of {args.seeds} seeds, with 95 % intervals.\n",
        "refused": "## Refused of the samples without a label, %\n\n"
        + table(("no class", "labels a class", "", "AUROC", *refused_at), refused, (1, 2, 2)),
        "ahead": "## Windrow's AUROC less a peer's, seed by seed, points\n\n" + ahead(refused),
        "labels": "## The default's labels: coverage / accuracy in the classes / coverage of samples of none, %\n\n"
        + table(("no class", "labels a class", "nothing refused", *sure_at), sure, (3, 3, 3)),
    }
    print("\n".join(made.values()))
    if args.write:
        write_places(EVIDENCE / "no-class.md", made)


if __name__ == "__main__":
    main()
