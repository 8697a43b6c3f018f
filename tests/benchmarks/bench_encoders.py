"""What encoders see: python tests/benchmarks/bench_encoders.py [--write]

A probe (logistic regression on unit features; C of 1, 10 or 100, by a fifth of what the first is fitted on) and 20
nearest neighbours (cosine, majority), on a split for each seed: 3,000 pictures of CIFAR-10, in colour and made grey,
2,000 to fit; scikit-learn's 1,797 digits of 8 x 8 pixels, 1,200 to fit. `patches` is fitted on the pool, labels unseen.
--write puts the table into docs/evidence/encoders.md.
"""

from __future__ import annotations

import argparse
import io
import os
import platform
import re
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from bench_cifar import read_samples
from evidence_page import EVIDENCE, write_places
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from windrow.tasks.algorithms.arrays import Float32Array, unit_rows
from windrow.tasks.backbones import Backbone, BackboneConfig, load_backbone
from windrow.tasks.backbones.extract import embed_images
from windrow.tasks.backbones.patches import Patches
from windrow.tasks.pictures.decoding import decode_rgb

N_CIFAR, N_THREADS, K = 3000, 2, 20
COSTS = (1.0, 10.0, 100.0)


def pools(cifar: Path) -> Iterator[tuple[str, list[bytes], np.ndarray, int]]:
    """Yield name, pictures, labels and how many to fit."""
    samples = read_samples(cifar)[:N_CIFAR]
    labels = np.array([sample.label for sample in samples])
    yield "CIFAR-10", [sample.data for sample in samples], labels, 2000
    yield "CIFAR-10, grey", [png(decode_rgb(sample.data).convert("L")) for sample in samples], labels, 2000
    digits = load_digits()
    scans = [png(Image.fromarray(np.rint(each * 15.9375).astype(np.uint8))) for each in digits.images]
    yield "digits", scans, digits.target, 1200


def png(image: Image.Image) -> bytes:
    """A picture without loss."""
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def encoders(model: str, pictures: Sequence[bytes], folder: Path) -> Iterator[tuple[str, Backbone]]:
    """Yield what is compared; pictures of these pools are small."""
    config, weights = BackboneConfig("patches"), folder / "patches.npz"
    Patches.fit(config, (decode_rgb(data) for data in pictures), weights, 2000, 0)
    yield "`patches`, 32 pixels", load_backbone(config, weights)
    yield "`lite0`, 96 pixels", load_backbone(BackboneConfig("lite0", image_size=96))
    yield "MobileNetV2, 96 pixels", load_backbone(BackboneConfig(f"hf:{model}", image_size=96))


def embed(backbone: Backbone, pictures: Sequence[bytes]) -> Float32Array:
    """Return unit features, as the features stage makes them."""
    batches = embed_images(backbone, ((str(at), data) for at, data in enumerate(pictures)))
    return unit_rows(np.concatenate([batch.embeddings for batch in batches]).astype(np.float32))[0]


def best_cost(units: Float32Array, labels: np.ndarray, n_fit: int) -> float:
    """The C that does best on a fifth of what is fitted of the first split."""
    fit = split(len(labels), n_fit, 0)[0]
    held, rest = fit[: n_fit // 5], fit[n_fit // 5 :]
    tried = {cost: probe(cost, units[rest], labels[rest]).score(units[held], labels[held]) for cost in COSTS}
    return max(tried, key=tried.__getitem__)


def split(n: int, n_fit: int, seed: int) -> list[np.ndarray]:
    """Rows to fit and rows to test."""
    return np.split(np.random.default_rng(seed).permutation(n), [n_fit])


def scores(units: Float32Array, labels: np.ndarray, n_fit: int, cost: float, seed: int) -> tuple[float, float]:
    """Accuracy of the probe and of the neighbours on a split."""
    fit, test = split(len(labels), n_fit, seed)
    nearest = np.argpartition(-(units[test] @ units[fit].T), K, axis=1)[:, :K]
    votes = np.stack([(labels[fit][nearest] == label).sum(1) for label in range(10)], axis=1)
    fitted = probe(cost, units[fit], labels[fit])
    return float(fitted.score(units[test], labels[test])), float((votes.argmax(1) == labels[test]).mean())


def probe(cost: float, x: Float32Array, y: np.ndarray) -> LogisticRegression:
    """A fitted logistic regression."""
    return LogisticRegression(C=cost, max_iter=300, tol=1e-3).fit(x, y)


def row(pool: str, encoder: str, found: list[tuple[float, float]], speed: float) -> str:
    """A line of the table."""
    said = [f"{mean:.3f} ± {std:.3f}" for mean, std in zip(np.mean(found, 0), np.std(found, 0, ddof=1), strict=True)]
    return f"| {pool} | {encoder} | {said[0]} | {said[1]} | {speed:.0f} |"


def main() -> None:
    """Make the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/cifar10-20k"))
    parser.add_argument("--model", default="../shared/models/mobilenet_v2_1.0_224")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="put the table into docs/evidence/encoders.md")
    args = parser.parse_args()
    torch.set_num_threads(N_THREADS)
    lines = ["| pictures | encoder | probe | 20 neighbours | pictures/s |", "| --- | --- | ---: | ---: | ---: |"]
    for name, pictures, labels, n_fit in pools(args.data):
        with tempfile.TemporaryDirectory() as folder:
            for encoder, backbone in encoders(args.model, pictures, Path(folder)):
                started = time.perf_counter()
                units = embed(backbone, pictures)
                speed = len(pictures) / (time.perf_counter() - started)
                cost = best_cost(units, labels, n_fit)
                found = [scores(units, labels, n_fit, cost, seed) for seed in range(args.seeds)]
                lines.append(row(name, encoder, found, speed))
                print(lines[-1], flush=True)
    model = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    machine = f"{model.group(1) if model else platform.machine()}, {N_THREADS} of {os.cpu_count()} cores"
    text = f"{machine}; mean ± standard deviation over {args.seeds} splits.\n\n" + "\n".join(lines) + "\n"
    print(text)
    if args.write:
        write_places(EVIDENCE / "encoders.md", {"measured": text})


if __name__ == "__main__":
    main()
