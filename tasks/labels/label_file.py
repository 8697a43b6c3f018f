"""A file of labels of the user's, and the samples of the pool that its rows name, each one and no other.

A row of a table names a sample by its id or whole key, an image of a file in COCO's format by its path.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas.states import ABSENT, PRESENT, STATES
from windrow.schemas.texts.label_text import label_of
from windrow.tasks.labels.named_samples import AMBIGUOUS, SHARED, create_table, find_samples
from windrow.tasks.labels.numbered_classes import name_numbers
from windrow.tasks.storage.files.whole_columns import whole
from windrow.tasks.storage.user_files.coco_file import CocoFile, read_coco
from windrow.tasks.storage.user_files.text_numbers import number_of
from windrow.tasks.storage.user_files.user_file import UserFile, check_columns, is_coco, is_table, read_user_file
from windrow.tasks.storage.user_files.wanted_columns import Wanted
from windrow.tasks.texts.cells import text_of

WANTED = Wanted(("label",), ("sample_id", "key"), ("shard", "source_uri", "annotator", "weight"))
WITH_STATES = Wanted(WANTED.needed, WANTED.one_of, (*WANTED.also, "state"))
"""Of files in which a row may say that a class is absent."""
OF_AUDITS = frozenset({"correct", "stratum"})
"""Columns of the files of `windrow audit sample`."""
_SHOWN = 3

_UNMATCHED = """
SELECT DISTINCT f.line, f.sample_id, f.key, f.line IN (SELECT line FROM named_rows) FROM given_rows f
WHERE f.says AND f.line NOT IN (SELECT line FROM file_labels) ORDER BY f.line
"""
_COUNTS = """
SELECT (SELECT count(DISTINCT line) FROM given_rows), (SELECT count(DISTINCT line) FROM file_labels),
       (SELECT count(*) FROM given_rows WHERE NOT says)
