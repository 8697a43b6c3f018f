"""A pool of 60 tiny images in tars, and a config that curates it in a second."""

import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from windrow.tasks.config import CurationConfig, parse_config

N_SHARDS = 3
PER_SHARD = 20


def write_pool(folder: Path) -> Path:
    """Write the tars, a third of whose images have one of two labels; the first tar lies there twice."""
    folder.mkdir(parents=True)
    for number in range(N_SHARDS):
        _write_tar(folder / f"{number}.tar", range(number * PER_SHARD, (number + 1) * PER_SHARD))
    _write_tar(folder / "0-again.tar", range(PER_SHARD))
    return folder


def write_new(folder: Path) -> None:
    """Write a tar of what comes a night later: few enough of it for what was said of the others to stay."""
    _write_tar(folder / "new.tar", range(N_SHARDS * PER_SHARD, N_SHARDS * PER_SHARD + 4))


def _write_tar(path: Path, seeds: range) -> None:
    with tarfile.open(path, "w") as tar:
        for seed in seeds:
            rng = np.random.default_rng(seed)
            pixels = np.clip(rng.normal(60 + 40 * (seed % 4), 20, (16, 16, 3)), 0, 255).astype(np.uint8)
            png = io.BytesIO()
            Image.fromarray(pixels).save(png, "PNG")
            _add(tar, f"{seed:03d}.png", png.getvalue())
            if seed % 3 == 0:
                _add(tar, f"{seed:03d}.cls", str(seed % 2).encode())


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def config_of(pool: Path | str, store: Path, **changes: Any) -> CurationConfig:
    """Return a config that makes a version of 30 samples in four shards, its labels by one maker, which is quick."""
    values = {
        "name": "tiny",
        "sources": [str(pool)],
        "store": str(store),
        "features": {"name": "patches", "image_size": 32},
        "clustering": {"n_clusters": [8, 3], "n_rounds": 2},
        "labels": {"makers": ["knn"], "combine": ["knn"], "n_folds": 2},
        "selection": {"target_size": 30, "splits": [{"name": "train", "share": 0.7}, {"name": "val", "share": 0.3}]},
        "export": {"samples_per_shard": 10},
    }
    return parse_config({**values, **changes})
