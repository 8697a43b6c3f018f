"""A pool of a dozen pictures, one of them with an exact and a near-duplicate, and a store with a version made of it."""

import io
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import webdataset
from inline_run import curate_inline
from PIL import Image

from windrow.tasks.config import CurationConfig, parse_config
from windrow.tasks.storage.published.versions import Version, latest_version
from windrow.tasks.storage.sources.source_shard import sample_id_of
from windrow.tasks.storage.store.run_records import Run

SIDE = 48


@dataclass(frozen=True)
class SmallPool:
    """`wanted` is in the folder and, the same bytes, in the tar; `near` looks like it; `others` look like nothing."""

    folder: Path
    config: CurationConfig
    wanted: bytes
    near: bytes
    others: tuple[bytes, ...]

    @property
    def store(self) -> Path:
        return Path(self.config.store)

    def over(self, store: Path) -> "SmallPool":
        """Return this pool with another store."""
        return replace(self, config=replace(self.config, store=str(store)))

    def with_source(self, name: str, data: bytes) -> "SmallPool":
        """Return this pool with one more source, a folder of one picture beside the store."""
        folder = self.store.parent / name
        folder.mkdir()
        (folder / "one.png").write_bytes(data)
        return replace(self, config=replace(self.config, sources=(*self.config.sources, str(folder))))


def png(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


def stripes(seed: int) -> np.ndarray:
    """Pixels of stripes whose direction, width and colours depend on the seed."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    wave = np.sin((x * np.cos(seed) + y * np.sin(seed)) * random.uniform(0.2, 1.5))
    return 127 + wave[:, :, None] * random.uniform(20, 120, 3)


def make_small_pool(folder: Path, n_others: int = 11, **changes: object) -> SmallPool:
    """Write the pool: a folder of loose files and a tar. Its labels are spread by one maker, which is quick."""
    made = small_pool(folder, n_others, **changes)
    loose, tar = folder / "pool" / "loose", folder / "pool" / "some.tar"
    loose.mkdir(parents=True)
    (loose / "me.png").write_bytes(made.wanted)
    (loose / "me.json").write_text('{"caption": "it is me", "photographer": "my own name"}')
    (loose / "nearly.png").write_bytes(made.near)
    for number, data in enumerate(made.others[::2]):
        (loose / f"{number}.png").write_bytes(data)
    with webdataset.TarWriter(str(tar), mtime=0) as writer:
        for number, data in enumerate((made.wanted, *made.others[1::2])):
            writer.write({"__key__": f"{number:04d}", "png": data, "cls": str(number % 2)})
    return made


def small_pool(folder: Path, n_others: int = 11, **changes: object) -> SmallPool:
    """Return the pool that `make_small_pool` writes with the same arguments."""
    loose, tar = folder / "pool" / "loose", folder / "pool" / "some.tar"
    first = stripes(0)
    wanted, near = png(first), png(np.clip(first + np.eye(SIDE)[:, :, None], 0, 255))
    others = tuple(png(stripes(seed)) for seed in range(1, n_others + 1))
    values = {
        "sources": [str(loose), str(tar)],
        "name": "small",
        "store": str(folder / "store"),
        "features": {"name": "patches"},
        "clustering": {"n_clusters": [4, 2], "n_rounds": 1},
        "labels": {"makers": ["knn"], "combine": ["knn"]},
        "selection": {"target_size": 100, "near_duplicate_threshold": 0.95},
        **changes,
    }
    return SmallPool(folder, parse_config(values), wanted, near, others)


def curate_small(config: CurationConfig) -> tuple[Run, Version]:
    """Run every stage in this process, publish a version and draw the report."""
    run = curate_inline(config)
    version = latest_version(run.store, config.name)
    assert version is not None
    return run, version


def ids(*samples: bytes) -> list[str]:
    """Return the sample_id of each, in the order of ids."""
    return sorted(sample_id_of(data) for data in samples)
