"""The sets that `windrow leaks` compares: whatever holds samples, seen as the store's own backbone sees its pool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from windrow.schemas import BACKBONES, OCCURRENCES
from windrow.schemas.stages import Stage
from windrow.tasks.algorithms.neighbors.leaking_pairs import Fingerprints
from windrow.tasks.backbones import BackboneConfig
from windrow.tasks.features.backbone_choice import choose_backbone, chosen_backbone
from windrow.tasks.features.extraction import extract_shards, identify_backbone
from windrow.tasks.features.fitting import FITTED, fit_backbone
from windrow.tasks.ingest.ingestion import ingest_shards
from windrow.tasks.selection.kept_away import fingerprints_of, first_places
from windrow.tasks.storage.files.store_lock import at_work
from windrow.tasks.storage.files.whole_columns import wide
from windrow.tasks.storage.published.versions import read_manifest
from windrow.tasks.storage.sources.source_plan import plan_shards
from windrow.tasks.storage.sources.source_shard import IngestConfig
from windrow.tasks.storage.store.listed_samples import listed_samples
from windrow.tasks.storage.store.outputs import MANIFEST, Output, open_output
from windrow.tasks.storage.store.run_records import Run

POOL = "pool"
_NO_PLACE = {"source_uri": "", "shard": "", "key": ""}


@dataclass(frozen=True)
class ComparedSet:
    """A set of samples: what they are compared by, and source_uri, shard and key of each, by sample_id.

    unreadable: files of it that could not be used and are compared with nothing, each as 'key: reason'.
    """

    name: str
    fingerprints: Fingerprints
    places: Mapping[str, Mapping[str, str]]
    unreadable: tuple[str, ...] = ()

    def place(self, row: int) -> Mapping[str, str]:
        """Return where a sample was seen first; empty where that is not known."""
        return self.places.get(str(self.fingerprints.ids[row]), _NO_PLACE)


def read_set(run: Run, name: str, ingest: IngestConfig, features: BackboneConfig, seed: int) -> ComparedSet:
    """Read a set by its name, with the config of a finished run.

    `name`: 'pool' for the pool of the run; '@' and a file of its sample ids, one a line; the folder of a version, of
    this store or another; a Parquet file with columns sample_id and embedding; or whatever `sources` can name. Images
    are read and embedded as the pool's, and found the next time. Raises ValueError when there is no such thing, an id
    is not in the pool, or the embeddings are of another backbone.
    """
    if name == POOL and not Path(name).exists():
        return _of_run(run, name, None)
    if name.startswith("@"):
        return _of_run(run, name, listed_samples(Path(name[1:])))
    if _has_embeddings(Path(name)):
        return _of_embeddings(run, Path(name))
    return _of_source(run, name, ingest, features, seed)


def _of_run(run: Run, name: str, wanted: Sequence[str] | None) -> ComparedSet:
    ingested = run.outputs(Stage.INGEST)
    found, places = fingerprints_of(ingested, run.outputs(Stage.FEATURES)), first_places(ingested)
    if wanted is None:
        return ComparedSet(name, found, places, _unreadable(ingested))
    missing = [sample_id for sample_id in wanted if sample_id not in places]
    if missing:
        raise ValueError(f"{name}: sample {missing[0]!r} is not in the pool of run {run.run_id}")
    return ComparedSet(name, found.only(np.flatnonzero(np.isin(found.ids, list(wanted)))), places)


def _has_embeddings(path: Path) -> bool:
    if path.suffix != ".parquet" or not path.is_file():
        return False
    try:
        return {"sample_id", "embedding"} <= set(pq.read_schema(path).names)
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path} is no Parquet file: {error}") from None


def _of_embeddings(run: Run, path: Path) -> ComparedSet:
    table = pq.read_table(path)
    ours = {
        name for output in run.outputs(Stage.FEATURES) for name in output.read(BACKBONES)["backbone_id"].to_pylist()
    }
    theirs = set(table["backbone_id"].to_pylist()) if "backbone_id" in table.column_names else set()
    if theirs - ours:
        raise ValueError(
            f"{path}: embeddings of backbone {min(theirs - ours)}, where those of the store are {min(ours)}"
        )
    table = wide(table).sort_by("sample_id")
    there = pc.is_valid(table["embedding"]).to_numpy(zero_copy_only=False)
    vectors = table["embedding"].filter(pa.array(there)).to_pylist()
    if len({len(vector) for vector in vectors}) > 1 or not vectors:
        raise ValueError(f"{path}, column 'embedding': wants vectors of one length")
    ids = np.asarray(table["sample_id"].to_pylist()).astype(str)
    if len(np.unique(ids)) < len(ids):
        raise ValueError(f"{path}, column 'sample_id': wants each sample once")
    embeddings = np.zeros((len(ids), len(vectors[0])), np.float32)
    embeddings[there] = vectors
    found = Fingerprints(ids, np.zeros(len(ids), np.int64), np.zeros(len(ids), np.bool_), embeddings, there)
    return ComparedSet(str(path), found, {})


def _of_source(run: Run, name: str, ingest: IngestConfig, features: BackboneConfig, seed: int) -> ComparedSet:
    store, pool = run.store, [str(output.path.relative_to(run.store)) for output in run.outputs(Stage.INGEST)]
    with at_work(store):
        shards = plan_shards([_images_of(name)], ingest)
        ingested = [done.path for done in ingest_shards(store, shards, ingest)]
        features, _ = chosen_backbone(store, choose_backbone(store, pool, features), features)
        fitted = fit_backbone(store, pool, features, seed)
        weights = store / fitted.path / FITTED if fitted else None
        embedded = extract_shards(store, ingested, features, weights, identify_backbone(features, weights, store))
    outputs = [open_output(store / path) for path in ingested]
    found = fingerprints_of(outputs, [open_output(store / done.path) for done in embedded])
    return ComparedSet(name, found, first_places(outputs), _unreadable(outputs))


def _images_of(name: str) -> str:
    """A version is read by one of its formats: the other holds the same samples."""
    if not (Path(name) / MANIFEST).is_file():
        return name
    return str(Path(name) / read_manifest(name)["config"]["formats"][0])


def _unreadable(ingested: Sequence[Output]) -> tuple[str, ...]:
    failed = (output for output in ingested if output.counts["n_unreadable"])
    rows = (row for output in failed for row in output.read(OCCURRENCES, columns=["key", "unreadable"]).to_pylist())
    return tuple(f"{row['key']}: {row['unreadable']}" for row in rows if row["unreadable"] is not None)
