"""What curation is worth on a long-tailed pool of real images: python tests/benchmarks/bench_cifar.py

The pool: class i of CIFAR-10 (in the order of classes.txt) keeps its first floor(2000 x 100^(-i/9)) images, 10 of them
with their label. The test set: the last 100 images of every class; class 0 would keep all its 2,000 and so loses these
100, which leaves 4,858 images of the 4,958. The pipeline embeds the pool by its default encoder; another, of the folder
--model, judges. The table of docs/evidence/cifar.md comes from it.
"""

from __future__ import annotations

import argparse
import os
import platform
import tarfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import webdataset
from rich.console import Console
from rich.table import Table

from windrow.flows.commands.subjects.starting import prepare

N_TEST, N_GIVEN, N_RANDOM, TARGET_SIZES = 100, 10, 5, (500, 1000, 2000)


@dataclass(frozen=True)
class Sample:
    """An image of the data set: its name, bytes and class."""

    key: str
    data: bytes
    label: int


def read_samples(folder: Path) -> list[Sample]:
    """Read the tars of the data set, in order."""
    paths = sorted(folder.glob("*.tar"))
    if not paths:
        raise SystemExit(f"--data: there is no tar in {folder}; it wants WebDataset tars with .jpg and .cls")
    return [sample for path in paths for sample in _read_tar(path)]


def _read_tar(path: Path) -> Iterator[Sample]:
    found: dict[str, dict[str, bytes]] = defaultdict(dict)
    with tarfile.open(path) as tar:
        for member in tar:
            content = tar.extractfile(member)
            key, _, extension = member.name.partition(".")
            found[key][extension] = content.read() if content else b""
    for key, parts in found.items():
        yield Sample(key, parts["jpg"], int(parts["cls"]))


def make_pool(samples: list[Sample], folder: Path) -> tuple[list[Sample], list[Sample]]:
    """Write the pool as tars of 1,000; return its samples and those of the test set."""
    by_class: dict[int, list[Sample]] = defaultdict(list)
    for sample in samples:
        by_class[sample.label].append(sample)
    pool: list[Sample] = []
    given: set[str] = set()
    for label, members in sorted(by_class.items()):
        kept = members[: int(2000 * 100 ** (-label / 9))][: len(members) - N_TEST]
        pool += kept
        given |= {sample.key for sample in kept[:N_GIVEN]}
    pool.sort(key=lambda sample: sample.key)
    folder.mkdir(parents=True, exist_ok=True)
    for start in range(0, len(pool), 1000):
        with webdataset.TarWriter(str(folder / f"pool-{start // 1000:02d}.tar"), mtime=0) as writer:
            for sample in pool[start : start + 1000]:
                label = {"cls": str(sample.label)} if sample.key in given else {}
                writer.write({"__key__": sample.key, "jpg": sample.data, **label})
    return pool, [sample for members in by_class.values() for sample in members[-N_TEST:]]


def embed(model: str, samples: list[Sample]) -> np.ndarray:
    """Embed samples by the encoder that judges, which had no part in the selection."""
    from windrow.tasks.backbones import BackboneConfig, load_backbone
    from windrow.tasks.backbones.extract import embed_images

    backbone = load_backbone(BackboneConfig(name=f"hf:{model}", image_size=96))
    batches = embed_images(backbone, [(sample.key, sample.data) for sample in samples])
    return np.concatenate([batch.embeddings for batch in batches]).astype(np.float32)


