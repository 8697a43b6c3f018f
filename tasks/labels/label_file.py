"""A file of labels of the user's, and the samples of the pool that its rows name, each one and no other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas.states import STATES
from windrow.schemas.texts.label_text import label_of
from windrow.tasks.labels.numbered_classes import name_numbers
from windrow.tasks.storage.files.whole_columns import whole
from windrow.tasks.storage.user_files.text_numbers import number_of
from windrow.tasks.storage.user_files.user_file import UserFile, check_columns, is_table, read_user_file
from windrow.tasks.storage.user_files.wanted_columns import Wanted
from windrow.tasks.texts.cells import text_of

WANTED = Wanted(("label",), ("sample_id", "key"), ("shard", "source_uri", "annotator", "weight"))
WITH_STATES = Wanted(WANTED.needed, WANTED.one_of, (*WANTED.also, "state"))
"""Of files in which a row may say that a class is absent."""
OF_AUDITS = frozenset({"correct", "stratum"})
"""Columns of the files of `windrow audit sample`."""
_SHOWN = 3

# What a row of a key fits, where it says of which shard and source; an occurrence that was not read is one, too.
_BY_KEY = """
SELECT DISTINCT f.line, coalesce(o.sample_id, o.occurrence_id) AS sample_id, o.shard, o.source_uri
FROM given_rows f JOIN occurrences o ON {keys}
WHERE f.sample_id IS NULL AND f.key IS NOT NULL AND f.label IS NOT NULL
  AND (f.shard IS NULL OR f.shard = o.shard) AND (f.source_uri IS NULL OR f.source_uri = o.source_uri)
"""
# Macs spell letters with marks in two characters, most others in one.
_SPELT_OTHERWISE = f"""
{_BY_KEY.format(keys="nfc_normalize(f.key) = nfc_normalize(o.key)")}
  AND regexp_matches(f.key, '[^ -~]') AND f.line NOT IN (SELECT line FROM by_key)
"""
_LOADING = f"""
CREATE TEMP TABLE by_key AS {_BY_KEY.format(keys="f.key = o.key")};
INSERT INTO by_key {_SPELT_OTHERWISE};
CREATE TEMP TABLE named_rows AS
    SELECT f.line, f.sample_id FROM given_rows f SEMI JOIN occurrences o ON o.sample_id = f.sample_id
    WHERE f.label IS NOT NULL
    UNION ALL SELECT DISTINCT line, sample_id FROM by_key;
CREATE TABLE file_labels AS
    SELECT f.line, n.sample_id, f.label, f.annotator, f.weight, f.state FROM given_rows f JOIN named_rows n USING (line)
    WHERE n.sample_id IN (SELECT sample_id FROM samples) ORDER BY f.line
"""
_EMPTYING = "; ".join(f"DROP TABLE IF EXISTS {name}" for name in ("given_rows", "by_key", "named_rows", "file_labels"))
_AMBIGUOUS = """
SELECT line, count(DISTINCT sample_id), count(DISTINCT shard), count(DISTINCT source_uri)
FROM by_key GROUP BY line HAVING count(DISTINCT sample_id) > 1 ORDER BY line
"""
_UNMATCHED = """
SELECT f.line, f.sample_id, f.key, f.line IN (SELECT line FROM named_rows) FROM given_rows f
WHERE f.label IS NOT NULL AND f.line NOT IN (SELECT line FROM file_labels) ORDER BY f.line
"""
_CONFLICTING = """
SELECT coalesce(sum(n), 0)::BIGINT
FROM (SELECT count(*) AS n FROM file_labels GROUP BY sample_id HAVING count(DISTINCT label) > 1)
"""


@dataclass(frozen=True)
class Tally:
    """How the rows of a file fit the pool, a row of the table `user_files`; n_rows is matched, unmatched and empty."""

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

    def __str__(self) -> str:
        named = ("matched", "unmatched", "empty", "conflicting", "ambiguous")
        counts = ", ".join(f"{getattr(self, f'n_{name}'):,} {name}" for name in named)
        more = ", ..." if self.n_unmatched > len(self.unmatched) else ""
        shown = f"; unmatched: {', '.join(self.unmatched)}{more}" if self.unmatched else ""
        headers = f"; the header came again {self.n_headers:,} times" if self.n_headers else ""
        return f"{self.setting}: {self.path}: {self.n_rows:,} rows, {counts}{shown}{headers}"


def check_label_file(source: str, setting: str) -> None:
    """Raise ValueError, naming the setting, unless there is such a file and it has the columns of one.

    An audit's file has them, but its labels are those that were to be judged, the refuted ones among them.
    """
    path = Path(source)
    if not path.is_file() or not is_table(path):
        words = "'found', 'none', or " if setting.startswith("labels.given") else ""
        raise ValueError(f"{setting}: wants {words}a .csv, .tsv or .parquet file; got {source!r}")
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
    state (null where none is given, or wanted).

    The connection is a catalog's. Raises ValueError, naming the setting and the line, when the file is missing or not
    as it should be (`read_user_file`), when a label is too long or no number of a class, when a weight or a state
    is none, and when a key fits several samples.
    """
    check_label_file(source, setting)
    try:
        file = read_user_file(Path(source), wanted)
        labels = _labels(file, connection)
        connection.register("_given_rows", _given_rows(file, labels))
        connection.execute(_EMPTYING)
        connection.execute("CREATE TABLE given_rows AS FROM _given_rows")
        connection.unregister("_given_rows")
        connection.execute(_LOADING)
        _check_ambiguous(file, connection.execute(_AMBIGUOUS).fetchall())
    except ValueError as error:
        raise ValueError(f"{setting}: {error}") from None
    return _tally(connection, file, setting, labels.null_count)


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


def _given_rows(file: UserFile, labels: pa.Array) -> pa.Table:
    nothing = pa.nulls(len(labels), pa.string())
    names = ("sample_id", "key", "shard", "source_uri")
    columns = {name: file.rows[name] if name in file.rows.column_names else nothing for name in names}
    columns["sample_id"] = pc.utf8_lower(columns["sample_id"])
    who = file.rows["annotator"] if "annotator" in file.rows.column_names else nothing
    said = {"label": labels, "annotator": who, "weight": _weights(file), "state": _states(file)}
    return pa.table({"line": file.rows["line"], **columns, **said})


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
    raise ValueError(
        f"{file.path}, {file.unit} {line}: the key is that of {n_samples:,} samples, in {where}{more}: a column"
        f" {column} must say which is meant"
    )


def _tally(connection: Any, file: UserFile, setting: str, n_empty: int) -> Tally:
    unmatched = connection.execute(_UNMATCHED).fetchall()
    n_matched = connection.execute("SELECT count(*) FROM file_labels").fetchall()[0][0]
    shown = [
        f"{file.unit} {line} ({f'sample_id {sample_id}' if sample_id else f'key {key!r}' if key else 'no key'}"
        f"{': cannot be read' if is_named else ''})"
        for line, sample_id, key, is_named in unmatched[:_SHOWN]
    ]
    return Tally(
        setting,
        str(file.path),
        file.rows.num_rows,
        n_matched,
        len(unmatched),
        n_empty,
        connection.execute(_CONFLICTING).fetchall()[0][0],
        len(file.repeated),
        tuple(shown),
    )
