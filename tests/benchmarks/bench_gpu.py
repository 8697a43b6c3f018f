"""What a GPU gives, in under 8 minutes: python tests/benchmarks/bench_gpu.py [--device cpu --scale 0.004] [--out FILE]

Nearest centroids of points against PyTorch's own arithmetic (and Faiss on the GPU, where that build is installed), the
answer compared with the CPU's to the byte; and pictures a second of the default encoder, decoded and embedded, with
what bounds them. Near-duplicates and the k-NN graph are computed on the CPU in this version, so they are not here.
Without a GPU it says so and measures nothing; `--device cpu` tries the bench itself, at a smaller `--scale`.
"""

from __future__ import annotations

import argparse
import io
import os
import platform
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import faiss
import numpy as np
import torch
from PIL import Image

from windrow.tasks.algorithms.arrays import Float32Array, Int64Array
from windrow.tasks.algorithms.clustering.nearest import assign
from windrow.tasks.algorithms.clustering.points import Resources
from windrow.tasks.backbones import BackboneConfig, load_backbone
from windrow.tasks.backbones.extract import embed_images
from windrow.tasks.pictures.decoding import decode_rgb

N, DIM, K = 8_000_000, 128, 1024
N_COMPARED = 100_000
PHOTOS = Path(__file__).parents[3] / "shared" / "data" / "photos"
N_PICTURES = 2000
THREADS = len(os.sched_getaffinity(0))
ROWS = 2**17
"""Of points that PyTorch compares at once: its scores are written out."""


def main() -> None:
    """Print a table of Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--scale", type=float, default=1.0, help="of the numbers of points and pictures")
    parser.add_argument("--out", type=Path, help="file to write the table to, too")
    args = parser.parse_args()
    if args.device.startswith("cuda") and not torch.cuda.is_available():
        print("no CUDA device is here: nothing was measured (--device cpu --scale 0.004 tries the bench itself)")
        return
    on_gpu = args.device.startswith("cuda")
    where = torch.cuda.get_device_name(args.device) if on_gpu else f"{platform.machine()} alone"
    lines = [
        f"On {where} with {THREADS} cores, PyTorch {torch.__version__}.\n",
        "| what | how much | rate |",
        "|---|---|---|",
    ]
    for what, much, rate in (*assignment(args.device, args.scale), *embedding(args.device, args.scale)):
        lines.append(f"| {what} | {much} | {rate} |")
        print(lines[-1], flush=True)
    told = "\n".join(lines) + "\n"
    print(f"\n{told}")
    if args.out:
        args.out.write_text(told)


def seconds_of(work: Callable[[], object], device: str, tries: int = 3) -> float:
    """The least time of some tries, after one that compiles and warms."""
    work()
    found = []
    for _ in range(tries):
        started = time.perf_counter()
        work()
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        found.append(time.perf_counter() - started)
    return min(found)


def assignment(device: str, scale: float) -> Iterator[tuple[str, str, str]]:
    """Nearest of K centroids, with the flops that a plain product would take."""
    n = int(N * scale)
    rng = np.random.default_rng(0)
    centroids = rng.normal(size=(K, DIM)).astype(np.float32)
    points = (centroids[rng.integers(0, K, n)] + rng.normal(size=(n, DIM)).astype(np.float32)).astype(np.float16)
    flops, much = 2.0 * n * DIM * K, f"{n:,} x {DIM} float16, k {K:,}"

    def rate(seconds: float) -> str:
        return f"{seconds:.2f} s, {flops / seconds / 1e12:.2f} TFLOP/s"

    yield (
        "windrow: exact, from host memory",
        much,
        rate(seconds_of(lambda: assign(points, centroids, resources=Resources(device)), device)),
    )
    yield (
        "torch: float32 scores, from host memory",
        much,
        rate(seconds_of(lambda: torch_nearest(points, centroids, device), device)),
    )
    if getattr(faiss, "get_num_gpus", lambda: 0)() and device.startswith("cuda"):
        index = faiss.index_cpu_to_all_gpus(faiss.IndexFlatL2(DIM))
        index.add(centroids)
        whole = points.astype(np.float32)
        yield "faiss: IndexFlatL2 on the GPU", much, rate(seconds_of(lambda: index.search(whole, 1), device))
    some = points[: min(n, N_COMPARED)]
    there, here = (assign(some, centroids, resources=Resources(at)) for at in (device, "cpu"))
    same = all(one.tobytes() == other.tobytes() for one, other in zip(there, here, strict=True))
    wrong = int((torch_nearest(some, centroids, device) != here[0]).sum())
    yield "windrow: as the CPU", f"{len(some):,} points", "the same bytes" if same else "DIFFERENT"
    yield "torch: as the CPU", f"{len(some):,} points", f"{wrong:,} other centroids"


def torch_nearest(points: np.ndarray, centroids: Float32Array, device: str) -> Int64Array:
    """What one writes in PyTorch: the largest of x.c - |c|^2 / 2, some rows at a time."""
    table = torch.from_numpy(centroids).to(device)
    half = table.square().sum(dim=1) / 2
    parts = []
    for at in range(0, len(points), ROWS):
        rows = torch.from_numpy(points[at : at + ROWS]).to(device).float()
        parts.append((rows @ table.T - half).argmax(dim=1).cpu())
    return np.asarray(torch.cat(parts).numpy(), np.int64)


def embedding(device: str, scale: float) -> Iterator[tuple[str, str, str]]:
    """Pictures a second: decoded, embedded, and both."""
    files = pictures(max(8, int(N_PICTURES * scale)))
    backbone = load_backbone(BackboneConfig(name="lite0", image_size=224, device=device, batch_size=64))

    def prepared(data: bytes) -> np.ndarray:
        return backbone.prepare(decode_rgb(data, min_side=backbone.min_side))

    with ThreadPoolExecutor(THREADS) as pool:
        decoding = len(files) / seconds_of(lambda: list(pool.map(prepared, files)), device, 1)
    batch = np.stack([prepared(data) for data in files[: min(len(files), 512)]])
    forward = len(batch) / seconds_of(lambda: backbone.embed(batch), device)
    named = [(str(number), data) for number, data in enumerate(files)]
    both = len(files) / seconds_of(lambda: list(embed_images(backbone, named, decode_threads=THREADS)), device, 1)
    much = f"{len(files):,} pictures of {source_of_pictures()}, to 224 pixels"
    yield "decode and prepare", f"{much}, {THREADS} threads", f"{decoding:,.0f} images/s"
    yield "lite0 alone, from host memory", f"{len(batch)} prepared pictures", f"{forward:,.0f} images/s"
    bound = "decoding" if decoding < forward else "the model"
    yield "lite0, from bytes, in the sandbox", much, f"{both:,.0f} images/s, bounded by {bound}"


def source_of_pictures() -> str:
    """Where the pictures come from."""
    return "ImageNet" if PHOTOS.is_dir() else "noise"


def pictures(n: int) -> list[bytes]:
    """Return n JPEGs: photographs, again and again, or noise where there are none."""
    found = [path.read_bytes() for path in sorted(PHOTOS.glob("*.JPEG"))] if PHOTOS.is_dir() else []
    if not found:
        rng = np.random.default_rng(0)
        for _ in range(32):
            file = io.BytesIO()
            Image.fromarray(rng.integers(0, 256, (375, 500, 3), np.uint8)).save(file, "JPEG")
            found.append(file.getvalue())
    return [found[number % len(found)] for number in range(n)]


if __name__ == "__main__":
    main()
