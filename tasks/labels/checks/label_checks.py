"""Label checks: given labels, judged by models that did not learn from them, and by what training jobs recorded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import LABEL_CHECKS, LABEL_QUALITY, LABELS, NEIGHBORS
from windrow.schemas.stages import Part, Stage
from windrow.tasks.algorithms.labels.checks import CHECKS
from windrow.tasks.algorithms.labels.checks.label_quality import LabelQuality, LabelQualityConfig, quality_of
from windrow.tasks.algorithms.labels.judging.judged_labels import JudgedLabels
from windrow.tasks.algorithms.labels.judging.judgement import Judgement
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph
from windrow.tasks.clusters.known_graph import read_graph
from windrow.tasks.clusters.neighbor_graph import graph_of
from windrow.tasks.clusters.neighbors_config import NeighborsConfig
from windrow.tasks.labels.checks.label_checks_config import LabelChecksConfig
from windrow.tasks.labels.checks.logged_dynamics import log_files
from windrow.tasks.labels.given_labels import class_names, pool_labels
from windrow.tasks.labels.predictions_before import Fit, LabelsBefore, judged_fit, judged_tonight
from windrow.tasks.storage.files.whole_columns import whole
from windrow.tasks.storage.files.whole_or_absent import file_digest
from windrow.tasks.storage.store.made import Made
from windrow.tasks.storage.store.outputs import (
    Done,
    Output,
    OutputWriter,
    content_fingerprint,
    fingerprint,
    make_output,
)
from windrow.tasks.storage.store.pool import Pool, read_pool

VERSION = 3
DEFAULT_K = LabelQualityConfig().k
BESIDE, LEAST_BESIDE, LEAST_OF_CLASS = 10, 500, 20
"""Labels that new ones are judged beside, for each of these, in all, and of a class."""


def check_labels(
    store: Path,
    made: Made,
    config: LabelChecksConfig,
    n_folds: int,
    seed: int,
    before: LabelsBefore | None = None,
) -> Done:
    """Write LABEL_QUALITY and LABEL_CHECKS of the given labels of embedded samples.

    before: what the last night judged; in a night that keeps it the labels that came since are judged, beside some of
    the others, and what was said of these stays. The counts are n_checked and n_doubtful, of
    LABEL_QUALITY, and n_label_checks, rows of LABEL_CHECKS.
    Raises ValueError when the file `config.dynamics` is missing or not as it should be.
    """
    outputs, (graph,), (labelled,) = made.opened(store, Stage.FEATURES, Stage.NEIGHBORS, Part.GIVEN_LABELS).values()

    inputs: dict[str, Any] = {
        "features": content_fingerprint(outputs),
        "neighbors": graph.digest,
        "given": labelled.digest,
        "config": config,
        "n_folds": n_folds,
        "seed": seed,
        "dynamics": dynamics_digest(config),
    }
    basis, fit = {"version": VERSION, **inputs}, None
    if (same := judged_tonight(store, before, Part.LABEL_CHECKS, basis)) is not None:
        return same
    if before is not None and before.keeps and config.default and not config.methods and config.dynamics is None:
        ids, table = whole(graph.read(NEIGHBORS, ["sample_id"])["sample_id"]), labelled.read(LABELS)
        known = ids.filter(pc.is_in(ids, whole(table["sample_id"])))
        own = (known, table, pool_labels(known, table, class_names(table)))
        fit = judged_fit(store, before, Part.LABEL_CHECKS, basis, own, _judged_samples)

    def write(writer: OutputWriter) -> None:
        labels, pool = labelled.read(LABELS), read_pool(outputs)
        if fit is None:
            quality, checks = judge_given(store, pool, read_graph(graph), labels, config, n_folds, seed)
        else:
            quality, checks = _judge_new(pool, read_graph(graph), labels, fit, config, n_folds, seed)
        writer.write(LABEL_QUALITY, quality)
        writer.write(LABEL_CHECKS, checks)
        writer.counts.update(
            n_checked=quality.num_rows,
            n_doubtful=pc.sum(quality["is_doubtful"]).as_py() or 0,
            n_label_checks=checks.num_rows,
        )

    if fit is not None:
        inputs["earlier"] = str(fit.output.path.relative_to(store))
    return make_output(store, Part.LABEL_CHECKS, VERSION, inputs, write)


def _judged_samples(output: Output) -> tuple[pa.Array, pa.Array]:
    ids = whole(output.read(LABEL_QUALITY, ["sample_id"])["sample_id"])
    return ids, ids


def _judge_new(
    pool: Pool,
    graph: NeighborGraph,
    given: pa.Table,
    fit: Fit,
    config: LabelChecksConfig,
    n_folds: int,
    seed: int,
) -> tuple[pa.Table, pa.Table]:
    """The rows of LABEL_QUALITY of the fit, and those of the labels that came since, judged beside some others."""
    classes = class_names(given)
    labels = pool_labels(pool.sample_ids, given, classes)
    kept = fit.output.read(LABEL_QUALITY)
    kept = kept.filter(pc.is_in(whole(kept["sample_id"]), pool.sample_ids))
    judged = pc.is_in(pool.sample_ids, whole(kept["sample_id"])).to_numpy(zero_copy_only=False)
    came, others = np.flatnonzero((labels >= 0) & ~judged), np.flatnonzero(judged)
    some, beside = np.full(len(labels), -1, np.int64), others[_beside(labels[others], len(came))]
    some[came], some[beside] = labels[came], labels[beside]
    quality, checks = judge_pool(pool, graph, some, classes, config, n_folds, seed)
    quality = quality.filter(pc.is_in(whole(quality["sample_id"]), pool.sample_ids.take(pa.array(came))))
    return pa.concat_tables([kept, quality]).sort_by("sample_id"), checks


def _beside(labels: npt.NDArray[np.int64], n_new: int) -> npt.NDArray[np.int64]:
    """Places among labels (m,): BESIDE for each new one, LEAST_BESIDE at least, evenly over them, whose order is that
    of digests; and of each class the first LEAST_OF_CLASS.
    """
    n = min(len(labels), max(LEAST_BESIDE, BESIDE * n_new))
    order = np.argsort(labels, kind="stable")
    place = np.arange(len(labels)) - np.searchsorted(labels[order], labels[order])
    return np.union1d(np.arange(n) * len(labels) // max(n, 1), order[place < LEAST_OF_CLASS])


def dynamics_digest(config: LabelChecksConfig) -> str | None:
    """Return the digest of the file or log `config.dynamics`, None where there is none."""
    path = Path(config.dynamics) if config.dynamics is not None else None
    if path is not None and path.is_dir():
        return fingerprint([file_digest(file) for file in log_files(path)])
    return file_digest(path) if path is not None and path.is_file() else None


def judge_given(
    store: Path, pool: Pool, graph: NeighborGraph, given: pa.Table, config: LabelChecksConfig, n_folds: int, seed: int
) -> tuple[pa.Table, pa.Table]:
    """Return LABEL_QUALITY and LABEL_CHECKS of `given`, rows of LABELS; `graph` is of the pool."""
    from windrow.tasks.labels.checks.imported_dynamics import imported_dynamics

    classes = class_names(given)
    recorded = LABEL_CHECKS.schema().empty_table()
    if config.dynamics is not None:
        recorded = imported_dynamics(Path(config.dynamics), store, given)
    quality, checks = judge_pool(
        pool, graph, pool_labels(pool.sample_ids, given, classes), classes, config, n_folds, seed
    )
    return quality, pa.concat_tables([checks, recorded])


def judge_pool(
    pool: Pool,
    graph: NeighborGraph,
    labels: npt.NDArray[np.int64],
    classes: Sequence[str],
    config: LabelChecksConfig,
    n_folds: int,
    seed: int,
) -> tuple[pa.Table, pa.Table]:
    """Return LABEL_QUALITY and LABEL_CHECKS, in the order of the pool, of its labels int64 (n,), -1 where none is.

    Labels of a class that has fewer than n_folds cannot be judged: some model would know no such label.
    """
    counts = np.bincount(labels[labels >= 0], minlength=len(classes))
    known = np.flatnonzero(counts >= n_folds)
    rows = np.flatnonzero(np.isin(labels, known))
    quality, checks = LABEL_QUALITY.schema().empty_table(), LABEL_CHECKS.schema().empty_table()
    if len(known) < 2 or not (config.default or config.methods):
        return quality, checks
    own = np.searchsorted(known, labels[rows])
    of_all = graph if len(rows) == len(labels) else None
    given = _given(pool.embeddings[rows], own, len(known), config, n_folds, seed, of_all)
    samples = pool.sample_ids.take(pa.array(rows))
    if config.default:
        quality = _quality(quality_of(given), samples, [classes[int(number)] for number in known])
    return quality, pa.concat_tables([checks, *_judged(given, samples, config)])


def _given(
    embeddings: npt.NDArray[Any],
    labels: npt.NDArray[np.int64],
    n_classes: int,
    config: LabelChecksConfig,
    n_folds: int,
    seed: int,
    known: NeighborGraph | None,
) -> JudgedLabels:
    """The labels and what they are judged by; a graph that is known is used where it holds enough neighbours."""

    def find_neighbors(embeddings: npt.NDArray[Any], k: int) -> NeighborGraph:
        if known is not None and known.indices.shape[1] >= k:
            return known
        return graph_of(embeddings, NeighborsConfig(k=k))[0]

    most = max(DEFAULT_K, *(getattr(config.check(name), "k", 0) for name in CHECKS))
    settings = (config.l2, n_folds, seed, config.probe_training, most, find_neighbors)
    return JudgedLabels(embeddings, labels, n_classes, *settings)


def _judged(given: JudgedLabels, samples: pa.Array, config: LabelChecksConfig) -> Iterator[pa.Table]:
    checks = [config.check(name) for name in config.methods]
    doubts = quality_of(given).doubts if config.default else None
    for number, (name, check) in enumerate(zip(config.methods, checks, strict=True)):
        said = check.judge(given)
        if said.noisy is not None:
            doubts = quality_of(given).doubts if doubts is None else doubts
            said = doubts.bound(said)
        yield _checks(samples, name, said)
        given.keep({need for later in checks[number + 1 :] for need in later.needs})


def _quality(found: LabelQuality, samples: pa.Array, classes: Sequence[str]) -> pa.Table:
    columns = {
        "sample_id": samples,
        "label_quality": pa.array(found.judgement.score),
        "is_doubtful": pa.array(found.judgement.noisy),
        "suggested_label": pa.array(classes, pa.string()).take(pa.array(found.predictions.classes[:, 0])),
        "suggested_probability": pa.array(np.clip(found.predictions.probabilities[:, 0], 0, 1)),
    }
    return LABEL_QUALITY.build(columns)


def _checks(samples: pa.Array, method: str, said: Judgement) -> pa.Table:
    columns = {
        "sample_id": samples,
        "method": pa.scalar(method),
        "source": pa.scalar("windrow"),
        "score": pa.array(said.score, pa.float32()),
        "is_doubtful": pa.nulls(len(samples), pa.bool_()) if said.noisy is None else pa.array(said.noisy),
    }
    return LABEL_CHECKS.build(columns)
