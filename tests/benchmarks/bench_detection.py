"""Whether near-duplicates and off-topic samples are found without labels: python tests/benchmarks/bench_detection.py

Pools of CIFAR-10, a tail of 1 : 100 and an even one, the classes in another order for each seed. For near-duplicates a
tenth is added: copies of its images, JPEG at quality 40 to 80, resized to .6 to .9, cropped by up to a tenth a side, or
of another brightness (.8 to 1.2), judged at the threshold that is proposed from the pool, and at 0.95. For the
off-topic scores 16 % is added: photographs, numbers drawn in colours, both, or 12 of each. --embeddings: .npz files of
one encoder each with embeddings (n, d) and labels (n,) of CIFAR-10, copies (c, d) of the images `idx` (c,), photos and
digits, instead of embedding --data and --photographs. --write puts the tables into docs/evidence/detection.md.
"""

from __future__ import annotations

import argparse
import io
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from bench_cifar import Sample, embed, read_samples
from evidence_page import EVIDENCE, write_places
from PIL import Image, ImageDraw, ImageEnhance, ImageFont
from sklearn.metrics import roc_auc_score

from windrow.tasks.algorithms.arrays import unit_rows
from windrow.tasks.algorithms.neighbors.coarse_groups import coarse_groups
from windrow.tasks.algorithms.neighbors.deduplication import near_duplicates
from windrow.tasks.algorithms.neighbors.duplicate_threshold import propose_threshold
from windrow.tasks.algorithms.neighbors.exact_neighbors import neighbor_graph
from windrow.tasks.algorithms.neighbors.outliers import knn_outlier_score, off_topic_score

Floats = npt.NDArray[np.float32]
TAILS = {"1 : 100": (100, 500), "1 : 1": (1, 120)}
FOREIGN = ("photographs", "digits", "both", "12 of each")


def encoded(image: Image.Image, kind: str = "PNG", **settings: Any) -> bytes:
    """A picture's bytes."""
    out = io.BytesIO()
    image.save(out, kind, **settings)
    return out.getvalue()


