"""Features: every sample has its own embedding, whatever the shards have in common."""

import io
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

from windrow.schemas import EMBEDDINGS, SAMPLES
from windrow.tasks.backbones import BackboneConfig
from windrow.tasks.features.extraction import extract_shards, identify_backbone
from windrow.tasks.features.fitting import FITTED, fit_backbone
from windrow.tasks.ingest.ingestion import ingest_shards
from windrow.tasks.storage.sources.source_plan import plan_shards
from windrow.tasks.storage.sources.source_shard import IngestConfig
from windrow.tasks.storage.store.outputs import open_output

CONFIG = BackboneConfig("patches", image_size=32)


def write_tar(path: Path, seeds: range) -> None:
    with tarfile.open(path, "w") as tar:
        for seed in seeds:
            pixels = np.random.default_rng(seed).integers(0, 256, (12, 12, 3), dtype=np.uint8)
            data = io.BytesIO()
            Image.fromarray(pixels).save(data, "PNG")
            member = tarfile.TarInfo(f"{seed:03d}.png")
            member.size = data.tell()
            data.seek(0)
            tar.addfile(member, data)


def embedded(store: Path, pool: Path, weights: Path | None = None) -> tuple[list[dict[str, list[float]]], Path]:
    """The embedding of each sample, for each shard, and the fitted backbone; it is fitted here unless given."""
    ingested = [done.path for done in ingest_shards(store, plan_shards([str(pool)]), IngestConfig())]
    if weights is None:
        fitted = fit_backbone(store, ingested, CONFIG, 0)
        assert fitted is not None
        weights = store / fitted.path / FITTED
    dones = extract_shards(store, ingested, CONFIG, weights, identify_backbone(CONFIG, weights))
    shards = []
    for path, done in zip(ingested, dones, strict=True):
        table = open_output(store / done.path).read(EMBEDDINGS)
        assert table["sample_id"].equals(open_output(store / path).read(SAMPLES)["sample_id"])
        shards.append(dict(zip(table["sample_id"].to_pylist(), table["embedding"].to_pylist(), strict=True)))
    return shards, weights


def test_a_shard_that_holds_the_same_as_another_takes_no_embeddings_from_the_next(tmp_path: Path):
    plain, copied = tmp_path / "plain", tmp_path / "copied"
    for folder in (plain, copied):
        folder.mkdir()
        for number in range(3):
            write_tar(folder / f"{number}.tar", range(10 * number, 10 * number + 10))
    write_tar(copied / "0-again.tar", range(10))
    expected, weights = embedded(tmp_path / "a", plain)
    (again, *others), _ = embedded(tmp_path / "b", copied, weights)
    assert others == expected
    assert again == others[0]
