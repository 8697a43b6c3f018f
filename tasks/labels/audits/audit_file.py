"""The file that a person fills in: which labels to check, or pairs of a sample and a class, and a verdict on each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from windrow.schemas.states import ABSENT, PRESENT
from windrow.schemas.texts.label_text import label_of
from windrow.tasks.algorithms.selection.seeded_order import seeded_order
from windrow.tasks.corrections.correction_list import Correction
from windrow.tasks.labels.audits.audit_sample import Checked, Drawn, draw_all, stratum_name
from windrow.tasks.labels.audits.audited_set import AuditedSet, read_audited
from windrow.tasks.storage.files.whole_or_absent import write_atomically
from windrow.tasks.storage.user_files.user_file import is_table, read_user_file
from windrow.tasks.storage.user_files.wanted_columns import Wanted
from windrow.tasks.texts.cells import csv_lines, text_of

COLUMNS = ("sample_id", "label", "state", "confidence", "correct", "source_uri", "shard", "key", "stratum")
"""`state` is there where samples may be of several classes, as in the files of `windrow annotate`."""
# What drew the sample: with these it can be drawn again, so that no row comes or goes unnoticed.
DRAWN_BY = ("label_set", "run_id", "n", "seed")
WANTED = Wanted(("sample_id", "label", "correct", *DRAWN_BY), also=("state",))
YES = frozenset({"y", "yes", "true", "t", "1"})
NO = frozenset({"n", "no", "false", "f", "0"})

PLACES_SQL = """
SELECT sample_id, source_uri, shard, key FROM standing WHERE sample_id IN (SELECT unnest($1))
"""


@dataclass(frozen=True)
class FilledIn:
    """An audit's file as it came back: rows of text, where a person finds each, and what drew it."""

    path: Path
    rows: Sequence[Mapping[str, str]]
    places: Sequence[str]
    label_set: str
    run_id: str
    n: int
    seed: int


def write_audit(path: Path, connection: Any, label_set: str, run_id: str, n: int, seed: int) -> list[Drawn]:
    """Draw n units of a label set of the connection's run, write them to a new .csv or .parquet file, and return them.

    A unit is a sample with its label, or where samples may be of several classes a pair of a sample and a class. Raises
    ValueError when the file exists (it may hold verdicts), its folder does not, or its suffix is another; and what
    `read_audited` and `draw_all` raise.
    """
    check_new_file(path, "verdicts")
    drawn = draw_all(read_audited(connection, label_set, n, seed), n, seed)
    units = [(each, int(row)) for each in drawn for row in each.rows]
    keys = np.array([each.labels.key[row] for each, row in units])
    units = [units[place] for place in np.argsort(seeded_order(keys, seed), kind="stable")]
    places = places_of(connection, [each.labels.sample_id[row] for each, row in units])
    lines = []
    for each, row in units:
        labels = each.labels
        sample_id, state = labels.sample_id[row], () if labels.state is None else (labels.state,)
        said = (sample_id, labels.class_of(row), *state, f"{labels.sureness[row]:.4f}", "")
        place = (*places[sample_id], stratum_name(labels, row, each.by))
        lines.append((*said, *place, label_set, run_id, str(len(units)), str(seed)))
    names = (*COLUMNS, *DRAWN_BY)
    write_lines(path, names if drawn[0].labels.state else [name for name in names if name != "state"], lines)
    return drawn


def check_new_file(path: Path, held: str) -> None:
    """Raise ValueError unless a .csv or .parquet file can be made there; one that is there may hold what is `held`."""
    if path.suffix not in (".csv", ".parquet"):
        raise ValueError(f"wants a .csv or .parquet file, got {str(path)!r}")
    if path.exists():
        raise ValueError(f"{path} exists, and may hold {held}: name another file, or remove it")
    if not path.parent.is_dir():
        raise ValueError(f"there is no folder {path.parent} for {path.name}")


def places_of(connection: Any, sample_ids: Sequence[str]) -> dict[str, tuple[str, str, str]]:
    """Return source_uri, shard and key of each sample, of the occurrence that stands for it."""
    return {each[0]: each[1:] for each in connection.execute(PLACES_SQL, [list(sample_ids)]).fetchall()}


