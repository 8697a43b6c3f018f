"""The files of labels and distances that a config names: looked at before a pool is computed with, and tallied.

Whatever of them does not fit the pool is refused here, right after ingest; what reads them later finds them in order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import COCO_FILES, LABELS, SAMPLES, USER_FILES, Table
from windrow.schemas.stages import Part, Stage
from windrow.tasks.algorithms.labels.combining.label_prior import check_shares
from windrow.tasks.labels.checks.dynamics_file import DynamicsFile
from windrow.tasks.labels.checks.imported_dynamics import tally_dynamics
from windrow.tasks.labels.checks.label_checks import dynamics_digest
from windrow.tasks.labels.checks.logged_dynamics import log_files
from windrow.tasks.labels.given_labels import class_names, has_classes, read_given
from windrow.tasks.labels.label_distances import check_distances_file, tally_distances
from windrow.tasks.labels.label_file import (
    WITH_STATES,
    CocoTally,
    Tally,
    check_label_file,
    check_matched,
    load_label_file,
)
from windrow.tasks.labels.label_fit import check_label_fit
from windrow.tasks.labels.labels_config import LabelsConfig
from windrow.tasks.storage.catalog.views import connect, tables_of
from windrow.tasks.storage.files.parquet import read_table
from windrow.tasks.storage.files.whole_columns import whole
from windrow.tasks.storage.files.whole_or_absent import file_digest
from windrow.tasks.storage.sources.source_shard import SourceShard
from windrow.tasks.storage.store.listed_samples import listed_samples
from windrow.tasks.storage.store.outputs import (
    Done,
    Output,
    OutputWriter,
    content_fingerprint,
    make_output,
    open_output,
)

VERSION = 1
GIVEN, EVALUATE = "labels.given", "worth.evaluate"
DISTANCES, DYNAMICS = "labels.distances", "labels.checks.dynamics"
COUNTED = ("rows", "matched", "unmatched", "empty", "conflicting", "ambiguous")


def named_files(labels: LabelsConfig, evaluate: str | None, lists: Mapping[str, str]) -> dict[str, Path]:
    """The files by the setting that names them; `lists` are those of sample ids."""
    given = labels.given_files
    places = [GIVEN if len(labels.given) == 1 else f"{GIVEN}.{labels.given.index(path)}" for path in given]
    others = {EVALUATE: evaluate, DISTANCES: labels.distances, DYNAMICS: labels.checks.dynamics, **lists}
    named = {**dict(zip(places, given, strict=True)), **others}
    return {setting: Path(path) for setting, path in named.items() if path is not None}


def check_headers(labels: LabelsConfig, evaluate: str | None, lists: Mapping[str, str]) -> None:
    """Raise ValueError, naming the setting and the file, when one is missing or has other columns than it must.

    So the commonest mistakes are told before anything is read or computed.
    """
    for setting, path in named_files(labels, evaluate, lists).items():
        if setting == EVALUATE or _is_given(setting):
            check_label_file(str(path), setting)
        elif setting == DISTANCES:
            with _naming(setting):
                check_distances_file(path)
        elif setting in lists:
            with _naming(setting):
                listed_samples(path)
        elif path.is_dir():
            with _naming(setting):
                log_files(path)
        else:
            DynamicsFile(path)


def check_rows(labels: LabelsConfig, evaluate: str | None, shards: Sequence[SourceShard]) -> None:
    """Raise ValueError, naming the setting, when rows of a file of labels cannot be used, or none fits the shards.

    So the next commonest mistakes are told before a pool is read, and seen by the models that are known by then.
    """
    for setting, path in named_files(labels, evaluate, {}).items():
        if setting == EVALUATE or _is_given(setting):
            check_label_fit(str(path), setting, shards, with_states=_is_given(setting) and labels.kind == "multi")


def _is_given(setting: str) -> bool:
    """Whether a setting is `labels.given`, or one of its several files."""
    return setting.startswith(GIVEN)


@contextmanager
def _naming(setting: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{setting}: {error}") from None


def check_files(
    store: Path,
    ingested: Sequence[str],
    given: str,
    labels: LabelsConfig,
    evaluate: str | None,
    lists: Mapping[str, str],
) -> Done:
    """Write USER_FILES: how the rows of each file fit the pool, and the given labels (an output's path).

    The counts are n_user_files and n_given_rows, n_given_rows_matched and so on, likewise of evaluate, distances,
    dynamics and ids. Raises ValueError naming the setting, the file and the line for one that cannot be used, and for
    classes of `labels.prior.shares` that are not those of the labels.
    """
    files = named_files(labels, evaluate, lists)
    outputs, known = [open_output(store / path) for path in ingested], open_output(store / given)
    _check_prior(known.read(LABELS), labels)

    def write(writer: OutputWriter) -> None:
        table = known.read(LABELS)
        tallies = [_tally(store, setting, path, outputs, table, labels) for setting, path in files.items()]
        _write(writer, USER_FILES, tallies)
        if of_images := [tally.images for tally in tallies if tally.images]:
            _write(writer, COCO_FILES, of_images)
            writer.counts["n_coco_files"] = len(of_images)
        writer.counts["n_user_files"] = len(tallies)
        for tally in tallies:
            for name, count in _counts(tally).items():
                writer.counts[name] = writer.counts.get(name, 0) + count

    inputs = {
        "ingest": content_fingerprint(outputs),
        "given": known.digest,
        "classes": [*labels.named_classes, *labels.unseen_classes],
        "files": {setting: [str(path), _digest(path)] for setting, path in files.items()},
        "dynamics": dynamics_digest(labels.checks),
    }
    if labels.kind != "single":
        inputs["kind"] = labels.kind
    return make_output(store, Part.USER_FILES, VERSION, inputs, write)


def _write(writer: OutputWriter, declared: Table, tallies: Sequence[Tally | CocoTally]) -> None:
    rows = [asdict(tally) for tally in tallies]
    writer.write(declared, declared.build({c.name: [row[c.name] for row in rows] for c in declared.columns}))


def told(store: Path, done: Done) -> Iterator[str]:
    """Yield what `check_files` found, a sentence a file."""
    return map(str, read_tallies(connect(tables_of({Stage.PSEUDO_LABEL: [open_output(store / done.path)]}))))


def read_tallies(connection: Any) -> tuple[Tally, ...]:
    """Return what a catalog's run was told of the user's files, by their settings."""
    files, of_images = (
        connection.sql(f"SELECT {', '.join(c.name for c in each.columns)} FROM {each.name} ORDER BY setting")
        .to_arrow_table()
        .to_pylist()
        for each in (USER_FILES, COCO_FILES)
    )
    images = {row["setting"]: CocoTally(**row) for row in of_images}
    return tuple(Tally(**row, images=images.get(row["setting"])) for row in files)


def _digest(path: Path) -> str | None:
    return file_digest(path) if path.is_file() else None


def _tally(
    store: Path, setting: str, path: Path, outputs: Sequence[Output], given: pa.Table, labels: LabelsConfig
) -> Tally:
    if setting == DISTANCES:
        with _naming(setting):
            known = class_names(given, labels.named_classes) if has_classes(given) else []
            return tally_distances(path, labels.answers(known) if known else ())
    if setting not in (EVALUATE, DYNAMICS) and not _is_given(setting):
        return _tally_ids(setting, path, outputs)
    if setting == DYNAMICS:
        return tally_dynamics(path, store, given)
    if _is_given(setting) and labels.kind == "multi":
        tally = load_label_file(connect(tables_of({Stage.INGEST: outputs})), str(path), setting, WITH_STATES)
        check_matched(tally)
        return tally
    found = read_given([str(path)], {Stage.INGEST: outputs}, setting, labels.no_label).tally
    if found is None:
        raise ValueError(f"{setting}: wants a .csv, .tsv or .parquet file, or COCO's .json; got {str(path)!r}")
    return found


def _tally_ids(setting: str, path: Path, outputs: Sequence[Output]) -> Tally:
    with _naming(setting):
        ids = listed_samples(path)
    known = read_table(SAMPLES, [output.table_path(SAMPLES) for output in outputs], ["sample_id"])
    matched = pc.is_in(pa.array(ids, pa.string()), whole(known["sample_id"])).to_pylist()
    others = [name for name, is_there in zip(ids, matched, strict=True) if not is_there]
    return Tally(setting, str(path), len(ids), len(ids) - len(others), len(others), 0, 0, 0, tuple(others[:3]))


def _check_prior(given: pa.Table, labels: LabelsConfig) -> None:
    if labels.prior.shares and has_classes(given):
        try:
            check_shares(labels.prior, class_names(given, labels.named_classes))
        except ValueError as error:
            raise ValueError(f"labels.{error}") from None


def _counts(tally: Tally) -> Mapping[str, int]:
    word = "given" if _is_given(tally.setting) else tally.setting.rpartition(".")[2]
    counted = {name: getattr(tally, f"n_{name}") for name in COUNTED}
    return {f"n_{word}_rows" + (f"_{name}" if name != "rows" else ""): n for name, n in counted.items()}
