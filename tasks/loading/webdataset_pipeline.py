"""A version as a `webdataset` pipeline, for who has one; `windrow.data_loader` is the loader for training."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import webdataset as wds
from webdataset.tariterators import group_by_keys, tar_file_expander
from webdataset.utils import pytorch_worker_info

from windrow.tasks.loading.version_samples import Unlabelled, split_shards
from windrow.tasks.pictures.decoding import decode_rgb
from windrow.tasks.storage.published.versions import read_manifest
from windrow.tasks.storage.published.webdataset_shards import image_extension

Sample = tuple[Any, int | None, dict[str, Any]]


def open_webdataset(
    version: str | Path, split: str = "train", *, shuffle: int = 0, seed: int = 0, unlabelled: Unlabelled = "keep"
) -> Any:
    """Return a `webdataset` pipeline over a split of a version, yielding (image, label, info).

    `image` is a PIL image in RGB, upright; `label` the class index of `.cls`, None where there is no label (those are
    left out with unlabelled='skip', and where samples may be of several classes those of which no state is known);
    `info` the `.json`. `shuffle` is the size of the shuffle buffer; more than 0 also
    shuffles the shards, and each pass over the pipeline has its own order, which `seed` decides. With 0 samples come by
    rank. Shards are dealt out to the nodes of torch.distributed and to a DataLoader's workers, in an order that is the
    same for all of them, so a worker beyond the number of shards gets nothing. The pipeline has webdataset's fluid
    methods (`map`, `select`, `batched`, `with_epoch`, ...).

    Raises ValueError when `version` is no version, has no WebDataset shards, or not that split, and when there are more
    nodes than shards.

    >>> from windrow import open_webdataset
    >>> image, label, info = next(iter(open_webdataset("data/store/curated/digits/v0001")))
    >>> image.size, info["rank"] >= 1
    ((8, 8), True)
    """
    if unlabelled not in ("keep", "skip"):
        raise ValueError(f"unlabelled: wants 'keep' or 'skip', got {unlabelled!r}")
    if shuffle < 0:
        raise ValueError(f"shuffle: wants 0 or more, got {shuffle}")
    shards = [str(Path(version) / file["path"]) for file in split_shards(version, read_manifest(version), split)]
    _check_nodes(len(shards))
    pipeline = wds.FluidWrapper(wds.SimpleShardList(shards))
    if shuffle:
        pipeline = pipeline.compose(wds.detshuffle(bufsize=len(shards), initial=len(shards), seed=seed))
    pipeline = pipeline.compose(wds.split_by_node, wds.split_by_worker, _read_shards)
    if shuffle:
        pipeline = pipeline.compose(wds.detshuffle(bufsize=shuffle, initial=shuffle, seed=seed))
    if unlabelled == "skip":
        pipeline = pipeline.select(_has_label)
    return pipeline.map(_decode)


def _check_nodes(n_shards: int) -> None:
    _, n_nodes, *_ = pytorch_worker_info()
    if n_nodes > n_shards:
        raise ValueError(
            f"{n_nodes} nodes share {n_shards} shards, so some would get nothing: take `data_loader`, which deals out"
            " samples, or export more shards (export.samples_per_shard)"
        )


def _read_shards(shards: Iterable[dict[str, str]]) -> Iterator[dict[str, Any]]:
    # webdataset's own opener leaves files open, and cuts paths at # and ? as if they were URLs.
    for shard in shards:
        with Path(shard["url"]).open("rb") as stream:
            yield from group_by_keys(tar_file_expander([{"url": shard["url"], "stream": stream}]))


def _has_label(sample: dict[str, Any]) -> bool:
    if "cls" in sample:
        return True
    info = json.loads(sample["json"])
    return bool(info.get("present") or info.get("absent"))  # of samples that may be of several classes


def _decode(sample: dict[str, Any]) -> Sample:
    info = json.loads(sample["json"])
    image = decode_rgb(sample[image_extension(info["format"])])
    return image, int(sample["cls"]) if "cls" in sample else None, info
