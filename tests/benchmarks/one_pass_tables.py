"""Ingest with models in one pass beside one after the other, and ingest beside a bare loop: CPU and bytes read.

Each figure is what this process and its sandboxes spend, in turns with the other, the least of a few; a first turn, in
which models are loaded and sandboxes started, does not count.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from photo_tars import PER_TAR, PHOTOS, make_tars, table
from PIL import Image

from windrow.tasks.backbones import BackboneConfig
from windrow.tasks.features.extraction import extract_shards, identify_backbone
from windrow.tasks.features.models_at_work import KnownBackbone
from windrow.tasks.features.one_pass import ingest_with_models
from windrow.tasks.ingest.ingestion import ingest_shards
from windrow.tasks.storage.sources.source_plan import plan_shards
from windrow.tasks.storage.sources.source_shard import IngestConfig

sys.path.insert(0, str(Path(__file__).parents[1]))
from range_server import serving_files

MOBILENET = f"hf:{PHOTOS.parents[1] / 'models' / 'mobilenet_v2_1.0_224'}"
TURNS = 3


def cpu_seconds() -> float:
    """What this process and those that it has started and not ended have spent."""
    return sum(os.times()[:4]) + sum(map(_of_child, Path("/proc").glob("[0-9]*/stat")))


def _of_child(stat: Path) -> float:
    try:
        fields = stat.read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if int(fields[1]) == os.getpid() else 0.0


def bare_loop(tars: Sequence[str]) -> None:
    """Read, hash and decode every image of tars, and do nothing else."""
    for path in tars:
        with tarfile.open(path) as tar:
            for member in tar:
                file = tar.extractfile(member)
                if file and member.name.endswith(".jpg"):
                    data = file.read()
                    hashlib.sha256(data).hexdigest()
                    Image.open(io.BytesIO(data)).load()


def in_turns(works: Mapping[str, Callable[[], object]], n_images: int) -> dict[str, float]:
    """Return the least CPU milliseconds an image of each work."""
    best = dict.fromkeys(works, np.inf)
    for turn in range(1 + TURNS):
        for name, work in works.items():
            started = cpu_seconds()
            work()
            if turn:
                best[name] = min(best[name], 1e3 * (cpu_seconds() - started) / n_images)
    return best


def pool_of(folder: Path, photos: Path, side: int | None, n_tars: int) -> list[str]:
    """Write tars, and return their paths."""
    tars = Path(tempfile.mkdtemp(dir=folder))
    make_tars(photos, tars, n_tars, side)
    return sorted(map(str, tars.glob("*.tar")))


def ingested(folder: Path, sources: Sequence[str]) -> tuple[Path, list[str]]:
    """Ingest sources into a new store."""
    store = Path(tempfile.mkdtemp(dir=folder))
    return store, [done.path for done in ingest_shards(store, plan_shards(sources), IngestConfig())]


def bare_loop_table(folder: Path, photos: Path) -> str:
    """Return what ingest costs beside a bare loop, for pictures of several sizes."""
    rows: list[Sequence[object]] = []
    for side, n_tars in ((64, 10), (224, 5), (1024, 1), (None, 2)):
        sources = pool_of(folder, photos, side, n_tars)
        works = {"bare": partial(bare_loop, sources), "ingest": partial(ingested, folder, sources)}
        best = in_turns(works, PER_TAR * n_tars)
        size = "photographs, 500 x 375" if side is None else f"{side} x {side}"
        rows.append((size, f"{best['bare']:.3f}", f"{best['ingest']:.3f}", f"{best['bare'] / best['ingest']:.2f}"))
    columns = ("pictures (JPEG)", "bare loop, CPU ms an image", "ingest", "of the bare loop's speed")
    return table("Ingest alone beside a bare loop", columns, rows)


def averages(file: Path) -> str:
    """Write a model that costs next to nothing, as one on a GPU costs no CPU: means of 7 x 7 parts."""
    import torch

    shutil.copy(Path(MOBILENET.removeprefix("hf:")) / "preprocessor_config.json", file.parent)
    model = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(7), torch.nn.Flatten())
    torch.jit.trace(model, torch.zeros(1, 3, 224, 224)).save(str(file))
    return f"torchscript:{file}"


def one_pass_table(folder: Path, photos: Path) -> str:
    """Return what a first run with a known backbone costs in one pass and in two, from disk and from a server."""
    cheap = BackboneConfig(averages(folder / "means.pt"))
    rows: list[Sequence[object]] = []
    for side in (None, 1024):
        sources = pool_of(folder, photos, side, 1)
        what = "photographs, 500 x 375" if side is None else f"{side} x {side}"
        rows += [
            (what, "disk", model, *_compared(folder, sources, config), "-", "-")
            for model, config in (("MobileNetV2", BackboneConfig(MOBILENET)), ("means (no CPU)", cheap))
        ]
        with serving_files(Path(sources[0]).parent) as web:
            urls = [f"{web.url}/{Path(source).name}" for source in sources]
            sent = []
            for work in _works(folder, urls, cheap).values():
                web.n_bytes = 0
                work()
                sent.append(f"{web.n_bytes / sum(Path(source).stat().st_size for source in sources):.2f}")
            rows.append((what, "HTTP on loopback", "means (no CPU)", *_compared(folder, urls, cheap), *sent))
    columns = ("pictures", "from", "backbone", "one after the other, CPU ms an image", "in one pass", "ratio",
               "bytes asked for, of the pool's: one after the other", "in one pass")  # fmt: skip
    return table("A first run with a backbone that is known", columns, rows)


def _compared(folder: Path, sources: Sequence[str], config: BackboneConfig) -> tuple[str, str, str]:
    best = in_turns(_works(folder, sources, config), PER_TAR * len(sources))
    return f"{best['turn']:.2f}", f"{best['once']:.2f}", f"{best['turn'] / best['once']:.2f}"


def _works(folder: Path, sources: Sequence[str], config: BackboneConfig) -> dict[str, Callable[[], object]]:
    identity = identify_backbone(config, None)

    def turn() -> None:
        store, paths = ingested(folder, sources)
        extract_shards(store, paths, config, None, identity)

    def once() -> None:
        known = KnownBackbone(config, None, identity)
        ingest_with_models(Path(tempfile.mkdtemp(dir=folder)), plan_shards(sources), IngestConfig(), np.inf, (known,))

    return {"turn": turn, "once": once}
