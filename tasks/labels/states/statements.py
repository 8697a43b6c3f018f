"""What sources, files and people say of the classes of samples, brought together: a state for each of them at most."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pyarrow as pa

from windrow.schemas import LABEL_STATES, LOOKED_FOR, VOCABULARIES, Table
from windrow.schemas.states import PRESENT, STATES
from windrow.tasks.labels.annotators import WHO
from windrow.tasks.labels.found_labels import FOUND
from windrow.tasks.labels.label_file import WITH_STATES, Tally, check_matched, load_label_file
from windrow.tasks.labels.labels_config import LabelsConfig
from windrow.tasks.labels.states.multi_label_config import OF_FILE
from windrow.tasks.labels.states.said_states import said_states
from windrow.tasks.storage.catalog.views import connect, tables_of
from windrow.tasks.storage.sources.beside.class_folders import BY_DEFAULT
from windrow.tasks.storage.sources.source_fields import ERROR, SEVERAL_CLASSES
from windrow.tasks.storage.store.outputs import Output

ROWS_AT_ONCE = 8192
FILES = "labels.given"
"""Stands for all files, where a vocabulary is of a source."""

SAID = pa.schema(
    [
        *((name, pa.string()) for name in ("sample_id", "label", "state", "annotator")),
        ("weight", pa.float64()),
        ("source", pa.string()),
    ]
)
# A label by default, of a folder, is none where the source says otherwise what samples are of.
FOUND_SQL = f"""
SELECT o.sample_id, o.source_uri, f.found_label, f.label_from IS NOT DISTINCT FROM '{BY_DEFAULT}', o.metadata
FROM occurrences o LEFT JOIN (SELECT occurrence_id, found_label, label_from FROM ({FOUND})) f USING (occurrence_id)
WHERE o.sample_id IN (SELECT sample_id FROM samples) AND (f.found_label IS NOT NULL OR o.metadata IS NOT NULL)
ORDER BY o.source_uri, o.shard, o.position
"""
SEVERAL_SQL = """
SELECT count(*) > 0 FROM occurrences WHERE source_uri = $1 AND json_type(metadata, $2) IN ('ARRAY', 'OBJECT')
"""
FILE_SQL = f"""
SELECT sample_id, label, coalesce(state, '{PRESENT}'), annotator, weight FROM file_labels ORDER BY line
"""
TABLES_SQL = """
CREATE TABLE said (
    sample_id VARCHAR, label VARCHAR, state VARCHAR, annotator VARCHAR, weight DOUBLE, source VARCHAR
);
CREATE TABLE looked (sample_id VARCHAR, source VARCHAR)
"""
# What a later source says of a class of a sample takes the place of what an earlier one does, but for people by name.
ADDING_SQL = """
DELETE FROM said WHERE annotator IS NULL AND (sample_id, label) IN (
    SELECT (sample_id, label) FROM of_source WHERE annotator IS NULL
);
INSERT INTO said FROM of_source
"""
CORRECTING_SQL = """
DELETE FROM said USING corrected c WHERE said.sample_id = c.sample_id AND said.label = c.value AND (
    c.kind = 'wrong_label' OR said.annotator IS NULL OR said.annotator = c.who
);
INSERT INTO said
SELECT sample_id, value, CASE kind WHEN 'label' THEN 'present' ELSE 'absent' END, who, 1.0, NULL
FROM corrected WHERE kind IN ('label', 'wrong_label')
"""
# Of people who contradict each other the larger weight is right; where it is equal, nothing is known.
TOGETHER_SQL = f"""
WITH counted AS (
    SELECT sample_id, label, coalesce(sum(weight) FILTER (state = 'present'), 0) AS yes,
           coalesce(sum(weight) FILTER (state = 'absent'), 0) AS no, {WHO} AS who,
           CASE WHEN bool_or(source <> '{FILES}') THEN 'source' ELSE 'user' END AS origin
    FROM said GROUP BY sample_id, label
)
SELECT sample_id, 'given' AS label_set, label,
       CASE WHEN yes > no THEN 'present' WHEN no > yes THEN 'absent' ELSE 'unknown' END AS state,
       CASE WHEN yes > no THEN 1.0 WHEN no > yes THEN 0.0 END::FLOAT AS probability, coalesce(who, origin) AS annotator
