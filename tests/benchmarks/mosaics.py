"""Pictures of several classes whose truth is known: mosaics of one to three pictures of CIFAR-10, each used once."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from bench_cifar import Sample, read_samples
from PIL import Image

from windrow.tasks.backbones import Backbone, BackboneConfig, load_backbone
from windrow.tasks.backbones.extract import embed_images
from windrow.tasks.backbones.snippets import SnippetBackbone

SIDE = 32
IMAGE_SIDE = 160
"""Pixels that the encoder sees of a mosaic."""
VIEW_SIDE = 96
"""The same where each mosaic is looked at ten times."""
RARER = 0.85
"""How much rarer each class is drawn than the one before it, in the order of classes.txt."""
N_CLASSES = 10


N_REFERENCES = 20
"""Pictures of each class that no mosaic shows, whose mean stands for a text that names the class."""


def draw_mosaics(
    samples: list[Sample], n: int, seed: int
) -> tuple[list[Sample], npt.NDArray[np.bool_], list[list[Sample]]]:
    """Return n mosaics of 2 x 2 pictures (one to three different ones), which classes each shows, bool (n, 10), and
    N_REFERENCES pictures of each class that are in none.
    """
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
    return mosaics, shown, [[samples[number] for number in numbers[:N_REFERENCES]] for numbers in left]


def embedded_mosaics(data: Path, model: str, n: int, seed: int, kept: Path) -> tuple[npt.NDArray[Any], Any]:
    """Return the embeddings (n, d) of mosaics, and what they show (n, 10); made once, and kept in a folder."""

    def make() -> dict[str, Any]:
        mosaics, shown, _ = draw_mosaics(read_samples(data), n, seed)
        return {"embeddings": _embedded(mosaics, _backbone(model, IMAGE_SIDE)), "shown": shown}

    file = _kept(kept / f"mosaics-{n}-{seed}.npz", make)
    return file["embeddings"], file["shown"]


@dataclass(frozen=True)
class Views:
    """Mosaics as CDUL sees them: embeddings (n, d) of the whole, snippets (n, grid * grid * d), those of N_REFERENCES
    pictures of each class that no mosaic shows, references (10, N_REFERENCES, d), and what mosaics show (n, 10).
    """

    whole: npt.NDArray[Any]
    snippets: npt.NDArray[Any]
    references: npt.NDArray[Any]
    shown: npt.NDArray[np.bool_]


def embedded_views(data: Path, model: str, n: int, seed: int, grid: int, kept: Path) -> Views:
    """Return mosaics and their snippets, each seen at VIEW_SIDE pixels; made once, and kept in a folder."""

    def make_whole() -> dict[str, Any]:
        mosaics, shown, references = draw_mosaics(read_samples(data), n, seed)
        backbone = _backbone(model, VIEW_SIDE)
        of_class = np.stack([_embedded(each, backbone) for each in references])
        return {"whole": _embedded(mosaics, backbone), "references": of_class, "shown": shown}

    def make_snippets() -> dict[str, Any]:
        mosaics, _, _ = draw_mosaics(read_samples(data), n, seed)
        return {"snippets": _embedded(mosaics, SnippetBackbone(_backbone(model, VIEW_SIDE), grid))}

    file = _kept(kept / f"views-{n}-{seed}.npz", make_whole)
    snippets = _kept(kept / f"views-{n}-{seed}-{grid}.npz", make_snippets)["snippets"]
    return Views(file["whole"], snippets, file["references"], file["shown"])


def _backbone(model: str, side: int) -> Backbone:
    return load_backbone(BackboneConfig(name=f"hf:{model}", image_size=side))


def _embedded(samples: list[Sample], backbone: Backbone) -> npt.NDArray[Any]:
    batches = embed_images(backbone, [(sample.key, sample.data) for sample in samples])
    return np.concatenate([batch.embeddings for batch in batches])


def _kept(path: Path, make: Callable[[], dict[str, Any]]) -> Any:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, **make())
    return np.load(path)
