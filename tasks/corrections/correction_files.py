"""Files in which people said what is true of samples: tables, and the exports of two labelling programs.

Label Studio: its JSON, JSON-MIN, CSV and TSV exports. A task's sample is told by `data.sample_id`, or by the key in
`data.image` or another field of it; its labels are the results of type `choices` of annotations that were not cancelled
(https://labelstud.io/guide/export). FiftyOne: `samples.json` of a `FiftyOneDataset` export, whose samples have a
`Classification` in a field, or `Classifications`, and tags, of which `keep` and `drop` are read. Several classes of one
sample are read where samples may be of several; a class that is not chosen is not said to be absent.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from windrow.tasks.corrections.correction_list import SAMPLE_ID, Correction
from windrow.tasks.storage.user_files.user_file import check_columns, is_table, read_user_file
from windrow.tasks.storage.user_files.wanted_columns import Wanted

FIELDS = ("sample_id", "kind", "value", "other", "who", "why")
WANTED = Wanted(("kind",), ("sample_id", "key"), ("value", "other", "who", "why"))
ANY = Wanted()
STUDIO = Wanted(("annotation_id", "annotator", "choice"), (), ("sample_id", "key", "image", "img", "url"))
"""Columns of a table of Label Studio's; tasks that nobody has done have no `choice`."""
LARGEST = 2**30
FIND_SQL = """
SELECT DISTINCT sample_id FROM occurrences WHERE sample_id IS NOT NULL AND unreadable IS NULL AND {where} LIMIT 3
"""
EVERY_SQL = """
SELECT {column}, min(sample_id) FROM occurrences
WHERE sample_id IS NOT NULL AND unreadable IS NULL AND {column} IN (SELECT unnest($1::VARCHAR[]))
GROUP BY {column} HAVING count(DISTINCT sample_id) = 1
"""
WHERES = ("sample_id = $1", "key = $1", "starts_with(sample_id, $1) AND length($1) >= 6")
BY_NAME = (
    *("key = $1", "key = $1", "ends_with(key, '/' || $1)"),
    *("key = $1", "regexp_replace(regexp_extract(key, '[^/]*$'), '[.][^.]*$', '') = $1"),
)
"""What a path may be, most exact first: a whole key, a key's last part, and that without its extension."""


def resolve(connection: Any, wanted: str) -> str:
    """Return the sample of a run that has this id, key or beginning of an id. Raises ValueError unless there is one."""
    for where in WHERES:
        found = connection.execute(FIND_SQL.format(where=where), [wanted]).fetchall()
        if len(found) > 1:
            raise ValueError(f"{wanted!r} fits several samples of the run: {', '.join(row[0] for row in found)}")
        if found:
            return str(found[0][0])
    raise ValueError(f"no readable sample of the last run has the id or key {wanted!r}")


def resolve_all(connection: Any, wanted: Sequence[str]) -> dict[str, str]:
    """Return the samples of those that are a whole id, or a key of one sample: two questions, however many they are."""
    found: dict[str, str] = {}
    for column in ("key", "sample_id"):  # an id goes before a key
        rows = connection.execute(EVERY_SQL.format(column=column), [list(set(wanted))]).fetchall()
        found |= dict(rows)
    return found


def read_corrections_file(path: Path, connection: Any, who: str, several: bool) -> list[Correction]:
    """Return what a file says of the samples of a run, which may be of several classes or not.

    Raises ValueError, naming the file and the line or task, for a row that says nothing that can be meant, or names no
    sample, or several.
    """
    if is_table(path):
        if {"annotation_id", "choice"} <= check_columns(path, ANY):
            return list(_of_studio_table(path, connection, who, several))
        return list(_of_table(path, connection, who))
    if path.suffix.lower() != ".json":
        raise ValueError(f"{path}: wants a .csv, .tsv, .parquet or .json file")
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"{path}: is larger than {LARGEST:,} bytes")
        read = json.loads(path.read_bytes())
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{path}: is no JSON: {error}") from None
    if isinstance(read, Mapping) and isinstance(read.get("samples"), list):
        entries = _of_fiftyone(read["samples"], connection, who, several)
    elif isinstance(read, list):
        entries = _of_label_studio(read, connection, who, several)
    else:
        raise ValueError(f"{path}: is neither a list of Label Studio's tasks nor the samples of a FiftyOne dataset")
    try:
        return list(entries)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _of_table(path: Path, connection: Any, who: str) -> Iterator[Correction]:
    file = read_user_file(path, WANTED)
    names = file.rows.column_names
    texts = {name: file.texts(name) if name in names else [""] * file.rows.num_rows for name in (*FIELDS, "key")}
    named = {word for column in ("sample_id", "key", "other") for word in texts[column] if word}
    known = resolve_all(connection, [*named, *(word.lower() for word in named)])
    for row in range(file.rows.num_rows):
        said = {name: values[row] for name, values in texts.items()}
        if not any(said.values()):
            continue
        try:
            word = said["sample_id"].lower() or said["key"]
            sample = known.get(word) or resolve(connection, word)
            other = (known.get(said["other"]) or resolve(connection, said["other"])) if said["other"] else None
            value, why = said["value"] or None, said["why"] or None
            yield Correction(sample, said["kind"], said["who"] or who, value, other, why)
        except ValueError as error:
            raise ValueError(f"{file.place(row)}: {error}") from None


