"""Batches of decoded images by their places in a version: the part of a loader that runs in its workers."""

from __future__ import annotations

import os
import random
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from weakref import finalize

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from PIL import Image
from torch.utils.data import Dataset

from windrow.tasks.loading.state_targets import TENSORS
from windrow.tasks.loading.version_samples import VersionSamples
from windrow.tasks.pictures.decoding import UnreadableImage, decode_rgb
from windrow.tasks.storage.files.whole_columns import whole

OPEN_TARS = 64
Transform = Callable[[Image.Image], torch.Tensor]
Info = dict[str, Any]


class Batch(NamedTuple):
    """`images`: the stacked tensors of the transform; `labels` (n,) int64, NO_LABEL where there is none.

    `info`: the asked columns of EXPORTED_SAMPLES by name: a tensor (n,) of numbers or truth values, else a list. A
    number that is null is NaN. Soft labels and logits are a tensor (n, n_classes), a row of NaN where there are none.
    Of samples that may be of several classes it always has `targets`, `soft_targets` and `known`, see `StateTargets`.
    """

    images: torch.Tensor
    labels: torch.Tensor
    info: Info


@dataclass(frozen=True)
class BatchPlaces:
    """A batch to be read: the places of its samples, and a number for each one's random draws."""

    places: npt.NDArray[np.int64]
    seeds: npt.NDArray[np.uint64]


class ImageDataset(Dataset[Batch]):
    """Reads, decodes and stacks the images at given places. Nothing is open before the first is asked for.

    Random draws of a transform (from torch's, NumPy's and Python's global generators) are a function of the sample's
    seed alone, whichever process makes them; the generators are as they were afterwards. `min_side`: see `decode_rgb`.
    """

    def __init__(
        self, samples: VersionSamples, transform: Transform | None, columns: Sequence[str], min_side: int | None
    ) -> None:
        self._samples, self._transform, self._min_side = samples, transform, min_side
        self._columns = {name: whole(samples.table[name]) for name in columns if name not in (*samples.soft, *TENSORS)}
        self._states = samples.states()
        self._soft = {name: samples.soft[name] for name in columns if name in samples.soft}
        self._tars = OpenTars(samples.tars)

    def __getitem__(self, wanted: BatchPlaces) -> Batch:
        images = self._images(wanted)
        info = {name: _values(column, wanted.places) for name, column in self._columns.items()}
        shards, rows = self._samples.shard[wanted.places], self._samples.row[wanted.places]
        info |= {name: torch.from_numpy(column.read(shards, rows)) for name, column in self._soft.items()}
        if self._states is not None:
            info |= {name: torch.from_numpy(found) for name, found in self._states.read(wanted.places).items()}
        return Batch(images, torch.from_numpy(self._samples.labels[wanted.places]), info)

    def _images(self, wanted: BatchPlaces) -> torch.Tensor:
        if self._transform is None:
            pixels = [np.asarray(self._image(place)) for place in wanted.places.tolist()]
            _check_shapes(pixels)
            return torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).float().div_(255)
        with _kept_generators():
            images = [self._transformed(*each) for each in zip(wanted.places.tolist(), wanted.seeds, strict=True)]
        _check_shapes(images)
        return torch.stack(images)

    def _transformed(self, place: int, seed: np.uint64) -> torch.Tensor:
        image = self._image(place)
        torch.default_generator.manual_seed(int(seed))
        np.random.seed(int(seed) & 0xFFFFFFFF)
        random.seed(int(seed))
        return self._transform(image)  # type: ignore[misc]

    def _image(self, place: int) -> Image.Image:
        samples = self._samples
        tar = int(samples.shard[place])
        data = self._tars.read(tar, int(samples.offset[place]), int(samples.n_bytes[place]))
        try:
            return decode_rgb(data, self._min_side)
        except UnreadableImage as error:
            name = samples.table["sample_id"][place].as_py()
            raise RuntimeError(
                f"{samples.tars[tar]}: sample {name} cannot be decoded any more ({error.reason}):"
                " `windrow verify` tells what else is damaged"
            ) from None


@dataclass
class OpenTars:
    """The tars that were read last, kept open; each process opens its own."""

    paths: Sequence[str]
    _files: OrderedDict[int, _OpenFile] = field(default_factory=OrderedDict)
    _owner: int = 0

    def read(self, tar: int, offset: int, length: int) -> bytes:
        if self._owner != os.getpid():
            self._files, self._owner = OrderedDict(), os.getpid()
        if tar not in self._files:
            if len(self._files) >= OPEN_TARS:
                self._files.popitem(last=False)
            self._files[tar] = _OpenFile(self.paths[tar])
        self._files.move_to_end(tar)
        return os.pread(self._files[tar].descriptor, length, offset)


class _OpenFile:
    """A file that is closed when nobody holds it any more."""

    def __init__(self, path: str) -> None:
        self.descriptor = os.open(path, os.O_RDONLY)
        finalize(self, os.close, self.descriptor)


def _check_shapes(images: Sequence[torch.Tensor] | Sequence[npt.NDArray[np.uint8]]) -> None:
    shapes = {tuple(image.shape) for image in images}
    if len(shapes) > 1:
        raise ValueError(
            f"transform: a batch wants images of one size, got {', '.join(map(str, sorted(shapes)[:3]))}:"
            " give a transform that makes them so"
        )


def _values(column: pa.Array, places: npt.NDArray[np.int64]) -> torch.Tensor | list[Any]:
    taken = column.take(pa.array(places))
    kind = taken.type
    is_whole = (pa.types.is_boolean(kind) or pa.types.is_integer(kind)) and not taken.null_count
    if is_whole or pa.types.is_floating(kind):
        return torch.from_numpy(np.array(taken.to_numpy(zero_copy_only=False)))
    return list(taken.to_pylist())


@contextmanager
def _kept_generators() -> Iterator[None]:
    states = torch.get_rng_state(), np.random.get_state(), random.getstate()
    try:
        yield
    finally:
        torch.set_rng_state(states[0])
        np.random.set_state(states[1])
        random.setstate(states[2])
