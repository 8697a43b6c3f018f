"""Pseudo-labels of a pool whose samples may be of several classes, as sparse as what there is to say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import LABEL_STATES, LOOKED_FOR, STATE_CLASSES, VOCABULARIES
from windrow.schemas.stages import Part, Stage
from windrow.tasks.algorithms.arrays import Int64Array
from windrow.tasks.algorithms.labels.states.known_states import ABSENT, PRESENT, UNKNOWN, KnownStates
from windrow.tasks.algorithms.labels.states.state_rule import StateRule
from windrow.tasks.backbones.backbone import BackboneConfig
from windrow.tasks.labels.given_labels import sorted_names
from windrow.tasks.labels.labels_config import PSEUDO, LabelsConfig
from windrow.tasks.labels.states.cdul_names import named_classes
from windrow.tasks.labels.states.state_rows import NAMES, StateRows
from windrow.tasks.storage.files.whole_columns import whole
from windrow.tasks.storage.store.made import Made, digests
from windrow.tasks.storage.store.outputs import Done, Output, OutputWriter, make_output, open_output
from windrow.tasks.storage.store.pool import read_pool

if TYPE_CHECKING:
    from windrow.tasks.algorithms.labels.states.state_spreading import SpreadClass

VERSION = 1
MOST_TOLD = 5
"""Classes of which a run says why they are not labelled."""


def spread_given_states(store: Path, made: Made, config: LabelsConfig, seed: int, backbone: BackboneConfig) -> Done:
    """Write LABEL_STATES, LOOKED_FOR and VOCABULARIES of the label set 'pseudo', and STATE_CLASSES.

    backbone: whose texts `labels.multi.cdul` asks. The counts are those of the tables, n_stated, the samples of which a
    class is known or said to be present or absent, and n_unstated, the others.
    """
    cdul = config.multi.cdul
    outputs = made.opened(store, Stage.FEATURES, Part.GIVEN_STATES, *([Part.SNIPPETS] if cdul else []))

    def write(writer: OutputWriter) -> None:
        from windrow.tasks.algorithms.labels.states.state_spreading import spread_states

        pool = read_pool(outputs[Stage.FEATURES])
        given = outputs[Part.GIVEN_STATES][0]
        classes = sorted_names({*given_classes(given), *(cdul.class_names if cdul else ())})
        known, who = known_states(given, pool.sample_ids, classes)
        rows, told = StateRows(len(pool.sample_ids), config.top_k), []
        asked = cdul and named_classes(pool, outputs[Part.SNIPPETS], classes, backbone, cdul, writer.path.parent)
        with asked or nullcontext() as named:
            for found in spread_states(pool.embeddings, known, _rule(config, seed), named):
                rows.add(found, known.entries_of(found.number))
                told.append(_told(found, classes[found.number]))
        columns = {column.name: [row[column.name] for row in told] for column in STATE_CLASSES.columns}
        tables = {
            LABEL_STATES: rows.table(pool.sample_ids, classes, who),
            LOOKED_FOR: _looked_for(pool.sample_ids, bool(rows.implied)),
            VOCABULARIES: _vocabularies(rows.implied, classes),
            STATE_CLASSES: STATE_CLASSES.build(columns),
        }
        for declared, table in tables.items():
            writer.write(declared, table)
            writer.counts[f"n_{declared.name}"] = table.num_rows
        n_stated = int(rows.is_said.sum())
        writer.counts.update(n_stated=n_stated, n_unstated=len(pool.sample_ids) - n_stated)

    rule = _rule(config, seed)
    inputs = {**digests(outputs), "rule": rule, "top_k": config.top_k}
    if cdul:
        inputs |= {"cdul": cdul, "backbone": backbone}
    return make_output(store, Part.LABEL_STATES, VERSION, inputs, write)


def _rule(config: LabelsConfig, seed: int) -> StateRule:
    multi = config.multi
    return StateRule(multi.promise, multi.failure_rate, multi.positive_only, multi.penalty, config.n_folds, seed)


def given_classes(given: Output) -> list[str]:
    """Return all classes that were given or looked for, in the order of numbers when all are, else of the alphabet."""
    columns = [given.read(table, ["label"])["label"] for table in (LABEL_STATES, VOCABULARIES)]
    return sorted_names({name for column in columns for name in pc.unique(column).to_pylist()})


def known_states(given: Output, sample_ids: pa.Array, classes: Sequence[str]) -> tuple[KnownStates, pa.Array]:
    """Return what is known of these samples, and who says each of its entries; of others nothing is looked at."""
    return states_of(given.read(LABEL_STATES), given.read(LOOKED_FOR), given.read(VOCABULARIES), sample_ids, classes)


def states_of(
    table: pa.Table, looked: pa.Table, entries: pa.Table, sample_ids: pa.Array, classes: Sequence[str]
) -> tuple[KnownStates, pa.Array]:
    """Return what LABEL_STATES, LOOKED_FOR and VOCABULARIES of a label set say of samples, and who says each entry."""
    row = pc.index_in(whole(table["sample_id"]), sample_ids)
    there = pc.is_valid(row)
    table, row = table.filter(there), _int64(row.filter(there))
    number = _int64(pc.index_in(whole(table["label"]), pa.array(classes, pa.string())))
    of_name = {name: state for state, name in NAMES.items()}
    coded = whole(table["state"]).dictionary_encode()
    of_code = np.array([of_name[name] for name in coded.dictionary.to_pylist()] or [UNKNOWN], np.int8)
    vocabulary, looked_for = _known_vocabularies(looked, entries, sample_ids, classes)
    states = of_code[_int64(coded.indices)]
    return KnownStates(row, number, states, vocabulary, looked_for), whole(table["annotator"])


def _known_vocabularies(
    looked: pa.Table, entries: pa.Table, sample_ids: pa.Array, classes: Sequence[str]
) -> tuple[Int64Array, npt.NDArray[np.bool_]]:
    numbers = _int64(entries["vocabulary"])
    looked_for = np.zeros((int(numbers.max()) + 1 if len(numbers) else 0, len(classes)), np.bool_)
    looked_for[numbers, _int64(pc.index_in(whole(entries["label"]), pa.array(classes, pa.string())))] = True
    place = pc.index_in(sample_ids, whole(looked["sample_id"]))
    vocabulary = np.full(len(sample_ids), -1, np.int64)
    there = pc.is_valid(place).to_numpy(zero_copy_only=False)
    vocabulary[there] = _int64(looked["vocabulary"])[_int64(place.drop_null())]
    return vocabulary, looked_for


def _int64(column: Any) -> Int64Array:
    return np.asarray(column.to_numpy() if isinstance(column, pa.ChunkedArray) else column, np.int64)


def _told(found: SpreadClass, name: str) -> dict[str, Any]:
    """The row of STATE_CLASSES of a class."""
    is_open = found.known == UNKNOWN
    return {
        "label": name,
        "n_present": int((found.known == PRESENT).sum()),
        "n_absent": int((found.known == ABSENT).sum()),
        "method": found.method,
        "least_present": found.thresholds.present,
        "most_absent": found.thresholds.absent,
        "n_said_present": int((is_open & (found.state == PRESENT)).sum()),
        "n_said_absent": int((is_open & (found.state == ABSENT)).sum()),
        "why_unknown": found.why,
    }


def _looked_for(sample_ids: pa.Array, is_any: bool) -> pa.Table:
    ids = sample_ids if is_any else sample_ids.slice(0, 0)
    columns = {"sample_id": ids, "label_set": pa.scalar(PSEUDO), "vocabulary": pa.scalar(0)}
    return LOOKED_FOR.build(columns)


def _vocabularies(implied: Mapping[int, float], classes: Sequence[str]) -> pa.Table:
    names = [classes[number] for number in implied]
    columns = {"label": names, "label_set": pa.scalar(PSEUDO), "vocabulary": pa.scalar(0)}
    return VOCABULARIES.build({**columns, "probability": list(implied.values())})


def told_classes(store: Path, done: Done) -> Iterator[str]:
    """Yield what was said of classes: how many of each, and for the first of those of which something is never said,
    why.
    """
    rows = open_output(store / done.path).read(STATE_CLASSES).to_pylist()
    n_present, n_absent = (sum(row[f"n_said_{state}"] for row in rows) for state in ("present", "absent"))
    yield f"labels of {len(rows):,} classes: beside the given, {n_present:,} said to be present and {n_absent:,} absent"
    silent = [row for row in rows if row["why_unknown"]]
    for row in silent[:MOST_TOLD]:
        yield f"class {row['label']!r}: {row['why_unknown']}"
    if len(silent) > MOST_TOLD:
        yield f"and {len(silent) - MOST_TOLD:,} classes more, see the table state_classes"