"""
_UNNAMED = "SELECT count(*) FROM (SELECT DISTINCT sample_id FROM samples) ANTI JOIN file_labels USING (sample_id)"
_CONFLICTING = """
SELECT coalesce(sum(n), 0)::BIGINT
FROM (SELECT count(*) AS n FROM file_labels GROUP BY sample_id HAVING count(DISTINCT label) > 1)
"""


@dataclass(frozen=True)
class CocoTally:
    """What a file in COCO's format says: pairs of an image and a class that is present, or absent; and its classes.

    `n_unnamed`: samples of the pool that it does not name.
    """

    setting: str
    n_present: int
    n_absent: int
    n_classes: int
    n_unnamed: int

    def __str__(self) -> str:
        said = f"{self.n_classes:,} classes, said to be present {self.n_present:,} times and absent {self.n_absent:,}"
        return f"{said}; samples of the pool that it does not name: {self.n_unnamed:,}"


@dataclass(frozen=True)
class Tally:
    """How the rows of a file fit the pool, a row of the table `user_files`; n_rows is matched, unmatched and empty.

    `n_conflicting`: of samples with several labels, where these may have only one.
    `images`: what else is known of a file in COCO's format, whose rows are images: a row of the table `coco_files`.
    """

    setting: str
    path: str
    n_rows: int
    n_matched: int
    n_unmatched: int
    n_empty: int
    n_conflicting: int
    n_headers: int
    unmatched: tuple[str, ...] = ()
    n_ambiguous: int = 0
    images: CocoTally | None = None

    def __str__(self) -> str:
        named = ("matched", "unmatched", "empty", "conflicting", "ambiguous")
        counts = ", ".join(f"{getattr(self, f'n_{name}'):,} {name}" for name in named)
        more = ", ..." if self.n_unmatched > len(self.unmatched) else ""
        shown = f"; unmatched: {', '.join(self.unmatched)}{more}" if self.unmatched else ""
        headers = f"; the header came again {self.n_headers:,} times" if self.n_headers else ""
        unit, said = ("images", f"; {self.images}") if self.images else ("rows", "")
        return f"{self.setting}: {self.path}: {self.n_rows:,} {unit}, {counts}{shown}{headers}{said}"


def check_label_file(source: str, setting: str) -> None:
    """Raise ValueError, naming the setting, unless there is such a file and it has the columns of one.

    An audit's file has them, but its labels are those that were to be judged, the refuted ones among them.
    """
    path = Path(source)
    if not path.is_file() or not (is_table(path) or is_coco(path)):
        words = "'found', 'none', or " if setting.startswith("labels.given") else ""
        raise ValueError(f"{setting}: wants {words}a .csv, .tsv or .parquet file, or COCO's .json; got {source!r}")
    if is_coco(path):
        return
    try:
        names = check_columns(path, WANTED)
    except ValueError as error:
        raise ValueError(f"{setting}: {error}") from None
    if names >= OF_AUDITS:
        raise ValueError(
            f"{setting}: {source} is an audit's file: `windrow audit read {quote(source)} --apply` takes its verdicts"
        )


def load_label_file(connection: Any, source: str, setting: str, wanted: Wanted = WANTED) -> Tally:
    """Load a file as table `file_labels`, in the place of another's, a row for each that labels a readable sample.

    Its columns are line, sample_id, label, annotator (null where none is named), weight (1 where none is given) and
    state (null where none is given, or wanted). Of a file in COCO's format, where states are wanted, an image has a row
    for each class that is said of it, all of one line, or one without a label; table `file_classes` has its classes.

    The connection is a catalog's. Raises ValueError, naming the setting and the line, when the file is missing or not
    as it should be (`read_user_file`, `read_coco`), when a label is too long or no number of a class, when a weight or
    a state is none, when a key fits several samples, and when two paths of images fit one.
    """
    check_label_file(source, setting)
    try:
        path = Path(source)
        with_states = "state" in wanted.also
        file = read_coco(path, with_states) if is_coco(path) else read_user_file(path, wanted)
        labels = _labels(file, connection)
        find_samples(connection, _given_rows(file, labels, with_states), by_place=isinstance(file, CocoFile))
        if isinstance(file, CocoFile):
            names = pa.array(name_numbers(file, file.classes, connection), pa.string())
            create_table(connection, "file_classes", pa.table({"label": names}))
            _check_shared(file, connection.execute(SHARED).fetchone())
        _check_ambiguous(file, connection.execute(AMBIGUOUS).fetchall())
    except ValueError as error:
        raise ValueError(f"{setting}: {error}") from None
    return _tally(connection, file, setting, with_states)


def check_matched(tally: Tally) -> None:
    """Raise ValueError, naming the setting, for a file of which no row labels a sample of the pool."""
    if not tally.n_matched:
        empty = tally.n_rows and tally.n_empty == tally.n_rows
        what = "has no row with both a sample and a label" if empty else "names none of the pool's readable samples"
        raise ValueError(f"{tally.setting}: {tally.path} {what} ({tally})")


def _labels(file: UserFile, connection: Any) -> pa.Array:
    """The labels as found ones are kept; null for none."""
    texts = whole(file.rows["label"]).dictionary_encode()
    kept: list[str | None] = []
    for number, text in enumerate(texts.dictionary.to_pylist()):
        try:
            kept.append(label_of(text_of(text) if file.unit == "line" else text))
        except ValueError as error:
            place = file.place(pc.index(texts.indices, number).as_py())
            raise ValueError(f"{place}: the label {error}") from None
    names = name_numbers(file, kept, connection)
    return pa.array(names, pa.string()).take(texts.indices)


def _given_rows(file: UserFile, labels: pa.Array, with_states: bool) -> pa.Table:
    nothing = pa.nulls(len(labels), pa.string())
    names = ("sample_id", "key", "shard", "source_uri")
    columns = {name: file.rows[name] if name in file.rows.column_names else nothing for name in names}
    columns["sample_id"] = pc.utf8_lower(columns["sample_id"])
    who = file.rows["annotator"] if "annotator" in file.rows.column_names else nothing
    said = {"label": labels, "annotator": who, "weight": _weights(file), "state": _states(file)}
    # An image without an annotation was looked at.
    says = pc.or_(pc.is_valid(labels), pa.scalar(with_states and isinstance(file, CocoFile)))
    return pa.table({"line": file.rows["line"], **columns, **said, "says": says})


def _weights(file: UserFile) -> pa.Array:
    """What each row counts: the column `weight`, above 0 to 1; 1 where it is empty or missing."""
    if "weight" not in file.rows.column_names:
        return pa.repeat(1.0, file.rows.num_rows)
    weights = []
    for row, text in enumerate(file.texts("weight")):
        try:
            weight = number_of(text, file.decimal_comma) if text else 1.0
        except ValueError as error:
            raise ValueError(f"{file.place(row)}: the weight {error}") from None
        if not 0 < weight <= 1:
            raise ValueError(f"{file.place(row)}: the weight wants a number above 0 to 1, got {text!r}")
        weights.append(weight)
    return pa.array(weights, pa.float64())


def _states(file: UserFile) -> pa.Array:
    """What each row says of its class: the column `state`, null where it is empty or not read."""
    if "state" not in file.rows.column_names:
        return pa.nulls(file.rows.num_rows, pa.string())
    states = [text.casefold() for text in file.texts("state")]
    for row, state in enumerate(states):
        if state not in ("", *STATES):
            raise ValueError(f"{file.place(row)}: the state wants one of {', '.join(STATES)}, got {state!r}")
    return pa.array([state or None for state in states], pa.string())


def _check_ambiguous(file: UserFile, rows: Sequence[tuple[int, int, int, int]]) -> None:
    if not rows:
        return
    (line, n_samples, n_shards, n_sources), n = rows[0], len(rows)
    column = "source_uri" if n_sources > 1 else "shard" if n_shards > 1 else "sample_id"
    where = {"source_uri": f"{n_sources:,} sources", "shard": f"{n_shards:,} shards", "sample_id": "one shard"}[column]
    more = f", and those of {n - 1:,} more {file.unit}s too" if n > 1 else ""
    must = "file_name" if isinstance(file, CocoFile) else f"a column {column}"
    raise ValueError(
        f"{file.path}, {file.unit} {line}: the key is that of {n_samples:,} samples, in {where}{more}: {must} must say"
        " which is meant"
    )


def _check_shared(file: CocoFile, row: tuple[str, dict[str, Any], dict[str, Any], int] | None) -> None:
    if row is None:
        return
    key, *named, n = row
    first, second = (
        f"image {each['line']} ({each['name']!r})" for each in sorted(named, key=lambda each: each["line"])
    )
    more = f", and {n - 1:,} more samples have several such images" if n > 1 else ""
    raise ValueError(
        f"{file.path}: {first} and {second} both fit the sample of the key {key!r}{more}: file_name must say which is"
        " meant"
    )


def _tally(connection: Any, file: UserFile, setting: str, with_states: bool) -> Tally:
    unmatched = connection.execute(_UNMATCHED).fetchall()
    n_rows, n_matched, n_empty = connection.execute(_COUNTS).fetchall()[0]
    shown = [
        f"{file.unit} {line} ({f'sample_id {sample_id}' if sample_id else f'key {key!r}' if key else 'no key'}"
        f"{': cannot be read' if is_named else ''})"
        for line, sample_id, key, is_named in unmatched[:_SHOWN]
    ]
    return Tally(
        setting,
        str(file.path),
        n_rows,
        n_matched,
        len(unmatched),
        n_empty,
        0 if with_states else connection.execute(_CONFLICTING).fetchall()[0][0],
        len(file.repeated),
        tuple(shown),
        images=_coco_tally(connection, file, setting) if isinstance(file, CocoFile) else None,
    )


def _coco_tally(connection: Any, file: CocoFile, setting: str) -> CocoTally:
    said = {each["values"]: each["counts"] for each in pc.value_counts(whole(file.rows["state"])).to_pylist()}
    n_unnamed = connection.execute(_UNNAMED).fetchall()[0][0]
    return CocoTally(setting, said.get(PRESENT, 0), said.get(ABSENT, 0), len(file.classes), n_unnamed)
