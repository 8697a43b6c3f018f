"""A small store made by the real stages, with a version, and the means to damage copies of it."""

import io
import json
import os
import random
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from inline_run import curate_inline
from PIL import Image
from small_export import image_bytes

from windrow.tasks.config import parse_config
from windrow.tasks.storage.catalog.views import run_tables
from windrow.tasks.storage.files.seals import read_sealed, sealed_json
from windrow.tasks.storage.files.whole_or_absent import file_digest
from windrow.tasks.storage.store.outputs import MANIFEST
from windrow.tasks.storage.store.run_records import latest_run
from windrow.tasks.storage.verify.verification import Verification


@dataclass(frozen=True)
class Dice:
    """Where damage is done: the seed is WINDROW_SEED, or random, and is printed, so a failure can be had again."""

    random: random.Random
    seed: int

    @classmethod
    def roll(cls) -> "Dice":
        seed = int(os.environ.get("WINDROW_SEED") or random.randrange(10**9))
        print(f"WINDROW_SEED={seed}")
        return cls(random.Random(seed), seed)

    def flip(self, path: Path) -> None:
        """Change one byte of a file."""
        data = bytearray(path.read_bytes())
        data[self.random.randrange(len(data))] ^= self.random.randrange(1, 256)
        rewrite(path, bytes(data))


def rewrite(path: Path, data: bytes) -> None:
    """Replace a file, which may not be writable, and which may have another name that is to stay."""
    path.unlink(missing_ok=True)
    path.write_bytes(data)


def make_store(folder: Path) -> Path:
    """Curate 30 images, loose and in a tar, with copies and broken ones among them; publish a version; two splits.

    Two of them are one picture in other bytes: a group of perceptual hashes, and a near-duplicate.
    """
    loose, tar = folder / "loose", folder / "some.tar"
    loose.mkdir()
    with tarfile.open(tar, "w") as members:
        for seed in range(30):
            data = image_bytes(seed if seed < 27 else 0, "PNG", side=12)
            data = data[: len(data) // 2] if seed == 20 else data
            data = saved_again(image_bytes(24, "PNG", side=12)) if seed == 25 else data
            image = loose / f"{seed:02d}.png"
            image.write_bytes(data)
            (loose / f"{seed:02d}.cls").write_text(str(seed % 2))
            if seed % 3 == 0:
                for file in (image, image.with_suffix(".cls")):
                    members.add(file, file.name)
                    file.unlink()
    (loose / "metadata.csv").write_text("file_name,note,place\n01.png,one,here\n02.png,two,there\n")
    losses = folder / "losses.parquet"
    pq.write_table(pa.table({"sample_index": range(30), "loss": [seed % 7 / 3 for seed in range(30)]}), losses)
    config = parse_config(
        {
            "name": "small",
            "sources": [str(loose), str(tar)],
            "store": str(folder / "store"),
            "clustering": {"n_clusters": [4, 2], "n_rounds": 1},
            "labels": {"checks": {"dynamics": str(losses)}},
            "selection": {
                "target_size": 14,
                "filters": [{"name": "alone", "keep": "nearest_similarity >= 0.05"}],
                "splits": [{"name": "train", "share": 0.6}, {"name": "val", "share": 0.4}],
            },
            "export": {"samples_per_shard": 5, "label_sets": ["given"], "soft_labels": "probabilities"},
        }
    )
    return curate_inline(config).store


def saved_again(data: bytes) -> bytes:
    """Return the same pixels in other bytes."""
    out = io.BytesIO()
    Image.open(io.BytesIO(data)).save(out, "PNG", compress_level=0)
    return out.getvalue()


def every_file(store: Path) -> list[Path]:
    """Return all files of a store in order, without a report, which is drawn again, and the lock, which is empty."""
    return sorted(
        path for path in store.rglob("*") if path.stat().st_size and path.is_file() and path.suffix != ".html"
    )


def change_table(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    """Rewrite a table as if a stage had written it so: the manifest has its new digest and size, and is sealed."""
    table = pq.read_table(path)
    path.unlink()
    pq.write_table(change(table), path)
    seal_again(path)


def seal_again(path: Path) -> None:
    """Make the manifest above a file fit what the file now is."""
    folder = next(parent for parent in path.parents if (parent / MANIFEST).is_file())
    change_json(folder / MANIFEST, lambda manifest: _entered(manifest, path.relative_to(folder).as_posix(), path))


def _entered(manifest: dict[str, Any], name: str, path: Path) -> None:
    if isinstance(manifest["files"], dict):
        manifest["files"][name] = file_digest(path)
        return
    entry = next(each for each in manifest["files"] if each["path"] == name)
    entry |= {"sha256": file_digest(path), "n_bytes": path.stat().st_size}


def change_json(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Rewrite a sealed JSON file with a seal that fits."""
    values = read_sealed(path)
    change(values)
    rewrite(path, sealed_json(json.loads(json.dumps(values))).encode())


def files_of(store: Path, table: str) -> list[Path]:
    """Return the files of a table of the last run."""
    run = latest_run(store)
    assert run is not None
    return run_tables(run)[table]


def one_file(store: Path, table: str) -> Path:
    """Return the file of a table of the last run that has the most rows."""
    return max(files_of(store, table), key=lambda path: pq.read_metadata(path).num_rows)


def version_of(store: Path) -> Path:
    return store / "curated" / "small" / "v0001"


def named(found: Verification) -> set[str]:
    return {damage.path for damage in found.damage}
