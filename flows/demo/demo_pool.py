"""The demo's pool: scikit-learn's handwritten digits as a pool looks in real life. No download, and the truth is known.

Ten classes from 154 samples to 3, their order shuffled by the seed; 35 exact duplicates (5 %), 35 near-duplicates (5 %,
shifted by a pixel), 40 off-topic patches of two photographs, 10 broken files, and 3 PNGs that are named .jpg: 816
occurrences, 771 readable samples. 10 samples of each class come with their label, but only 4 and 2 of the two classes
that have 7 and 3: the others measure the pseudo-labels. (Classes cannot be 50 to 1 with 10 labels in the rarest, as 154
of a digit are left beside the test set.) Beside the pool, 20 of each class judge what is made of it.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from windrow.flows.demo.demo_files import (
    JUDGES,
    LOOSE,
    PARQUET,
    Entry,
    image_table,
    place_entries,
    write_judges,
    write_sources,
)
from windrow.tasks.storage.files.whole_or_absent import publish_directory, temporary_directory
from windrow.tasks.storage.sources.source_shard import sample_id_of

VERSION = 2
SIDE = 8
N_TEST = 20
CLASS_COUNTS = (154, 147, 127, 100, 71, 46, 27, 14, 7, 3)
"""Samples of each class in the pool, most frequent first: 154 x 50^-((i / 9)^2), a thin tail behind full classes."""
GIVEN_COUNTS = (10, 10, 10, 10, 10, 10, 10, 10, 4, 2)
"""How many of them come with their label."""
N_DUPLICATES = 35
N_NEAR_DUPLICATES = 35
N_OFF_TOPIC = 40
N_TRUNCATED, N_EMPTY, N_TEXT, N_MISNAMED = 4, 3, 3, 3

TRUTH = pa.schema(
    [
        pa.field("sample_id", pa.string(), nullable=False),
        pa.field("label", pa.string()),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("near_duplicate_of", pa.string()),
    ]
)
"""`label` is null off topic; `kind` is digit, near_duplicate or off_topic; `near_duplicate_of` is the original."""

_MANIFEST = "demo.json"
_TEXT = b"This is no image: somebody saved the notes of a meeting under the wrong name.\n"

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class DemoPool:
    """Where the demo's files lie. `sources` are the pool; the pipeline never reads `truth` or `test`.

    `truth`: a row of TRUTH for every readable image. `test`: 20 samples of each class that are not in the pool, with
    `image` (struct of bytes and path, as Hugging Face lays it out) and `label` ('0' to '9'). `judges`: a folder of the
    images of the test, and `evaluate` a CSV of their `sample_id` and `label`: what `worth.evaluate` holds out.
    """

    sources: tuple[Path, ...]
    truth: Path
    test: Path
    judges: Path
    evaluate: Path


def make_demo_pool(folder: Path, seed: int = 0, side: int = SIDE) -> DemoPool:
    """Write the demo's pool into a new folder, or find it there; the same arguments give the same bytes.

    The digits are 8 x 8 pixels. A larger `side` draws them enlarged (bicubic), so that a shift by a pixel is a smaller
    part of the picture. Raises ValueError for a bad argument or a folder that holds anything else, and
    ModuleNotFoundError without scikit-learn.
    """
    if seed < 0:
        raise ValueError(f"seed: wants 0 or more, got {seed}")
    if side < SIDE:
        raise ValueError(f"side: wants {SIDE} pixels or more, got {side}")
    manifest = json.dumps({"version": VERSION, "seed": seed, "side": side})
    if not _holds(folder, manifest):
        images, labels, photos = _load()
        folder.parent.mkdir(parents=True, exist_ok=True)
        with temporary_directory(folder.parent) as path:
            _write(path, _enlarged(images, side), labels, photos, seed)
            (path / _MANIFEST).write_text(manifest)
            publish_directory(path, folder)
    sources = (folder / "tars", folder / LOOSE, folder / PARQUET)
    return DemoPool(
        sources, folder / "truth.parquet", folder / "test.parquet", folder / JUDGES, folder / f"{JUDGES}.csv"
    )


def _holds(folder: Path, manifest: str) -> bool:
    if (folder / _MANIFEST).is_file() and (folder / _MANIFEST).read_text() == manifest:
        return True
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(
            f"folder: {folder} holds something else than this pool ({manifest}); remove it or name another"
        )
    return False


def _load() -> tuple[Pixels, npt.NDArray[np.int64], list[Pixels]]:
    """The 1,797 digits (n, 8, 8) in grey levels 0 to 255, their labels, and two photographs."""
    try:
        from sklearn.datasets import load_digits, load_sample_images
    except ImportError as error:
        raise ModuleNotFoundError("the demo's images come with scikit-learn: pip install 'windrow[demo]'") from error
    digits = load_digits()
    return np.rint(digits.images * (255 / 16)).astype(np.uint8), digits.target, load_sample_images().images


def _enlarged(images: Pixels, side: int) -> Pixels:
    if side == SIDE:
        return images
    return np.stack([np.asarray(Image.fromarray(image).resize((side, side))) for image in images])


def _write(path: Path, images: Pixels, labels: npt.NDArray[np.int64], photos: list[Pixels], seed: int) -> None:
    rng = np.random.default_rng(seed)
    test, pool, given = _draw(labels, rng)
    digits = [Entry(_encoded(images[row]), "png", str(labels[row]), row in given) for row in pool]
    near = list(_near_duplicates(images[pool], digits, rng))
    near_duplicates = [entry for entry, _ in near]
    off_topic = list(_off_topic(photos, rng))
    for n in rng.choice(len(digits), N_MISNAMED, replace=False):
        digits[n] = replace(digits[n], extension="jpg")
    duplicates = rng.choice(len(digits), N_DUPLICATES, replace=False)
    originals = [*digits, *near_duplicates, *off_topic]
    write_sources(path, place_entries(originals, duplicates.tolist(), _broken(digits), rng))

    origins = {sample_id_of(entry.data): sample_id_of(original.data) for entry, original in near}
    kinds = (("digit", digits), ("near_duplicate", near_duplicates), ("off_topic", off_topic))
    truth = [_truth(entry, kind, origins) for kind, entries in kinds for entry in entries]
    table = pa.Table.from_pylist(sorted(truth, key=lambda row: row["sample_id"]), schema=TRUTH)
    pq.write_table(table, path / "truth.parquet")
    judges = [Entry(_encoded(images[row]), "png", str(labels[row])) for row in test]
    images_of_test = image_table([(f"test/{n:06d}.png", entry.data) for n, entry in enumerate(judges)])
    pq.write_table(images_of_test.append_column("label", [[entry.label for entry in judges]]), path / "test.parquet")
    write_judges(path, judges)


def _draw(
    labels: npt.NDArray[np.int64], rng: np.random.Generator
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], set[int]]:
    """Rows of the test set, of the pool, and of those of the pool that keep their label."""
    test, pool, given = [], [], []
    for label, n, n_given in zip(rng.permutation(10), CLASS_COUNTS, GIVEN_COUNTS, strict=True):
        rows = rng.permutation(np.flatnonzero(labels == label))
        test.append(rows[:N_TEST])
        pool.append(rows[N_TEST : N_TEST + n])
        given.append(rows[N_TEST : N_TEST + n_given])
    return rng.permutation(np.concatenate(test)), np.concatenate(pool), set(np.concatenate(given).tolist())


def _encoded(pixels: Pixels, image_format: Literal["PNG", "JPEG"] = "PNG") -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, image_format, quality=90)
    return out.getvalue()


def _near_duplicates(images: Pixels, digits: list[Entry], rng: np.random.Generator) -> Iterator[tuple[Entry, Entry]]:
    """Digits of the pool shifted by one pixel, black moving in, each with its original."""
    taken = {entry.data for entry in digits}
    for n in rng.choice(len(digits), N_NEAR_DUPLICATES, replace=False):
        side = images.shape[1]
        framed = np.pad(images[n], 1)
        shifted = [framed[y : y + side, x : x + side] for y, x in rng.permutation([(0, 1), (2, 1), (1, 0), (1, 2)])]
        data = next(data for data in map(_encoded, shifted) if data not in taken)
        taken.add(data)
        yield replace(digits[n], data=data, given=False), digits[n]


def _off_topic(photos: list[Pixels], rng: np.random.Generator) -> Iterator[Entry]:
    for n in range(N_OFF_TOPIC):
        photo, side = photos[n % len(photos)], int(rng.integers(8, 65))
        top, left = (int(rng.integers(0, length - side + 1)) for length in photo.shape[:2])
        patch = photo[top : top + side, left : left + side]
        yield Entry(_encoded(patch, "JPEG"), "jpg") if n % 4 < 2 else Entry(_encoded(patch), "png")


def _broken(digits: list[Entry]) -> list[Entry]:
    truncated = [Entry(entry.data[: len(entry.data) * 2 // 3], "png") for entry in digits[:N_TRUNCATED]]
    return [*truncated, *[Entry(b"", "png")] * N_EMPTY, *[Entry(_TEXT, "png")] * N_TEXT]


def _truth(entry: Entry, kind: str, origins: dict[str, str]) -> dict[str, Any]:
    sample_id = sample_id_of(entry.data)
    return {"sample_id": sample_id, "label": entry.label, "kind": kind, "near_duplicate_of": origins.get(sample_id)}
