"""Ingest with models in one pass beside one after the other, and ingest beside a bare loop: CPU and bytes read.

Each figure is of a process of its own, which is warm (model loaded, sandboxes started) when it begins to count: what it
and its sandboxes spend, the least of a few turns, in turns with the other.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Sequence
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
WORKS = ("bare", "ingest", "turn", "once")
"""A bare loop, ingest, ingest and then embedding, both in one pass."""


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


def work_of(name: str, backbone: str | None, folder: Path) -> Callable[[Sequence[str]], object]:
    """Return one of WORKS as a function of sources; each call has a store of its own."""
    if name == "bare":
        return bare_loop
    config = BackboneConfig(backbone or "", image_size=None if backbone == MOBILENET else 224) if backbone else None
    identity = identify_backbone(config, None) if config else None

    def work(sources: Sequence[str]) -> None:
        store, shards = Path(tempfile.mkdtemp(dir=folder)), plan_shards(sources)
        if name == "once" and config and identity:
            ingest_with_models(store, shards, IngestConfig(), np.inf, (KnownBackbone(config, None, identity),))
            return
        paths = [done.path for done in ingest_shards(store, shards, IngestConfig())]
        if config and identity:
            extract_shards(store, paths, config, None, identity)

    return work


def measured(name: str, sources: Sequence[str], warm: str, backbone: str | None = None) -> float:
    """Return the CPU seconds of a work on sources, in a process that has done it on one other before."""
    found = subprocess.run(
        [sys.executable, __file__, name, backbone or "", warm, *sources], check=True, capture_output=True, text=True
    )
    return float(json.loads(found.stdout)["seconds"])


def in_turns(names: Sequence[str], sources: Sequence[str], warm: str, backbone: str | None = None) -> dict[str, float]:
    """Return the least CPU milliseconds an image of each work."""
    n_images, best = PER_TAR * len(sources), dict.fromkeys(names, np.inf)
    for _ in range(TURNS):
        for name in names:
            best[name] = min(best[name], 1e3 * measured(name, sources, warm, backbone) / n_images)
    return best


def bare_loop_table(folder: Path, photos: Path) -> str:
    """Return what ingest costs beside a bare loop, for pictures of several sizes."""
    rows: list[Sequence[object]] = []
    for side, n_tars in ((64, 20), (224, 10), (1024, 2), (None, 4)):
        tars = Path(tempfile.mkdtemp(dir=folder))
        make_tars(photos, tars, n_tars + 1, side)
        warm, *sources = sorted(map(str, tars.glob("*.tar")))
        best = in_turns(("bare", "ingest"), sources, warm)
        size = "photographs, 500 x 375" if side is None else f"{side} x {side}"
        rows.append((size, f"{best['bare']:.3f}", f"{best['ingest']:.3f}", f"{best['bare'] / best['ingest']:.2f}"))
    columns = ("pictures (JPEG)", "bare loop, CPU ms an image", "ingest", "of the bare loop's speed")
    return table("Ingest alone beside a bare loop", columns, rows)


def averages(file: Path) -> str:
    """Write a model that costs next to nothing, as one on a GPU costs no CPU: means of 7 x 7 parts."""
    import torch

    model = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(7), torch.nn.Flatten())
    torch.jit.trace(model, torch.zeros(1, 3, 224, 224)).save(str(file))
    return f"torchscript:{file}"


def one_pass_table(folder: Path, photos: Path) -> str:
    """Return what a first run with a known backbone costs in one pass and in two, from disk and from a server."""
    rows: list[Sequence[object]] = []
    for side, n_tars in ((None, 2), (1024, 1)):
        tars = Path(tempfile.mkdtemp(dir=folder))
        make_tars(photos, tars, n_tars + 1, side)
        warm, *sources = sorted(map(str, tars.glob("*.tar")))
        size = sum(Path(source).stat().st_size for source in sources)
        what = "photographs" if side is None else f"{side} x {side}"
        for model, backbone in (("MobileNetV2", MOBILENET), ("means (no CPU)", averages(folder / "means.pt"))):
            best = in_turns(("turn", "once"), sources, warm, backbone)
            ratio = f"{best['turn'] / best['once']:.2f}"
            rows.append((what, "disk", model, f"{best['turn']:.2f}", f"{best['once']:.2f}", ratio, "-", "-"))
        with serving_files(tars) as web:
            urls = [f"{web.url}/{Path(source).name}" for source in (warm, *sources)]
            sent, spent = {}, {}
            for name in ("turn", "once"):
                web.n_bytes = 0
                spent[name] = 1e3 * measured(name, urls[1:], urls[0], backbone) / (PER_TAR * n_tars)
                sent[name] = web.n_bytes / (size + Path(warm).stat().st_size)
        ratio = f"{spent['turn'] / spent['once']:.2f}"
        rows.append((what, "HTTP on loopback", model, f"{spent['turn']:.2f}", f"{spent['once']:.2f}", ratio,
                     f"{sent['turn']:.2f}", f"{sent['once']:.2f}"))  # fmt: skip
    columns = ("pictures", "from", "backbone", "one after the other, CPU ms an image", "in one pass", "ratio",
               "bytes asked for, of the pool's: one after the other", "in one pass")  # fmt: skip
    return table("A first run with a backbone that is known", columns, rows)


def main() -> None:
    """Do one work twice, and print what the second took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", choices=WORKS)
    parser.add_argument("backbone")
    parser.add_argument("warm")
    parser.add_argument("sources", nargs="+")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="windrow-bench-") as folder:
        work = work_of(args.work, args.backbone or None, Path(folder))
        work([args.warm])
        started, since = cpu_seconds(), time.perf_counter()
        work(args.sources)
        print(json.dumps({"seconds": cpu_seconds() - started, "wall": time.perf_counter() - since}))


if __name__ == "__main__":
    main()
