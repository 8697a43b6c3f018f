"""The corrections of a store, append-only as its registry is: `corrections/<first number, 12 digits>.parquet`."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import CORRECTIONS
from windrow.schemas.corrections import FORGOTTEN_KIND, KINDS
from windrow.schemas.texts.label_text import LONGEST, label_of
from windrow.tasks.storage.files.parquet import read_table
from windrow.tasks.storage.store.registry import FORGOTTEN_ID, append_rows, numbered_files, rewrite_rows
from windrow.tasks.storage.store.run_records import latest_runs
from windrow.tasks.storage.store.store_format import check_format

SAMPLE_ID = re.compile(r"[0-9a-f]{32}")
OF_CLASSES = ("label", "wrong_label")


@dataclass(frozen=True)
class Correction:
    """What somebody says of a sample; see the table `corrections`. Raises ValueError for what cannot be meant."""

    sample_id: str
    kind: str
    who: str
    value: str | None = None
    other_sample_id: str | None = None
    why: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind: wants one of {', '.join(KINDS)}; got {self.kind!r}")
        _check_id("sample_id", self.sample_id)
        if (self.other_sample_id is not None) != (self.kind == "not_a_duplicate"):
            raise ValueError(f"other_sample_id: goes with not_a_duplicate, and with no other kind; got {self.kind}")
        if self.other_sample_id is not None:
            _check_id("other_sample_id", self.other_sample_id)
            if self.other_sample_id == self.sample_id:
                raise ValueError(f"other_sample_id: is the sample itself, {self.sample_id}")
        object.__setattr__(self, "value", self._value())
        who = label_of(self.who)
        if not who:
            raise ValueError(f"who: wants a name, got {self.who!r}")
        object.__setattr__(self, "who", who)
        if self.why is not None and len(self.why) > LONGEST:
            raise ValueError(f"why: is longer than {LONGEST:,} characters")

    def _value(self) -> str | None:
        if self.kind in OF_CLASSES:
            try:
                kept = label_of(self.value or "")
            except ValueError as error:
                raise ValueError(f"value: the class {error}") from None
            if kept is None:
                raise ValueError(f"value: {self.kind} wants a class, got {self.value!r}")
            return kept
        if self.kind == "undo" and self.value is not None and self.value not in KINDS[:-1]:
            raise ValueError(f"value: undo wants one of {', '.join(KINDS[:-1])}, or none for all; got {self.value!r}")
        if self.kind != "undo" and self.value is not None:
            raise ValueError(f"value: {self.kind} has none, got {self.value!r}")
        return self.value


def _check_id(name: str, text: str) -> None:
    if not SAMPLE_ID.fullmatch(text):
        raise ValueError(f"{name}: wants 32 digits of 0-9 and a-f, got {text!r}")


def correction_files(store: Path) -> list[Path]:
    """Return the files of the list, in the order in which they were added."""
    return numbered_files(store / CORRECTIONS.name)


def read_corrections(store: Path) -> pa.Table:
    """Return CORRECTIONS, in the order in which they were added, with what was undone."""
    return read_table(CORRECTIONS, correction_files(store))


def append_corrections(store: Path, rows: Sequence[Correction]) -> int:
    """Add corrections to a store, all or none, and return the number of the first.

    Of two writers at once one is first. Raises ValueError where there is no store of this format.
    """
    check_format(store)
    if not (store / "runs").is_dir():
        raise ValueError(f"{store} is no store: `windrow run` makes one")
    folder = store / CORRECTIONS.name
    folder.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    while rows:
        first: int = read_corrections(store).num_rows
        columns: dict[str, Any] = {name: [getattr(row, name) for row in rows] for name in Correction.__annotations__}
        columns |= {"number": range(first, first + len(rows)), "added_at": [now] * len(rows)}
        if append_rows(CORRECTIONS, CORRECTIONS.build(columns), folder, first):
            return first
    return -1


def add_new(store: Path, rows: Sequence[Correction]) -> list[Correction]:
    """Add those that do not stand already, in their order, and return them: a file that is read twice adds nothing."""
    there = {_content(row) for row in read_standing(store).to_pylist()}
    new = [row for row in dict.fromkeys(rows) if row.kind == "undo" or _content(vars(row)) not in there]
    append_corrections(store, new)
    return new


def _content(row: Mapping[str, Any]) -> tuple[str | None, ...]:
    return tuple(row[name] for name in ("sample_id", "kind", "who", "value", "other_sample_id"))


def read_standing(store: Path) -> pa.Table:
    """Return the corrections that count, as `standing` does, for some curated set of the store: see `of_several`."""
    return standing(read_corrections(store), of_several(store))


def of_several(store: Path) -> bool:
    """Whether samples may be of several classes in the last finished run of any curated set of the store.

    Corrections are of the store, not of a set, so this does not go by whose night came last. A run takes them by its
    own config: where its samples are of one class, the last of the labels that one person said.
    """
    return any(run.config.get("labels", {}).get("kind") == "multi" for run in latest_runs(store))


def standing(table: pa.Table, several: bool) -> pa.Table:
    """Return the rows of CORRECTIONS that count, in their order.

    Of what one person said of a sample the last of each of these counts: label; keep or drop; not_a_duplicate of one
    other; wrong_cluster; wrong_label of one class. Of "is of this class" and "is not" the later counts, whoever says
    it; so does, of keep and drop, the last of all people. undo withdraws what its person said before. several: samples
    may be of several classes, so a label takes no other label's place.
    """
    kept: dict[tuple[str | None, ...], Mapping[str, Any]] = {}
    of_sample: dict[str, set[tuple[str | None, ...]]] = {}
    for row in table.to_pylist():
        overruled = _is_undone if row["kind"] == "undo" else _is_overruled
        for key in list(of_sample.get(row["sample_id"], ())):
            if key in kept and overruled(kept[key], row):
                del kept[key]
        if row["kind"] not in ("undo", FORGOTTEN_KIND):
            key = _subject(row, several)
            kept[key] = row
            for name in filter(None, (row["sample_id"], row["other_sample_id"])):
                of_sample.setdefault(name, set()).add(key)
    return table.filter(pc.is_in(table["number"], pa.array([row["number"] for row in kept.values()], pa.int64())))


def _subject(row: Mapping[str, Any], several: bool) -> tuple[str | None, ...]:
    kind, sample_id, who = row["kind"], row["sample_id"], row["who"]
    if kind in ("keep", "drop"):
        return "selection", sample_id
    if kind == "not_a_duplicate":
        return (kind, who, *sorted((sample_id, row["other_sample_id"])))
    of_a_class = kind == "wrong_label" or (kind == "label" and several)
    return (kind, sample_id, who, row["value"]) if of_a_class else (kind, sample_id, who)


def _is_undone(before: Mapping[str, Any], undo: Mapping[str, Any]) -> bool:
    same = before["who"] == undo["who"] and undo["sample_id"] in (before["sample_id"], before["other_sample_id"])
    return same and undo["value"] in (None, before["kind"])


def _is_overruled(before: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    opposite = {before["kind"], row["kind"]} == set(OF_CLASSES)
    return opposite and before["sample_id"] == row["sample_id"] and before["value"] == row["value"]


def forget_corrections(store: Path, sample_ids: Collection[str]) -> None:
    """Take what was said of samples out of the list; the numbers stay taken. Wants that nobody adds meanwhile."""
    wanted = pa.array(list(sample_ids), pa.string())
    for path in correction_files(store):
        table = read_table(CORRECTIONS, [path])
        gone = pc.or_(
            pc.is_in(table["sample_id"], wanted), pc.fill_null(pc.is_in(table["other_sample_id"], wanted), False)
        )
        if pc.any(gone).as_py():
            rows = [_emptied(row) if out else row for row, out in zip(table.to_pylist(), gone.to_pylist(), strict=True)]
            columns = {column.name: [row[column.name] for row in rows] for column in CORRECTIONS.columns}
            rewrite_rows(CORRECTIONS, CORRECTIONS.build(columns), path)


def _emptied(row: Mapping[str, Any]) -> dict[str, Any]:
    nothing = dict.fromkeys(("value", "other_sample_id", "why"))
    return {**row, **nothing, "kind": FORGOTTEN_KIND, "sample_id": f"{FORGOTTEN_ID}{row['number']:012d}", "who": "-"}


def counted(rows: Iterable[Mapping[str, Any]]) -> str:
    """Say how many corrections of each kind there are."""
    kinds = [row["kind"] for row in rows]
    return ", ".join(f"{kinds.count(kind):,} {kind.replace('_', ' ')}" for kind in KINDS if kind in kinds)
