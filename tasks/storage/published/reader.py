"""Reading a version for training: a `webdataset` pipeline and a PyTorch loader over it.

    from windrow import data_loader
    for images, labels, infos in data_loader("data/store/curated/pets/v0001", batch_size=64, transform=...): ...

Readers elsewhere need nothing of this: the tars and Parquet files are plain WebDataset and Hugging Face.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import webdataset as wds
from PIL import Image
from webdataset.tariterators import group_by_keys, tar_file_expander

from windrow.tasks.pictures.decoding import decode_rgb
from windrow.tasks.storage.published.versions import read_manifest
from windrow.tasks.storage.published.webdataset_shards import image_extension

Unlabelled = Literal["keep", "skip"]
Sample = tuple[Any, int | None, dict[str, Any]]

NO_LABEL = -100
"""Stands for 'no label' in a batch: the value that torch's losses ignore by default."""


def open_webdataset(
    version: str | Path, split: str = "train", *, shuffle: int = 0, seed: int = 0, unlabelled: Unlabelled = "keep"
) -> Any:
    """Return a `webdataset` pipeline over a split of a version, yielding (image, label, info).

    `image` is a PIL image in RGB, upright; `label` the class index of `.cls`, None where there is no label (those are
    left out with unlabelled='skip'); `info` the `.json`. `shuffle` is the size of the shuffle buffer; more than 0 also
    shuffles the shards, and each pass over the pipeline has its own order, which `seed` decides. With 0 samples come by
    rank. Shards are dealt out to the nodes of torch.distributed and to a DataLoader's workers, in an order that is the
    same for all of them, so a node or a worker beyond the number of shards gets nothing. The pipeline has webdataset's
    fluid methods (`map`, `select`, `batched`, `with_epoch`, ...).

    Raises ValueError when `version` is no version, has no WebDataset shards, or not that split.

    >>> from windrow import open_webdataset
    >>> image, label, info = next(iter(open_webdataset("data/store/curated/digits/v0001")))
    >>> image.size, info["rank"] >= 1
    ((8, 8), True)
    """
    if unlabelled not in ("keep", "skip"):
        raise ValueError(f"unlabelled: wants 'keep' or 'skip', got {unlabelled!r}")
    if shuffle < 0:
        raise ValueError(f"shuffle: wants 0 or more, got {shuffle}")
    shards = webdataset_shards(version, split)
    pipeline = wds.FluidWrapper(wds.SimpleShardList(shards))
    if shuffle:
        pipeline = pipeline.compose(wds.detshuffle(bufsize=len(shards), initial=len(shards), seed=seed))
    pipeline = pipeline.compose(wds.split_by_node, wds.split_by_worker, _read_shards)
    if shuffle:
        pipeline = pipeline.compose(wds.detshuffle(bufsize=shuffle, initial=shuffle, seed=seed))
    if unlabelled == "skip":
        pipeline = pipeline.select(_has_label)
    return pipeline.map(_decode)


def data_loader(
    version: str | Path,
    split: str = "train",
    *,
    batch_size: int = 64,
    transform: Callable[[Image.Image], torch.Tensor] | None = None,
    shuffle: int = 1000,
    seed: int = 0,
    unlabelled: Unlabelled = "skip",
    workers: int = 0,
) -> Any:
    """Return a `webdataset.WebLoader` over `open_webdataset`, yielding batches (images, labels, infos).

    `images` are the stacked tensors of `transform`, which must make them of one size (by default (3, height, width)
    from 0 to 1, as large as they are); `labels` are int64 (n,), NO_LABEL where there is none; `infos` is a list. The
    last batch of each of the `workers` (processes; 0 reads in this one) may be smaller. Raises ValueError when
    `version` is no version, has no WebDataset shards, or not that split.

    >>> from windrow import data_loader
    >>> loader = data_loader("data/store/curated/digits/v0001", batch_size=8)
    >>> {images.shape[1:] for images, labels, infos in loader}
    {torch.Size([3, 8, 8])}
    """
    if batch_size < 1 or workers < 0:
        raise ValueError(f"wants batch_size of 1 or more and workers of 0 or more, got {batch_size} and {workers}")
    samples = open_webdataset(version, split, shuffle=shuffle, seed=seed, unlabelled=unlabelled)
    batches = samples.map(partial(_transform, transform or image_to_tensor)).batched(batch_size, collation_fn=_collate)
    # Workers that live on keep the number of the pass, and with it another order in each.
    generator = torch.Generator().manual_seed(seed)  # a DataLoader draws a number of the global state otherwise
    return wds.WebLoader(
        batches, batch_size=None, num_workers=workers, persistent_workers=workers > 0, generator=generator
    )


def webdataset_shards(version: str | Path, split: str) -> list[str]:
    """Return the paths of a split's tars, in order. Raises ValueError when there are none."""
    manifest = read_manifest(version)
    paths = [
        str(Path(version) / file["path"])
        for file in manifest["files"]
        if file["path"].startswith("webdataset/") and file.get("split") == split
    ]
    if not paths:
        formats, splits = manifest["config"]["formats"], list(manifest["counts"]["split"])
        raise ValueError(f"{version} has no WebDataset shard of split {split!r}: formats {formats}, splits {splits}")
    return paths


def image_to_tensor(image: Image.Image) -> torch.Tensor:
    """Return a PIL image as a tensor (3, height, width), float32 from 0 to 1."""
    return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1).float() / 255


def _read_shards(shards: Iterable[dict[str, str]]) -> Iterator[dict[str, Any]]:
    # webdataset's own opener leaves files open, and cuts paths at # and ? as if they were URLs.
    for shard in shards:
        with Path(shard["url"]).open("rb") as stream:
            yield from group_by_keys(tar_file_expander([{"url": shard["url"], "stream": stream}]))


def _has_label(sample: dict[str, Any]) -> bool:
    return "cls" in sample


def _decode(sample: dict[str, Any]) -> Sample:
    info = json.loads(sample["json"])
    image = decode_rgb(sample[image_extension(info["format"])])
    return image, int(sample["cls"]) if "cls" in sample else None, info


def _transform(transform: Callable[[Image.Image], torch.Tensor], sample: Sample) -> Sample:
    image, label, info = sample
    return transform(image), label, info


def _collate(samples: Sequence[Sample]) -> tuple[torch.Tensor, torch.Tensor, list[dict[str, Any]]]:
    images, labels, infos = zip(*samples, strict=True)
    known = [NO_LABEL if label is None else label for label in labels]
    return torch.stack(images), torch.tensor(known, dtype=torch.int64), list(infos)
