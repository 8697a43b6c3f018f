"""Pictures of several classes whose truth is known: mosaics of one to three pictures of CIFAR-10, each used once."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from bench_cifar import Sample, read_samples
from PIL import Image

from windrow.tasks.backbones import BackboneConfig, load_backbone
from windrow.tasks.backbones.extract import embed_images

SIDE = 32
IMAGE_SIDE = 160
"""Pixels that the encoder sees of a mosaic."""
RARER = 0.85
"""How much rarer each class is drawn than the one before it, in the order of classes.txt."""
N_CLASSES = 10


def draw_mosaics(samples: list[Sample], n: int, seed: int) -> tuple[list[Sample], npt.NDArray[np.bool_]]:
    """Return n mosaics of 2 x 2 pictures (one to three different ones), and which classes each shows, bool (n, 10)."""
    rng = np.random.default_rng(seed)
    labels = np.array([sample.label for sample in samples])
    left = [rng.permutation(np.flatnonzero(labels == label)).tolist() for label in range(N_CLASSES)]
    weights = RARER ** np.arange(N_CLASSES)
    shown = np.zeros((n, N_CLASSES), np.bool_)
    mosaics = []
    for number in range(n):
        classes = rng.choice(N_CLASSES, rng.integers(1, 4), p=weights / weights.sum())
        shown[number, classes] = True
        pictures = [Image.open(io.BytesIO(samples[left[label].pop()].data)) for label in classes.tolist()]
        whole = Image.new("RGB", (2 * SIDE, 2 * SIDE))
        for place in range(4):
            whole.paste(pictures[place % len(pictures)], (place % 2 * SIDE, place // 2 * SIDE))
        out = io.BytesIO()
        whole.save(out, "PNG")
        mosaics.append(Sample(f"mosaic-{number}", out.getvalue(), -1))
    return mosaics, shown


def embedded_mosaics(data: Path, model: str, n: int, seed: int, kept: Path) -> tuple[npt.NDArray[Any], Any]:
    """Return the embeddings (n, d) of mosaics, and what they show (n, 10); made once, and kept in a folder."""
    path = kept / f"mosaics-{n}-{seed}.npz"
    if not path.exists():
        kept.mkdir(parents=True, exist_ok=True)
        mosaics, shown = draw_mosaics(read_samples(data), n, seed)
        backbone = load_backbone(BackboneConfig(name=f"hf:{model}", image_size=IMAGE_SIDE))
        batches = embed_images(backbone, [(sample.key, sample.data) for sample in mosaics])
        np.savez(path, embeddings=np.concatenate([batch.embeddings for batch in batches]), shown=shown)
    file = np.load(path)
    return file["embeddings"], file["shown"]
