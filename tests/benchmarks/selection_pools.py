"""The pools of bench_selection.py: images whose classes are known, features that select and that judge, and draws."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from bench_cifar import Sample, read_samples
from bench_detection import disturbed, encoded, number
from PIL import Image
from sklearn.datasets import load_digits

from windrow.tasks.backbones import BackboneConfig, load_backbone
from windrow.tasks.backbones.extract import embed_images
from windrow.tasks.backbones.patches import Patches
from windrow.tasks.pictures.decoding import decode_rgb

N_CLASSES, N_NUMBERS, N_COPIES = 10, 800, 3000
HEAD = {"cifar": 2000, "digits": 120}
TEST = {"cifar": (100, 400), "digits": (50, 400)}
"""Images of a class that its pool leaves to the test set, at least, and how many of these it takes, at most."""


@dataclass(frozen=True)
class Images:
    """All images: select, judge (n, d): features that select and that judge; labels (n,), -1 off topic.

    copy_of: int64 (n,), of which image each is a near-duplicate, -1 of originals, which come first.
    """

    select: npt.NDArray[Any]
    judge: npt.NDArray[Any]
    labels: npt.NDArray[np.int64]
    copy_of: npt.NDArray[np.int64]


@dataclass(frozen=True)
class BenchPool:
    """rows, test: of the images; given: bool (n,), which of the pool's samples came with their label."""

    rows: npt.NDArray[np.int64]
    given: npt.NDArray[np.bool_]
    test: npt.NDArray[np.int64]


def draw_pool(images: Images, order: int, chosen: argparse.Namespace) -> BenchPool:
    """Draw a pool and its test set by the number of an order."""
    rng = np.random.default_rng([order, 11])
    originals = images.copy_of < 0
    least, most = TEST[chosen.pool]
    rows, given, test = [], [], []
    for place, label in enumerate(rng.permutation(N_CLASSES)):
        members = rng.permutation(np.flatnonzero(originals & (images.labels == label)))
        n_kept = min(int(chosen.head * chosen.tail ** (-place / (N_CLASSES - 1))), len(members) - least)
        rows.append(members[:n_kept])
        given.append(np.arange(n_kept) < chosen.labels)
        test.append(members[n_kept:][:most])
    others = rng.permutation(np.flatnonzero(originals & (images.labels < 0)))
    others = others[: round(chosen.dirty / (1 - chosen.dirty) * sum(map(len, rows)))]
    copies = np.flatnonzero(np.isin(images.copy_of, np.concatenate(rows)))
    copies = rng.permutation(copies)[: round(chosen.copies * sum(map(len, rows)))] if chosen.copies else copies[:0]
    mixed = rng.permutation(sum(map(len, rows)) + len(others) + len(copies))
    found = np.concatenate([*rows, others, copies])[mixed]
    unlabelled = np.zeros(len(others) + len(copies), bool)
    return BenchPool(found, np.concatenate([*given, unlabelled])[mixed], np.concatenate(test))


def read_images(chosen: argparse.Namespace) -> Images:
    """Embed the images, once: features are kept under --out."""
    samples = _digits() if chosen.pool == "digits" else read_samples(chosen.data)
    rng = np.random.default_rng(0)
    others = _off_topic(chosen.photographs, rng) if chosen.dirty else []
    copied = rng.permutation(len(samples))[:N_COPIES] if chosen.copies else np.empty(0, np.int64)
    copies = [
        Sample(f"copy-{row}", disturbed(samples[row].data, n % 4, rng), samples[row].label)
        for n, row in enumerate(copied.tolist())
    ]
    kinds = [each for each in (samples, others, copies) if each]
    select, judge = (
        np.concatenate([_features(chosen.out, encoder, each) for each in kinds])
        for encoder in (chosen.encoder, chosen.judge)
    )
    copy_of = np.concatenate([np.full(len(samples) + len(others), -1), copied])
    return Images(select, judge, np.array([each.label for kind in kinds for each in kind]), copy_of)


def _digits() -> list[Sample]:
    found = load_digits()
    scans = (Image.fromarray(np.rint(each * 15.9375).astype(np.uint8)).resize((64, 64)) for each in found.images)
    return [
        Sample(f"digit-{n}", encoded(scan), int(label))
        for n, (scan, label) in enumerate(zip(scans, found.target, strict=True))
    ]


def _off_topic(photographs: Path, rng: np.random.Generator) -> list[Sample]:
    pictures = [
        encoded(Image.open(path).convert("RGB").resize((32, 32), Image.Resampling.BOX))
        for path in sorted(photographs.glob("n*"))
    ]
    numbers = (number(rng) for _ in range(N_NUMBERS))
    return [Sample(f"other-{n}", data, -1) for n, data in enumerate([*pictures, *numbers])]


def _features(folder: Path, encoder: str, samples: list[Sample]) -> npt.NDArray[Any]:
    kept = folder / f"{re.sub('[^a-z0-9]+', '-', encoder.lower()).strip('-')}-{len(samples)}.npy"
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        config, weights = BackboneConfig(name=encoder, image_size=96), None
        if config.is_fitted:
            config, weights = BackboneConfig(name=encoder), kept.with_suffix(".npz")
            order = np.random.default_rng(0).permutation(len(samples))
            Patches.fit(config, (decode_rgb(samples[row].data) for row in order.tolist()), weights, 2000, 0)
        batches = embed_images(load_backbone(config, weights), [(sample.key, sample.data) for sample in samples])
        np.save(kept, np.concatenate([batch.embeddings for batch in batches]))
    return np.asarray(np.load(kept), np.float32)