def _of_studio_table(path: Path, connection: Any, who: str, several: bool) -> Iterator[Correction]:
    file = read_user_file(path, STUDIO)
    for row, task in enumerate(file.rows.drop_columns("line").to_pylist()):
        if not task["choice"]:
            continue
        try:
            choice = task["choice"]
            choices = _list(json.loads(choice).get("choices")) if choice.startswith('{"choices"') else [choice]
            sample = _sample_of(connection, task)
            for label in _classes(choices, several):
                yield Correction(sample, "label", _person(task["annotator"], who), label)
        except ValueError as error:
            raise ValueError(f"{file.place(row)}: {error}") from None


def _of_label_studio(tasks: Sequence[Any], connection: Any, who: str, several: bool) -> Iterator[Correction]:
    for number, task in enumerate(tasks, 1):
        where = f"task {task.get('id', number) if isinstance(task, Mapping) else number}"
        if not isinstance(task, Mapping):
            raise ValueError(f"{where}: is no task of Label Studio's")
        data = _mapping(task.get("data")) or task  # JSON-MIN has no data
        annotations = task.get("annotations", task.get("completions"))
        try:
            chosen = _choices_min(task, who) if annotations is None else _choices(annotations, who)
            said = [(name, label) for name, choices in chosen for label in _classes(choices, several)]
            if not said:
                continue
            sample = _sample_of(connection, data)
            for name, label in said:
                yield Correction(sample, "label", name, label)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None


def _choices(annotations: Any, who: str) -> Iterator[tuple[str, list[Any]]]:
    """Yield who chose, and what together."""
    for annotation in map(_mapping, _list(annotations)):
        if annotation.get("was_cancelled"):
            continue
        chosen = [each for each in map(_mapping, _list(annotation.get("result"))) if each.get("type") == "choices"]
        for each in chosen:
            yield _person(annotation.get("completed_by"), who), _list(_mapping(each.get("value")).get("choices"))


def _choices_min(task: Mapping[str, Any], who: str) -> Iterator[tuple[str, list[Any]]]:
    chosen = task.get("choice")
    if chosen is not None:
        choices = [chosen] if isinstance(chosen, str) else _list(_mapping(chosen).get("choices"))
        yield _person(task.get("annotator"), who), choices


def _classes(choices: Sequence[Any], several: bool) -> list[str]:
    """The classes that were chosen together. Raises ValueError for more than one where samples are of one."""
    if len(choices) > 1 and not several:
        raise ValueError(f"has several classes of one sample: {', '.join(map(str, choices))}")
    return [str(each) for each in choices]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _person(named: Any, who: str) -> str:
    if isinstance(named, Mapping):
        named = named.get("email") or named.get("id")
    return who if named in (None, "") else str(named)


def _sample_of(connection: Any, data: Mapping[str, Any]) -> str:
    told = data.get("sample_id") or _mapping(data.get("meta")).get("sample_id")
    if isinstance(told, str):
        return resolve(connection, told)
    for name in ("key", "image", "img", "url", "filepath"):
        if isinstance(data.get(name), str):
            return _by_name(connection, data[name])
    raise ValueError("names no sample: wants a field sample_id, key or image")


def _by_name(connection: Any, place: str) -> str:
    """The sample whose key is a path's end; Label Studio's local files are `/data/local-files/?d=<path>`."""
    parts = urlsplit(place)
    path = unquote(parse_qs(parts.query)["d"][0] if "d" in parse_qs(parts.query) else parts.path)
    name = path.rpartition("/")[2]
    stem = name.rpartition(".")[0] or name
    for word in (name, stem):
        if SAMPLE_ID.fullmatch(word):
            return resolve(connection, word)
    for where, word in zip(BY_NAME, (path, name, name, stem, stem), strict=True):
        found = connection.execute(FIND_SQL.format(where=where), [word]).fetchall()
        if len(found) == 1:
            return str(found[0][0])
        if found:
            raise ValueError(f"{name!r} fits several samples of the run: {', '.join(row[0] for row in found)}")
    raise ValueError(f"no readable sample of the last run has the key {name!r}")


def _of_fiftyone(samples: Sequence[Any], connection: Any, who: str, several: bool) -> Iterator[Correction]:
    for number, sample in enumerate(samples, 1):
        if not isinstance(sample, Mapping):
            raise ValueError(f"sample {number}: is no sample of FiftyOne's")
        labels = [label for each in sample.values() for label in _classified(each)]
        tags = [tag for tag in _list(sample.get("tags")) if tag in ("keep", "drop")]
        if not labels and not tags:
            continue
        try:
            if (len(set(labels)) > 1 and not several) or len(tags) > 1:
                raise ValueError(f"says two things: {', '.join(map(str, [*labels, *tags]))}")
            named = _sample_of(connection, sample)
            for label in dict.fromkeys(labels):
                yield Correction(named, "label", who, label)
            for tag in tags:
                yield Correction(named, str(tag), who)
        except ValueError as error:
            raise ValueError(f"sample {number}: {error}") from None


def _classified(value: Any) -> list[str]:
    """The classes that a field says, as a Classification or several."""
    field = _mapping(value)
    each = [field] if field.get("_cls") == "Classification" else []
    if field.get("_cls") == "Classifications":
        each = [_mapping(entry) for entry in _list(field.get("classifications"))]
    return [str(entry["label"]) for entry in each if entry.get("label") is not None]
