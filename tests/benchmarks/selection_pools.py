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
from bench_detection import disturbed, encoded
from off_topic_images import pictures_of
from PIL import Image
from sklearn.datasets import load_digits

from windrow.tasks.backbones import BackboneConfig, load_backbone
from windrow.tasks.backbones.extract import embed_images
from windrow.tasks.backbones.patches import Patches
from windrow.tasks.pictures.decoding import decode_rgb

N_CLASSES, N_COPIES = 10, 3000
DIRT = ("photographs", "numbers")
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
    n_copies = round(chosen.copies * sum(map(len, rows)))
    n_others = round(chosen.dirty / (1 - chosen.dirty) * (sum(map(len, rows)) + n_copies))
    if n_others > len(others):
        raise SystemExit(f"--dirty: a pool wants {n_others} off-topic pictures, and --dirt has {len(others)}")
    others = others[:n_others]
    copies = np.flatnonzero(np.isin(images.copy_of, np.concatenate(rows)))
    copies = rng.permutation(copies)[:n_copies] if chosen.copies else copies[:0]
    mixed = rng.permutation(sum(map(len, rows)) + len(others) + len(copies))
    found = np.concatenate([*rows, others, copies])[mixed]
    unlabelled = np.zeros(len(others) + len(copies), bool)
    return BenchPool(found, np.concatenate([*given, unlabelled])[mixed], np.concatenate(test))


def read_images(chosen: argparse.Namespace) -> Images:
    """Embed the images, once: features are kept under --out."""
    samples = _digits() if chosen.pool == "digits" else read_samples(chosen.data)
    kinds = {chosen.pool: samples}
    for kind in chosen.dirt if chosen.dirty else ():
        pictures = pictures_of(kind, chosen.photographs)
        kinds[kind] = [Sample(f"{kind}-{n}", data, -1) for n, data in enumerate(pictures)]
    copied = np.empty(0, np.int64)
    if chosen.copies:
        rng = np.random.default_rng(1)
        copied = rng.permutation(len(samples))[:N_COPIES]
        kinds[f"copies-of-{chosen.pool}"] = [
            Sample(f"copy-{row}", disturbed(samples[row].data, n % 4, rng), samples[row].label)
            for n, row in enumerate(copied.tolist())
        ]
    select, judge = (
        np.concatenate([_features(chosen.out, encoder, kind, each, samples) for kind, each in kinds.items()])
        for encoder in (chosen.encoder, chosen.judge)
    )
    copy_of = np.concatenate([np.full(len(select) - len(copied), -1), copied])
    return Images(select, judge, np.array([each.label for kind in kinds.values() for each in kind]), copy_of)


def _digits() -> list[Sample]:
    found = load_digits()
    scans = (Image.fromarray(np.rint(each * 15.9375).astype(np.uint8)).resize((64, 64)) for each in found.images)
    return [
        Sample(f"digit-{n}", encoded(scan), int(label))
        for n, (scan, label) in enumerate(zip(scans, found.target, strict=True))
    ]


def _features(
    folder: Path, encoder: str, kind: str, samples: list[Sample], fitted_on: list[Sample]
) -> npt.NDArray[Any]:
    kept = folder / f"{re.sub('[^a-z0-9]+', '-', encoder.lower()).strip('-')}-{kind}-{len(samples)}.npy"
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        config, weights = BackboneConfig(name=encoder, image_size=96), None
        if config.is_fitted:
            config, weights = BackboneConfig(name=encoder), kept.with_suffix(".npz")
            order = np.random.default_rng(0).permutation(len(fitted_on))
            Patches.fit(config, (decode_rgb(fitted_on[row].data) for row in order.tolist()), weights, 2000, 0)
        batches = embed_images(load_backbone(config, weights), [(sample.key, sample.data) for sample in samples])
        np.save(kept, np.concatenate([batch.embeddings for batch in batches]))
    return np.asarray(np.load(kept), np.float32)
