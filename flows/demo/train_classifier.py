"""Train a small classifier on a version, and measure it on labelled images.

    python -m windrow.flows.demo.train_classifier STORE/curated/NAME/v0001 --test test.parquet [--against .../v0001]

The example of how a trainer reads a version, and the measure of whether curation helped: `--against` a random set of
equal size. The network is as small as the demo's images, so it takes seconds on a CPU; any other goes in its place.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image
from torch import nn

from windrow.tasks.algorithms.torch_threads import one_thread
from windrow.tasks.loading.sample_loader import data_loader
from windrow.tasks.storage.published.versions import read_manifest
from windrow.tasks.storage.published.webdataset_shards import class_indices


@dataclass(frozen=True)
class TrainingConfig:
    """`image_size`: pixels to a side that every image is resized to. The same seed gives the same network."""

    image_size: int = 16
    n_epochs: int = 20
    batch_size: int = 32
    learning_rate: float = 2e-3
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("image_size", "n_epochs", "batch_size", "learning_rate"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name}: wants more than 0, got {getattr(self, name)}")
        if self.image_size % 4:
            raise ValueError(f"image_size: wants a multiple of 4, got {self.image_size}")


@dataclass(frozen=True)
class Classifier:
    """A trained network; its n-th output is the class `names[n]`."""

    network: nn.Module
    names: tuple[str, ...]
    image_size: int

    def predict(self, images: Sequence[Image.Image]) -> list[str]:
        """Return the name of each image's class."""
        batch = torch.stack([resized(self.image_size, image) for image in images])
        with torch.inference_mode():
            return [self.names[n] for n in self.network(batch).argmax(1).tolist()]


def resized(size: int, image: Image.Image) -> torch.Tensor:
    """Return an image as a tensor (3, size, size) from -1 to 1."""
    pixels = np.array(image.resize((size, size), Image.Resampling.BILINEAR).convert("RGB"))
    return torch.from_numpy(pixels).permute(2, 0, 1).float() / 127.5 - 1


def small_network(image_size: int, n_classes: int) -> nn.Module:
    """Return a convolutional network of two layers for images (n, 3, image_size, image_size)."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * (image_size // 4) ** 2, n_classes),
    )


def train_small_classifier(loader: Iterable[Any], classes: Mapping[str, int], config: TrainingConfig) -> Classifier:
    """Train on the batches (images, labels, infos) of a loader that can be passed over n_epochs times.

    `classes` is the index that a label has for each class, as `class_indices` gives it; every label is one of them.
    """
    names = tuple(classes)
    position = {index: n for n, index in enumerate(classes.values())}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network = small_network(config.image_size, len(names))
    with one_thread():  # faster too, for so small a network
        _train(network, loader, position, config)
    return Classifier(network.eval(), names, config.image_size)


def _train(network: nn.Module, loader: Iterable[Any], position: Mapping[int, int], config: TrainingConfig) -> None:
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, config.n_epochs)
    for _ in range(config.n_epochs):
        for images, labels, _infos in loader:
            targets = torch.tensor([position[label] for label in labels.tolist()])
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(images), targets).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        schedule.step()


def train_on_version(version: str | Path, config: TrainingConfig | None = None) -> Classifier:
    """Train on the labelled images of the train split of a version. Raises ValueError when it has none."""
    config = config or TrainingConfig()
    manifest = read_manifest(version)
    if not sum(manifest["counts"]["class"].values()):
        raise ValueError(f"{version} has no labelled image to train on")
    transform = partial(resized, config.image_size)
    loader = data_loader(version, "train", batch_size=config.batch_size, transform=transform, seed=config.seed)
    return train_small_classifier(loader, class_indices(manifest["classes"]), config)


def read_labelled_images(path: str | Path) -> tuple[list[Image.Image], list[str]]:
    """Read images and labels of a Parquet file, or a folder of them: columns `image` (bytes, path) and `label`.

    Images without a label are left out. Raises ValueError when a column is missing, or no image is left.
    """
    if not Path(path).exists():
        raise ValueError(f"there is no file {path}")
    table = pq.read_table(path)
    for column in ("image", "label"):
        if column not in table.column_names:
            raise ValueError(f"{path} has no column {column!r}; it has {', '.join(table.column_names)}")
    rows = [row for row in table.select(["image", "label"]).to_pylist() if row["label"] is not None]
    if not rows:
        raise ValueError(f"{path} has no labelled image")
    images = [Image.open(io.BytesIO(row["image"]["bytes"])).convert("RGB") for row in rows]
    return images, [str(row["label"]) for row in rows]


def balanced_accuracy(truth: Sequence[str], predicted: Sequence[str]) -> float:
    """Return the mean, over the classes in `truth`, of the share of their samples that are predicted right."""
    if len(truth) != len(predicted) or not truth:
        raise ValueError(f"wants as many predictions as labels and at least one, got {len(predicted)} and {len(truth)}")
    labels, right = np.asarray(truth), np.asarray(truth) == np.asarray(predicted)
    return float(np.mean([right[labels == name].mean() for name in np.unique(labels)]))


def measure_version(version: str | Path, test: str | Path, config: TrainingConfig | None = None) -> float:
    """Train on a version and return the balanced accuracy on the images of `test`."""
    images, labels = read_labelled_images(test)
    return balanced_accuracy(labels, train_on_version(version, config).predict(images))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the balanced accuracy of one version, or of two."""
    parser = argparse.ArgumentParser(prog="python -m windrow.flows.demo.train_classifier", description=main.__doc__)
    parser.add_argument("version", type=Path, help="folder of a version")
    parser.add_argument("--test", type=Path, required=True, help="Parquet of labelled images, never trained on")
    parser.add_argument("--against", type=Path, help="folder of a version to compare with")
    parser.add_argument("--epochs", type=int, default=TrainingConfig.n_epochs)
    parser.add_argument("--seed", type=int, default=TrainingConfig.seed)
    chosen = parser.parse_args(arguments)
    try:
        config = TrainingConfig(n_epochs=chosen.epochs, seed=chosen.seed)
        for version in filter(None, (chosen.version, chosen.against)):
            n_samples = read_manifest(version)["n_samples"]
            accuracy = measure_version(version, chosen.test, config)
            print(f"balanced accuracy {accuracy:.3f}  {n_samples:,} samples  {version}")
    except ValueError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