def main() -> None:
    """Curate the pool with the real flow and print what it was worth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/cifar10-20k"))
    parser.add_argument("--model", default="../shared/models/mobilenet_v2_1.0_224")
    parser.add_argument("--out", type=Path, default=Path("data/cifar"), help="folder for the pool and the store")
    chosen = parser.parse_args()
    prepare(verbose=False)
    from windrow.flows.curation import curate
    from windrow.flows.demo.judged_pool import judge_pool
    from windrow.flows.demo.scoreboard import Probe, score_pool
    from windrow.tasks.config import parse_config
    from windrow.tasks.storage.catalog.views import open_catalog
    from windrow.tasks.storage.sources.source_shard import sample_id_of
    from windrow.tasks.storage.store.run_records import open_run

    console = Console(width=110)
    pool, test = make_pool(read_samples(chosen.data), chosen.out / "pool")
    store = chosen.out / "store"
    settings = {
        "name": "cifar",
        "sources": [str(chosen.out / "pool")],
        "store": str(store),
        "selection": {"target_size": TARGET_SIZES[1]},
    }
    run = open_run(store, curate(parse_config(settings)))
    connection = open_catalog(store, run.run_id)
    names = {sample_id_of(sample.data): str(sample.label) for sample in pool}
    truth = pa.table(
        {
            "sample_id": list(names),
            "label": list(names.values()),
            "near_duplicate_of": pa.nulls(len(names), pa.string()),
        }
    )
    judged = judge_pool(connection, truth)
    by_id = {sample_id_of(sample.data): sample for sample in pool}
    probe = Probe(
        embed(chosen.model, [by_id[sample_id] for sample_id in sorted(by_id)]),
        embed(chosen.model, test),
        np.array([judged.classes.index(str(sample.label)) for sample in test]),
    )
    ranks = (
        connection.sql("SELECT rank FROM pool ORDER BY sample_id")
        .to_arrow_table()["rank"]
        .to_numpy(zero_copy_only=False)
    )

    table = Table(title=f"CIFAR-10, long-tailed: {len(judged.truth):,} samples, {N_GIVEN} labels a class")
    for heading in ("set", "samples", "class balance", "test accuracy, true labels", "pseudo-labels"):
        table.add_column(heading, justify="left" if heading == "set" else "right")
    for size in TARGET_SIZES:
        scores = score_pool(replace(judged, selected=np.nan_to_num(ranks, nan=np.inf) <= size), probe, N_RANDOM)
        mean, std = scores.random, scores.random_std
        table.add_row(
            f"random, {N_RANDOM} draws",
            f"{size:,}",
            f"{mean.balance:.3f} ± {std.balance:.3f}",
            f"{mean.accuracy_true:.1%} ± {std.accuracy_true:.1%}",
            f"{mean.accuracy_pseudo:.1%} ± {std.accuracy_pseudo:.1%}",
        )
        best = scores.curated
        table.add_row(
            "curated", f"{size:,}", f"{best.balance:.3f}", f"{best.accuracy_true:.1%}", f"{best.accuracy_pseudo:.1%}"
        )
    whole = scores.pool
    table.add_row(
        "the whole pool",
        f"{len(judged.truth):,}",
        f"{whole.balance:.3f}",
        f"{whole.accuracy_true:.1%}",
        f"{whole.accuracy_pseudo:.1%}",
    )
    console.print(table)
    labels = scores.labels
    console.print(
        f"Pseudo-labels of the {labels.n_samples:,} samples without a label: the most probable class is right for "
        f"{labels.top_accuracy:.1%} (macro recall {labels.top_macro_recall:.1%}); {labels.coverage:.1%} are sure "
        f"enough to be labelled, {labels.accuracy:.1%} of those rightly.",
        highlight=False,
    )
    times = Table(title=f"time by stage, on {os.cpu_count()} cores ({platform.processor() or platform.machine()})")
    for heading in ("stage", "seconds", "samples", "samples/s", "found done"):
        times.add_column(heading, justify="left" if heading == "stage" else "right")
    for record in run.stages():
        rate = f"{record.n_samples / record.seconds:,.0f}" if record.n_found < len(record.outputs) else "-"
        found = f"{record.n_found} of {len(record.outputs)}"
        times.add_row(record.stage, f"{record.seconds:.1f}", f"{record.n_samples:,}", rate, found)
    console.print(times)


if __name__ == "__main__":
    main()