def write_lines(path: Path, names: Sequence[str], lines: Sequence[Sequence[str | None]]) -> None:
    """Write rows of text as .csv or .parquet; None is an empty field, and null."""
    if path.suffix == ".csv":
        write_atomically(path, "".join(csv_lines([names, *lines])))
        return
    table = pa.table(
        {name: pa.array(values, pa.string()) for name, values in zip(names, zip(*lines, strict=True), strict=True)}
    )
    partial = path.with_name(f".tmp-{path.name}")
    try:
        pq.write_table(table, partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read_audit(path: Path) -> FilledIn:
    """Read a file that `write_audit` wrote and somebody filled in. Raises ValueError when it is no such file."""
    if not path.is_file() or not is_table(path):
        raise ValueError(f"wants a .csv, .tsv or .parquet file of `windrow audit sample`, got {str(path)!r}")
    try:
        file = read_user_file(path, WANTED)
    except ValueError as error:
        raise ValueError(f"{error}. Is it a file of `windrow audit sample`?") from None
    if not file.rows.num_rows:
        raise ValueError(f"{path} has no rows")
    there = [name for name in (*WANTED.needed, *WANTED.also) if name in file.rows.column_names]
    columns = {name: [_value(text) for text in file.texts(name)] for name in there}
    for row in range(file.rows.num_rows):
        for name in DRAWN_BY:
            first, value = columns[name][0], columns[name][row]
            if value != first:
                raise ValueError(f"{file.place(row)}: {name} {value!r} is not that of the first row, {first!r}")
    label_set, run_id, n, seed = (columns[name][0] for name in DRAWN_BY)
    if not n.isdecimal() or not seed.isdecimal():
        raise ValueError(f"{file.place(0)}: n and seed must be whole numbers, got {n!r} and {seed!r}")
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    places = [file.place(row) for row in range(len(rows))]
    return FilledIn(path, rows, places, label_set, run_id, int(n), int(seed))


def _value(text: str) -> str:
    """A text as labels are kept, so that '1.0' of a spreadsheet is '1' again; an empty one, or none, is ''."""
    try:
        return label_of(text_of(text)) or ""
    except ValueError:
        return text


def verdicts(filled: FilledIn, sets: Sequence[AuditedSet]) -> list[Checked]:
    """The units of each set that have a verdict, and whether they are right.

    A verdict is y or n (yes, no, true, false, 1, 0), or the true label; a word that is a class of the set means that
    class. Of a pair of a sample and a class it is y or n, or the true state, present or absent. Raises ValueError,
    naming line and value, for another word, and for a unit that was not drawn, is there twice, is not as it was
    written, or is gone.
    """
    drawn = draw_all(sets, filled.n, filled.seed)
    place = {_named(each.labels, row): (number, int(row)) for number, each in enumerate(drawn) for row in each.rows}
    seen: dict[tuple[str, ...], str] = {}
    judged: list[list[tuple[int, bool]]] = [[] for _ in drawn]
    for where, row in zip(filled.places, filled.rows, strict=True):
        key = _key(row, sets)
        if key not in place:
            raise ValueError(f"{where}: {_told(key)} was not drawn for this audit")
        if key in seen:
            raise ValueError(f"{where}: {_told(key)} is in {seen[key].rpartition(', ')[2]} too")
        seen[key] = where
        number, unit = place[key]
        labels = drawn[number].labels
        name, was = ("state", labels.state) if labels.state else ("label", _value(labels.class_of(unit)))
        if row.get(name) != was:
            raise ValueError(f"{where}: the {name} of {_told(key)} was {was!r}, got {row.get(name, '')!r}")
        if row["correct"]:
            judged[number].append((unit, _is_right(row, labels, where)))
    gone = [key for key in place if key not in seen]
    if gone:
        raise ValueError(
            f"{filled.path}: the row of {_told(gone[0])} is gone; one without a verdict stays, with `correct` empty"
        )
    return [_checked(each, found) for each, found in zip(drawn, judged, strict=True)]


def _checked(drawn: Drawn, found: Sequence[tuple[int, bool]]) -> Checked:
    rows = np.array([row for row, _ in found], np.int64)
    return Checked(drawn.labels, rows, np.array([right for _, right in found], np.bool_), drawn.by)


def _named(labels: AuditedSet, row: int) -> tuple[str, ...]:
    """What names a unit in a file: its sample; of a pair its class too."""
    sample_id = labels.sample_id[row]
    return (sample_id, _value(labels.class_of(row))) if labels.state else (sample_id,)


def _key(row: Mapping[str, str], sets: Sequence[AuditedSet]) -> tuple[str, ...]:
    return (row["sample_id"], row["label"]) if sets[0].state else (row["sample_id"],)


def _told(key: tuple[str, ...]) -> str:
    return " with class ".join([f"sample {key[0]!r}", *map(repr, key[1:])])


def corrections_of(filled: FilledIn, sets: Sequence[AuditedSet], who: str) -> list[Correction]:
    """What the verdicts say of samples: right labels are confirmed, wrong ones refuted, and true ones told.

    Raises ValueError as `verdicts` does.
    """
    verdicts(filled, sets)
    said, names = [], {_value(name) for name in sets[0].classes}
    why = f"audit of {filled.label_set} of run {filled.run_id}"
    for where, row in zip(filled.places, filled.rows, strict=True):
        verdict, label = row["correct"], row["label"]
        if not verdict:
            continue
        is_right = _is_right(row, sets[0], where)
        kind = "label" if is_right == (row.get("state", PRESENT) == PRESENT) else "wrong_label"
        said.append(Correction(row["sample_id"], kind, who, label, why=why))
        if sets[0].state is None and not is_right and verdict in names:
            said.append(Correction(row["sample_id"], "label", who, verdict, why=why))
    return said


def words_of_classes(filled: FilledIn, sets: Sequence[AuditedSet]) -> list[str]:
    """The verdicts that could be read as yes or no and were read as classes, sorted."""
    classes = set() if sets[0].state else set(sets[0].classes)
    return sorted({row["correct"] for row in filled.rows if row["correct"].casefold() in YES | NO} & classes)


def _is_right(row: Mapping[str, str], labels: AuditedSet, where: str) -> bool:
    verdict = row["correct"]
    if labels.state is None:
        truths, wanted = {_value(name) for name in labels.classes}, f"a class of {labels.name!r}"
    else:
        truths, wanted = {PRESENT, ABSENT}, "present or absent; leave empty what cannot be told"
    if verdict in truths:
        return verdict == (row["label"] if labels.state is None else row["state"])
    if verdict.casefold() in YES | NO:
        return verdict.casefold() in YES
    raise ValueError(f"{where}: correct {verdict!r} is neither y nor n nor {wanted}")