def disturbed(data: bytes, how: int, rng: np.random.Generator) -> bytes:
    """A copy of an image that is not quite itself."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    width, height = image.size
    if how == 0:
        return encoded(image, "JPEG", quality=int(rng.integers(40, 80)))
    if how == 1:
        scale = rng.uniform(0.6, 0.9)
        return encoded(image.resize((int(width * scale), int(height * scale)), Image.Resampling.BICUBIC))
    if how == 2:
        left, top, right, bottom = rng.uniform(0, 0.1, 4)
        return encoded(
            image.crop((*map(round, (width * left, height * top, width * (1 - right), height * (1 - bottom))),))
        )
    return encoded(ImageEnhance.Brightness(image).enhance(rng.uniform(0.8, 1.2)))


def number(rng: np.random.Generator) -> bytes:
    """A number of one or two digits in one colour on another."""
    ground = tuple((rng.integers(0, 90, 3) if rng.integers(2) else rng.integers(170, 256, 3)).tolist())
    image = Image.new("RGB", (32, 32), ground)
    font = ImageFont.load_default(size=int(rng.integers(16, 26)))
    place = (rng.uniform(1, 8), rng.uniform(-2, 6))
    ImageDraw.Draw(image).text(place, str(rng.integers(100)), fill=tuple(255 - c for c in ground), font=font)
    return encoded(image.rotate(rng.uniform(-15, 15), fillcolor=ground))


def embedded(args: argparse.Namespace) -> dict[str, npt.NDArray[Any]]:
    """What --embeddings would hold, by --model."""
    rng, samples = np.random.default_rng(0), read_samples(args.data)
    idx = rng.choice(len(samples), 1200, replace=False)
    copies = [disturbed(samples[row].data, n % 4, rng) for n, row in enumerate(idx)]
    photos = [
        encoded(Image.open(path).convert("RGB").resize((32, 32), Image.Resampling.BOX))
        for path in sorted(args.photographs.iterdir())
    ]
    digits = [number(rng) for _ in range(600)]
    drawn = {"copies": copies, "photos": photos, "digits": digits}
    found = {
        name: embed(args.model, [Sample(str(n), each, -1) for n, each in enumerate(them)])
        for name, them in drawn.items()
    }
    labels = np.array([sample.label for sample in samples])
    return {**found, "idx": idx, "labels": labels, "embeddings": embed(args.model, samples)}


def duplicates(data: Mapping[str, Any], rows: npt.NDArray[np.int64], rng: np.random.Generator) -> list[float]:
    """Proposed threshold; share of copies found and of others dropped, at it and at 0.95."""
    there = rng.permutation(np.flatnonzero(np.isin(data["idx"], rows)))[: len(rows) // 10]
    base = np.unique(np.append(rows, extra := data["idx"][rng.permutation(len(data["idx"]))[: len(rows) // 10]]))
    there = np.union1d(there, np.flatnonzero(np.isin(data["idx"], extra)))[: len(base) // 10]
    pool = np.concatenate([data["embeddings"][base], data["copies"][there]]).astype(np.float32)
    proposed = propose_threshold(neighbor_graph(pool, 1).similarity[:, 0]).threshold
    units = unit_rows(pool)[0]
    likeness = (units[len(base) :] * units[np.searchsorted(base, data["idx"][there])]).sum(axis=1)
    found = [proposed]
    for threshold in (proposed, 0.95):
        dropped = near_duplicates(pool[: len(base)], threshold).duplicate_of >= 0
        found += [float((likeness >= threshold).mean()), float(dropped.mean())]
    return found


def strangers(data: Mapping[str, Any], kind: str, n: int, rng: np.random.Generator) -> Floats:
    """Embeddings of samples of no class beside n of the classes."""
    m = int(0.19 * n)
    photos, digits = (data[name][rng.permutation(len(data[name]))] for name in ("photos", "digits"))
    shares = {"photographs": (m, 0), "digits": (0, m), "both": (m // 2, m // 2), "12 of each": (12, 12)}[kind]
    return np.concatenate([photos[: shares[0]], digits[: shares[1]]])


def told(values: list[float], digits: int) -> str:
    """Mean and standard deviation."""
    return f"{np.mean(values):.{digits}f} ± {np.std(values, ddof=1):.{digits}f}"


def main() -> None:
    """Make the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/cifar10-20k"))
    parser.add_argument("--photographs", type=Path, default=Path("../shared/data/photos"))
    parser.add_argument("--model", default="../shared/models/mobilenet_v2_1.0_224")
    parser.add_argument("--embeddings", type=Path, nargs="*", default=[])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="write docs/evidence/detection.md")
    args = parser.parse_args()
    encoders = {path.stem: dict(np.load(path)) for path in args.embeddings} or {"MobileNetV2": embedded(args)}
    copies: dict[tuple[str, str], list[list[float]]] = defaultdict(list)
    scores: dict[tuple[str, str, str], list[list[float]]] = defaultdict(list)
    for name, data in encoders.items():
        for tail, (factor, largest) in TAILS.items():
            for seed in range(200, 200 + args.seeds):
                rng = np.random.default_rng([seed, factor])
                order, sizes = rng.permutation(10), [int(largest * factor ** (-c / 9)) for c in range(10)]
                members = [rng.permutation(np.flatnonzero(data["labels"] == order[c]))[:n] for c, n in enumerate(sizes)]
                rows = np.sort(np.concatenate(members))
                copies[name, tail].append(duplicates(data, rows, rng))
                for kind in FOREIGN:
                    off = strangers(data, kind, len(rows), rng)
                    pool = np.concatenate([data["embeddings"][rows], off]).astype(np.float32)
                    truth = np.arange(len(pool)) >= len(rows)
                    both = off_topic_score(coarse_groups(pool)), knn_outlier_score(neighbor_graph(pool, 20))
                    scores[name, tail, kind].append([float(roc_auc_score(truth, each)) for each in both])
    copied = [
        "| encoder | tail | proposed | copies found, % | others dropped, % | found at 0.95, % | others at 0.95, % |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for names, values in copies.items():
        columns = [list(column) for column in zip(*values, strict=True)]
        cells = [told(columns[0], 3), *(told([100 * v for v in column], 2) for column in columns[1:])]
        copied.append(f"| {' | '.join([*names, *cells])} |")
    off_topic = [
        "| encoder | tail | off-topic | `off_topic_score` | `outlier_score` |",
        "| --- | --- | --- | --- | --- |",
    ]
    for cell, values in scores.items():
        told_of = [told(list(column), 2) for column in zip(*values, strict=True)]
        off_topic.append(f"| {' | '.join([*cell, *told_of])} |")
    seeds = f"Means ± standard deviations of {args.seeds} seeds.\n"
    made = {"seeds": seeds, "duplicates": "\n".join(copied), "off-topic": "\n".join(off_topic)}
    print("\n\n".join(made.values()))
    if args.write:
        write_places(EVIDENCE / "detection.md", made)


if __name__ == "__main__":
    main()
