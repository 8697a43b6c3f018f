"""Which samples a wish to forget is about: those asked for, and their near-duplicates."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import NEAR_DUPLICATE_THRESHOLD, OCCURRENCES
from windrow.schemas.stages import Stage
from windrow.tasks.fetching.credentials import name_sources
from windrow.tasks.storage.catalog.views import connect, run_tables
from windrow.tasks.storage.store.listed_samples import SAMPLE_ID, listed_samples
from windrow.tasks.storage.store.outputs import all_outputs
from windrow.tasks.storage.store.refused_samples import refused_samples
from windrow.tasks.storage.store.registry import sample_indices
from windrow.tasks.storage.store.run_records import Run, latest_runs
from windrow.tasks.texts.uris import shown_text

DROPPED_SQL = "SELECT sample_id, duplicate_of, similarity FROM selection WHERE duplicate_of IS NOT NULL"

# A sample that a filter dropped was never compared by the ranking; the k-NN graph has all.
NEAREST_SQL = """
SELECT one.sample_id, other.sample_id, one.similarity
FROM (SELECT sample_id, unnest(neighbors) AS place, unnest(similarity) AS similarity FROM neighbors) one
JOIN neighbors other ON other.position = one.place
WHERE one.similarity >= $1::FLOAT
  AND (list_contains($2::VARCHAR[], one.sample_id) OR list_contains($2::VARCHAR[], other.sample_id))
"""

Pair = tuple[str, str, float]


@dataclass(frozen=True, order=True)
class Chosen:
    """A sample to forget. `similarity` to what led to it; None for one that was asked for."""

    sample_id: str
    because_of: str
    similarity: float | None = None


@dataclass(frozen=True)
class Choice:
    """The samples to forget; `already` were forgotten before; `thresholds` of similarity by curated set."""

    chosen: tuple[Chosen, ...]
    already: tuple[str, ...]
    thresholds: dict[str, float]


def choose(store: Path, targets: Sequence[str], near_duplicates: bool = True) -> Choice:
    """Return the samples that targets are about.

    A target is a sample_id, a source as the config names it (also as `source:<uri>`, which is never taken for an id),
    or `@` and a file with a sample_id in each line. Near-duplicates are those of the last run of each curated set, at
    its config's threshold: what the ranking dropped for one another, through whatever sample it kept, and the nearest
    neighbours of a sample asked for.

    Raises ValueError for a target that is none of these, and for samples that the store does not know.
    """
    asked = list(dict.fromkeys(name for target in targets for name in _resolved(store, target)))
    refused = refused_samples(store)
    new = [name for name in asked if name not in refused]
    _check_known(store, new)
    chosen = {name: Chosen(name, name) for name in new}
    thresholds = {}
    for run in latest_runs(store) if near_duplicates and new else []:
        thresholds[run.name] = _threshold(run)
        for found in _near_duplicates(run, new, thresholds[run.name]):
            if found.sample_id not in refused:
                chosen.setdefault(found.sample_id, found)
    return Choice(tuple(chosen.values()), tuple(name for name in asked if name in refused), thresholds)


def _threshold(run: Run) -> float:
    """The threshold that a run ranked by; of runs before it was a table, that of the config."""
    ranked = [
        output for output in run.outputs(Stage.RANK) if f"{NEAR_DUPLICATE_THRESHOLD.name}.parquet" in output.files
    ]
    if not ranked:
        return float(run.config["selection"]["near_duplicate_threshold"])
    return float(ranked[0].read(NEAR_DUPLICATE_THRESHOLD)["threshold"][0].as_py())


def _resolved(store: Path, target: str) -> Iterable[str]:
    if target.startswith("@"):
        return listed_samples(Path(target[1:]))
    if SAMPLE_ID.fullmatch(target):
        return [target]
    return _of_source(store, name_sources([target.removeprefix("source:")])[0], shown_text(target))


def _of_source(store: Path, source: str, target: str) -> list[str]:
    ingested = list(all_outputs(store, Stage.INGEST))
    tables = [output.read(OCCURRENCES, ["sample_id"]) for output in ingested if output.inputs["source_uri"] == source]
    if not tables:
        known = sorted({str(output.inputs["source_uri"]) for output in ingested})
        raise ValueError(
            f"{target!r} is no sample_id (32 hex digits), no @file, and no source of store {store}: it has read "
            + (", ".join(known) or "none")
        )
    ids: list[str] = pc.unique(pa.concat_tables(tables)["sample_id"]).drop_null().to_pylist()
    return sorted(ids)


def _check_known(store: Path, sample_ids: Sequence[str]) -> None:
    unknown = set(sample_ids) - set(sample_indices(store, sample_ids))
    for output in all_outputs(store, Stage.INGEST) if unknown else ():  # an unreadable sample has no index
        unknown.difference_update(output.read(OCCURRENCES, ["sample_id"])["sample_id"].to_pylist())
    if unknown:
        some = ", ".join(sorted(unknown)[:3]) + (", ..." if len(unknown) > 3 else "")
        raise ValueError(f"store {store} does not know {len(unknown)} of {len(sample_ids)} samples: {some}")


def _near_duplicates(run: Run, asked: Collection[str], threshold: float) -> list[Chosen]:
    connection = connect(run_tables(run))
    chosen = _followed(connection.sql(DROPPED_SQL).fetchall(), asked)
    nearest = connection.sql(NEAREST_SQL, params=[threshold, list(asked)]).fetchall()
    for pair in nearest:
        for name, other in (pair[:2], pair[1::-1]):
            if name in asked and other not in asked:
                chosen.append(Chosen(other, name, pair[2]))
    return chosen


def _followed(pairs: Sequence[Pair], asked: Collection[str]) -> list[Chosen]:
    """Follow pairs from the samples asked for to all that a chain of them reaches."""
    beside: dict[str, list[tuple[str, float]]] = {}
    for one, other, similarity in pairs:
        beside.setdefault(one, []).append((other, similarity))
        beside.setdefault(other, []).append((one, similarity))
    found = {name: Chosen(name, name) for name in asked}
    pending: list[Any] = list(asked)
    while pending:
        name = pending.pop()
        for other, similarity in beside.get(name, ()):
            if other not in found:
                found[other] = Chosen(other, found[name].because_of, similarity)
                pending.append(other)
    return [each for name, each in found.items() if name not in asked]