FROM counted ORDER BY sample_id, label
"""
LOOKED_SQL = "SELECT sample_id, list(DISTINCT source ORDER BY source) FROM looked GROUP BY 1 ORDER BY 1"


@dataclass(frozen=True)
class Place:
    """Where labels of a source stand, and which classes were looked for in it."""

    label_key: str
    vocabulary: tuple[str, ...]


class Statements:
    """What is said of samples, in the tables `said` (of classes) and `looked` (in which source they have labels)."""

    def __init__(
        self, outputs: Mapping[str, Sequence[Output]], labels: LabelsConfig, places: Mapping[str, Place]
    ) -> None:
        self._labels, self._places, self._n_strange = labels, places, 0
        self._vocabularies: dict[str, tuple[str, ...]] = {}
        self._unlabelled = frozenset(spelling.strip().lower() for spelling in labels.no_label)
        self._connection = connect(tables_of(outputs))
        self._connection.execute(TABLES_SQL)

    def add_all(self) -> None:
        """Add what each source of `labels.given` says, the later in the place of the earlier."""
        for number, source in enumerate(self._labels.given):
            if source == "none":
                continue
            setting = FILES if len(self._labels.given) == 1 else f"{FILES}.{number}"
            rows = self._found() if source == "found" else self._of_file(source, setting)
            self._connection.execute("CREATE OR REPLACE TABLE of_source AS FROM said LIMIT 0")
            self._insert(rows)
            self._connection.execute(ADDING_SQL)

    def _found(self) -> Iterator[tuple[Any, ...]]:
        """Rows of SAID of what came with samples; one without a class says that something was looked at."""
        several = {name for name in self._places if self._has_several(name)}
        cursor = self._connection.cursor().execute(FOUND_SQL)
        while rows := cursor.fetchmany(ROWS_AT_ONCE):
            for sample_id, source, text, by_default, metadata in rows:
                listed = self._listed(source, metadata)
                label = None if listed is None and by_default and source in several else text
                states = self._states(label if listed is None else listed)
                if states or listed == []:
                    yield sample_id, None, None, None, None, source
                for name, state in states.items():
                    yield sample_id, name, state, None, 1.0, source

    def _has_several(self, source: str) -> bool:
        """Whether any label of a source is a list or a map."""
        key = self._places[source].label_key.replace("~", "~0").replace("/", "~1")
        return bool(self._connection.execute(SEVERAL_SQL, [source, f"/{key}"]).fetchall()[0][0])

    def _listed(self, source: str, metadata: str | None) -> Any:
        """The label that stands in the metadata, as it is a list or a map; None without one."""
        fields = {} if metadata is None else json.loads(metadata)
        label = fields.get(self._place(source).label_key)
        if isinstance(label, list | dict):
            return label
        self._n_strange += SEVERAL_CLASSES in str(fields.get(ERROR))  # under another name than `label_key`
        return None

    def _states(self, label: Any) -> dict[str, str]:
        """The states that a label says; what cannot be understood says none, and is counted."""
        try:
            states = {} if label is None else said_states(label, self._labels.multi.separator, self._unlabelled)
        except ValueError:  # a class longer than any is
            states = None
        self._n_strange += states is None
        return states or {}

    def _place(self, source: str) -> Place:
        return self._places.get(source, Place("label", ()))

    def _of_file(self, path: str, setting: str) -> Iterator[tuple[Any, ...]]:
        tally = load_label_file(self._connection, path, setting, WITH_STATES)
        check_matched(tally)
        looked = self._looked_for(tally) if tally.images else FILES
        cursor = self._connection.cursor().execute(FILE_SQL)
        while rows := cursor.fetchmany(ROWS_AT_ONCE):
            for sample_id, text, state, annotator, weight in rows:
                names = self._states([text] if tally.images and text else text)  # a category is one class
                if names or tally.images:
                    yield sample_id, None, None, None, None, looked
                for name in names:
                    yield sample_id, name, state, annotator, weight, FILES

    def _looked_for(self, tally: Tally) -> str:
        """The place of the vocabulary of a file in COCO's format: its own categories, where the setting says so."""
        if self._labels.multi.vocabulary != OF_FILE:
            return FILES
        if tally.images and tally.images.n_absent:
            raise ValueError(
                f"labels.multi.vocabulary: {OF_FILE} is for files whose categories were all looked for in every image;"
                f" {tally.path} says itself in which images they are absent (neg_category_ids)"
            )
        place = f"{FILES}: {tally.path}"
        named = (row[0] for row in self._connection.execute("SELECT label FROM file_classes").fetchall())
        self._vocabularies[place] = tuple(name for each in named for name in self._states([each]))
        return place

    def _insert(self, rows: Iterator[tuple[Any, ...]]) -> None:
        while some := list(islice(rows, ROWS_AT_ONCE)):
            arrays = [pa.array(column, kind) for column, kind in zip(zip(*some, strict=True), SAID.types, strict=True)]
            self._connection.register("_some", pa.Table.from_arrays(arrays, schema=SAID))
            self._connection.execute("INSERT INTO of_source FROM _some WHERE label IS NOT NULL")
            self._connection.execute("INSERT INTO looked SELECT sample_id, source FROM _some WHERE label IS NULL")
            self._connection.unregister("_some")

    def correct(self, corrections: pa.Table) -> None:
        """Let what people have corrected go before all else."""
        self._connection.register("corrected", corrections.select(["sample_id", "kind", "value", "who"]))
        self._connection.execute(CORRECTING_SQL)
        self._connection.unregister("corrected")

    def tables(self) -> dict[Table, pa.Table]:
        """Return LABEL_STATES, LOOKED_FOR and VOCABULARIES of the label set 'given'."""
        states = self._connection.sql(TOGETHER_SQL).to_arrow_table()
        ids, numbers, unions = self._looked()
        entries = [(number, name) for number, names in enumerate(unions) for name in names]
        vocabularies = {
            "label_set": ["given"] * len(entries),
            "vocabulary": [number for number, _ in entries],
            "label": [name for _, name in entries],
            "probability": [0.0] * len(entries),
        }
        looked = {"sample_id": ids, "label_set": ["given"] * len(ids), "vocabulary": numbers}
        return {
            LABEL_STATES: LABEL_STATES.build({name: states[name] for name in states.column_names}),
            LOOKED_FOR: LOOKED_FOR.build(looked),
            VOCABULARIES: VOCABULARIES.build(vocabularies),
        }

    def _looked(self) -> tuple[list[str], list[int], list[tuple[str, ...]]]:
        """The samples that have a vocabulary, its number, and all vocabularies: each the union of its sources'."""
        of_source = {name: place.vocabulary for name, place in self._places.items()}
        named = self._labels.multi.vocabulary
        of_source |= {FILES: () if named == OF_FILE else tuple(map(str, named)), **self._vocabularies}
        ids: list[str] = []
        numbers: list[int] = []
        unions: dict[tuple[str, ...], int] = {}
        for sample_id, sources in self._connection.execute(LOOKED_SQL).fetchall():
            union = tuple(sorted({name for source in sources for name in of_source.get(source, ())}))
            if union:
                ids.append(sample_id)
                numbers.append(unions.setdefault(union, len(unions)))
        return ids, numbers, list(unions)

    def counts(self) -> dict[str, int]:
        """How many rows there are of each state, and labels that could not be understood."""
        sql = f"SELECT state, count(*) FROM ({TOGETHER_SQL}) GROUP BY 1"
        by_state = dict(self._connection.execute(sql).fetchall())
        found = {f"n_given_{state}": by_state.get(state, 0) for state in STATES}
        return {"n_strange_labels": self._n_strange, **found}
