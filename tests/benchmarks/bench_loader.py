"""How fast loaders read: `data_loader` against webdataset, LitData and MosaicML Streaming, on the same images.

    python tests/benchmarks/bench_loader.py [--side 32] [--n 4000] [--workers 0] [--rounds 5]

All decode to RGB and make float tensors (3, side, side), in batches of 64, shuffled. The peers read shards of their own
making: webdataset the version's tars, LitData and MDS what their own writers make of the same bytes. The loaders take
turns, round by round, so that what else the machine does falls on all alike; what is told is the median of the rounds.
A peer that is not installed is left out, and that is said.
"""

from __future__ import annotations

import argparse
import io
import logging
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader

from windrow.tasks.loading.sample_loader import data_loader

BATCH = 64
Epoch = Callable[[], Iterable[Any]]


class Made(NamedTuple):
    """The images, the version that holds them, and a folder for what the peers make of them."""

    folder: Path
    version: Path
    images: list[bytes]


def make_images(n: int, side: int, photos: Path | None) -> list[bytes]:
    """JPEGs, no two alike: photographs with a comment of 8 bytes each, or squares of noise that was smoothed."""
    if photos is not None:
        found = [path.read_bytes() for path in sorted(photos.glob("*.JPEG"))]
        found = [data for data in found if data.startswith(b"\xff\xd8")]
        return [
            found[i % len(found)][:2] + b"\xff\xfe\0\x0a" + i.to_bytes(8) + found[i % len(found)][2:] for i in range(n)
        ]
    rng = np.random.default_rng(0)
    images = []
    for _ in range(n):
        small = Image.fromarray(rng.integers(0, 256, (max(1, side // 4), max(1, side // 4), 3), dtype=np.uint8))
        out = io.BytesIO()
        small.resize((side, side), Image.Resampling.BICUBIC).save(out, "JPEG", quality=90)
        images.append(out.getvalue())
    return images


def to_tensor(side: int, image: Image.Image) -> torch.Tensor:
    image = image.convert("RGB")
    if image.size != (side, side):
        image = image.resize((side, side), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255


def decoded(side: int, data: bytes) -> torch.Tensor:
    return to_tensor(side, Image.open(io.BytesIO(data)))


def windrow_epochs(made: Made, side: int, workers: int) -> dict[str, Epoch]:
    transform = partial(to_tensor, side)
    plain = data_loader(made.version, batch_size=BATCH, transform=transform, unlabelled="keep", workers=workers)
    found: dict[str, Epoch] = {"windrow": lambda: plain}
    if len({Image.open(io.BytesIO(data)).size for data in made.images[:50]}) > 1:
        draft = data_loader(
            made.version, batch_size=BATCH, transform=transform, unlabelled="keep", workers=workers, min_side=side
        )
        found["windrow, min_side"] = lambda: draft
    return found


def webdataset_epochs(made: Made, side: int, workers: int) -> dict[str, Epoch]:
    import webdataset as wds

    tars = sorted(map(str, (made.version / "webdataset").glob("*.tar")))

    def pair(sample: tuple[Image.Image, Any]) -> tuple[torch.Tensor, Any]:
        return to_tensor(side, sample[0]), sample[1]

    data = wds.WebDataset(tars, shardshuffle=len(tars), empty_check=False, nodesplitter=wds.single_node_only)
    data = data.shuffle(1000).decode("pil").to_tuple("jpg", "json").map(pair).batched(BATCH)
    loader = wds.WebLoader(data, batch_size=None, num_workers=workers)
    return {"webdataset": lambda: loader}


def litdata_epochs(made: Made, side: int, workers: int) -> dict[str, Epoch]:
    import litdata
    from litdata.streaming.writer import BinaryWriter

    out = made.folder / "litdata"
    out.mkdir()
    writer = BinaryWriter(str(out), chunk_bytes="64MB")
    for i, image in enumerate(made.images):
        writer[i] = {"image": image, "label": i}
    writer.done()
    writer.merge(1)

    class Samples(litdata.StreamingDataset):  # type: ignore[misc]
        def __getitem__(self, index: Any) -> Any:
            sample = super().__getitem__(index)
            return decoded(side, sample["image"]), sample["label"]

    loader = litdata.StreamingDataLoader(Samples(str(out), shuffle=True), batch_size=BATCH, num_workers=workers)
    return {"LitData": lambda: loader}


def mds_epochs(made: Made, side: int, workers: int) -> dict[str, Epoch]:
    import streaming

    out = made.folder / "mds"
    with streaming.MDSWriter(out=str(out), columns={"image": "bytes", "label": "int"}) as writer:
        for i, image in enumerate(made.images):
            writer.write({"image": image, "label": i})

    class Samples(streaming.StreamingDataset):  # type: ignore[misc]
        def __getitem__(self, index: int) -> Any:
            sample = super().__getitem__(index)
            return decoded(side, sample["image"]), sample["label"]

    data = Samples(local=str(out), shuffle=True, batch_size=BATCH)
    loader = DataLoader(data, batch_size=BATCH, num_workers=workers)
    return {"MDS": lambda: loader}


def make_version(folder: Path, images: list[bytes]) -> Path:
    from small_export import export_images

    return export_images(folder / "store", folder / "source", images)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--n", type=int, default=4000)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        images = make_images(chosen.n, chosen.side, chosen.photos)
        version = make_version(folder, images)
        epochs: dict[str, Epoch] = {}
        for make in (windrow_epochs, webdataset_epochs, litdata_epochs, mds_epochs):
            try:
                epochs |= make(Made(folder, version, images), chosen.side, chosen.workers)
            except ImportError as error:
                print(f"left out: {make.__name__.removesuffix('_epochs')}: {error}")
        rates: dict[str, list[float]] = {name: [] for name in epochs}
        for number in range(chosen.rounds + 1):
            for name, epoch in epochs.items():
                start = time.perf_counter()
                n = sum(len(batch[0]) for batch in epoch())
                if n != len(images):
                    raise RuntimeError(f"{name} read {n} of {len(images)} samples")
                if number:  # the first warms up
                    rates[name].append(n / (time.perf_counter() - start))
        mean_bytes = sum(map(len, images)) // len(images)
        print(f"{len(images):,} JPEGs of {mean_bytes:,} bytes to {chosen.side} pixels, {chosen.workers} workers")
        ours = statistics.median(rates["windrow"])
        for name, found in rates.items():
            middle = statistics.median(found)
            print(
                f"{name:18} {middle:9,.0f}  ({min(found):,.0f} to {max(found):,.0f})  windrow is {ours / middle:.2f} x"
            )


if __name__ == "__main__":
    main()
