"""The default backbone: a dictionary of small patches learnt from the pool itself. No download, no labels.

`patch_dictionary.py` says how it works and where it comes from; here it is fitted, saved and loaded.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from windrow.tasks.algorithms.torch_threads import one_thread
from windrow.tasks.backbones.backbone import BackboneConfig, BackboneUnavailable
from windrow.tasks.backbones.patch_dictionary import (
    GRID,
    Dictionary,
    half_whitened_pca,
    random_patches,
    spherical_kmeans,
    zca,
)
from windrow.tasks.backbones.preprocessing import Preprocessing
from windrow.tasks.backbones.torch_backbone import TorchBackbone
from windrow.tasks.backbones.weight_files import hash_files

SIDE = 32
"""Side in pixels at which pictures are compared, unless the user wants another."""
Weights = dict[str, npt.NDArray[np.float32]]


def fit_patches(
    images: Iterable[Image.Image],
    *,
    n_centroids: int = 128,
    dim: int = 64,
    image_size: int | None = None,
    n_iters: int = 10,
    max_images: int = 2000,
    seed: int = 0,
) -> Weights:
    """Learn the dictionary from the first `max_images` pictures: pass them in a random order of the pool.

    Returns 'whiten' (d, d), 'mean' (d,), 'centroids' (n_centroids, d), 'centre' (f,), 'project' (f, dim) and
    'image_size' (), for d = 108 numbers a patch and f = 9 n_centroids features; `dim` falls to the number of pictures
    less one where there are fewer. Same pictures, same seed: same bits. Raises ValueError for fewer than two pictures.
    """
    image_size = SIDE if image_size is None else image_size
    least = {"n_centroids": (n_centroids, 2), "dim": (dim, 1), "n_iters": (n_iters, 1), "image_size": (image_size, 16)}
    for name, (value, minimum) in (least | {"max_images": (max_images, 2)}).items():
        if value < minimum:
            raise ValueError(f"{name} must be at least {minimum}, got {value}")
    prepare = _preprocessing(image_size).prepare
    pixels = [prepare(image) for image in islice(images, max_images)]
    if len(pixels) < 2:
        raise ValueError(f"images must hold at least two pictures, got {len(pixels)}")
    batch = torch.from_numpy(np.stack(pixels))
    random = torch.Generator().manual_seed(seed)
    with one_thread(), torch.inference_mode():
        patches = random_patches(batch, random)
        mean, whiten = zca(patches)
        centroids = spherical_kmeans((patches - mean) @ whiten, n_centroids, n_iters, random)
        dictionary = Dictionary(mean, whiten, centroids)
        features = torch.cat([dictionary.features(block.float()) for block in torch.split(batch, 64)])
        centre, project = half_whitened_pca(features, dim)
    fitted = {"mean": mean, "whiten": whiten, "centroids": centroids, "centre": centre, "project": project}
    return {k: v.numpy() for k, v in fitted.items()} | {"image_size": np.array(image_size, dtype=np.float32)}


def save_patches(weights: Mapping[str, npt.NDArray[np.float32]], path: Path) -> None:
    """Write an .npz file; the same weights give the same bytes, on any day."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(weights):
            out = io.BytesIO()
            np.lib.format.write_array(out, np.ascontiguousarray(weights[name]), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0)), out.getvalue())


class Patches(TorchBackbone):
    """The backbone 'patches' with the weights that `save_patches` wrote; its version is the file's SHA-256."""

    def __init__(self, config: BackboneConfig, weights: Path) -> None:
        try:
            # Opened here, because numpy leaves a damaged file open.
            with weights.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                fitted = {name: torch.from_numpy(file[name]) for name in file.files}
            model = Dictionary(*(fitted[k] for k in ("mean", "whiten", "centroids", "centre", "project")))
            image_size = int(fitted["image_size"])
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise BackboneUnavailable(f"{weights} is not a file of fitted patches: {error!r}") from error
        if config.image_size not in (None, image_size):
            raise ValueError(f"image_size is {config.image_size}, but {weights} was fitted at {image_size}")
        # The projection whitens: bfloat16's three digits would be spent on the first components.
        config = replace(config, precision="float32" if config.precision == "auto" else config.precision)
        preprocess, pooling = _preprocessing(image_size), f"{GRID}x{GRID} mean"
        super().__init__(model, preprocess, config, hash_files([weights]), pooling, [weights])

    def embed(self, batch: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """See `Backbone.embed`. On one thread: how many a worker has depends on how many workers there are."""
        with one_thread():
            return super().embed(batch)

    @staticmethod
    def fit(config: BackboneConfig, images: Iterable[Image.Image], path: Path, max_images: int, seed: int) -> None:
        """Learn the dictionary from the first `max_images` pictures, and write the file that the class is made with."""
        save_patches(fit_patches(images, image_size=config.image_size, max_images=max_images, seed=seed), path)


def _preprocessing(image_size: int) -> Preprocessing:
    # Squeezed to a square rather than cropped: nothing in the picture is ignored.
    return Preprocessing((image_size, image_size), None, Image.Resampling.BICUBIC, scale=1.0)
