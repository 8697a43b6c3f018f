"""Samples of several classes that are kept apart to judge curated sets by, and the given states without theirs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas import HELD_OUT, HELD_OUT_STATES, LABEL_STATES, LOOKED_FOR, NEIGHBORS, VOCABULARIES
from windrow.schemas.stages import Part, Stage
from windrow.tasks.algorithms.labels.states.known_states import ABSENT, PRESENT, UNKNOWN, KnownStates
from windrow.tasks.labels.states.state_labeling import given_classes, known_states
from windrow.tasks.labels.states.state_rows import NAMES
from windrow.tasks.storage.files.whole_columns import whole
from windrow.tasks.storage.store.made import Made, digests
from windrow.tasks.storage.store.outputs import Done, OutputWriter, make_output, open_output
from windrow.tasks.worth.held_out import groups_of, held_of
from windrow.tasks.worth.worth_config import WorthConfig

VERSION = 1


def hold_out_states(store: Path, made: Made, config: WorthConfig, threshold: float, seed: int) -> Done:
    """Write HELD_OUT, by `sample_id`, without labels, and HELD_OUT_STATES: some of the samples with a given state.

    They go in groups, as those of `hold_out` do. A sample counts among those of the rarest class that is present in it,
    or of none, so that no class loses its last. The counts are n_held_out, n_held_out_states, and n_evaluated, the
    samples with a state.
    """
    outputs = made.opened(store, Stage.INGEST, Stage.NEIGHBORS, Part.GIVEN_STATES)

    def write(writer: OutputWriter) -> None:
        table = outputs[Stage.NEIGHBORS][0].read(NEIGHBORS, ["sample_id"])
        sample_ids, given = whole(table["sample_id"]), outputs[Part.GIVEN_STATES][0]
        classes = given_classes(given)
        known, _ = known_states(given, sample_ids, classes)
        labels = np.where(known.is_listed(), known.rarest_present() + 1, -1)
        groups = groups_of(outputs, sample_ids, threshold)
        rows = np.flatnonzero(held_of(labels, groups, config, seed))
        ids = sample_ids.take(pa.array(rows))
        held = {"sample_id": ids, "group_id": groups.take(pa.array(rows)), "label": pa.nulls(len(rows), pa.string())}
        states = _states(ids, known.take(rows), classes)
        writer.write(HELD_OUT, HELD_OUT.build(held))
        writer.write(HELD_OUT_STATES, states)
        n_evaluated = int((labels[rows] >= 0).sum())
        writer.counts.update(n_held_out=len(rows), n_held_out_states=states.num_rows, n_evaluated=n_evaluated)

    settings = {"share": config.holdout_share, "most": config.holdout_most, "threshold": threshold, "seed": seed}
    return make_output(store, Part.HELD_OUT_STATES, VERSION, {**digests(outputs), **settings}, write)


def _states(ids: pa.Array, known: KnownStates, classes: list[str]) -> pa.Table:
    """HELD_OUT_STATES, by sample and class; of a class at a time no more is held than a state a sample."""
    rows, numbers = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    states = [np.empty(0, np.int8)]
    for place in range(len(classes)):
        found = known.of_class(place)
        there = np.flatnonzero(found != UNKNOWN)
        rows.append(there)
        numbers.append(np.full(len(there), place))
        states.append(found[there])
    row, number, state = np.concatenate(rows), np.concatenate(numbers), np.concatenate(states)
    order = np.lexsort((number, row))
    return HELD_OUT_STATES.build(
        {
            "sample_id": ids.take(pa.array(row[order], pa.int64())),
            "label": pa.array(classes, pa.string()).take(pa.array(number[order], pa.int64())),
            "state": pa.array([NAMES[ABSENT], NAMES[PRESENT]]).take(pa.array(state[order] == PRESENT).cast(pa.int64())),
        }
    )


def without_held_out_states(store: Path, given: str, held: str) -> Done:
    """Write the given states that may be learnt from: all but those of held-out samples."""
    states, apart = open_output(store / given), open_output(store / held)

    def write(writer: OutputWriter) -> None:
        ids = whole(apart.read(HELD_OUT, ["sample_id"])["sample_id"])
        writer.counts.update(states.counts)
        for declared in (LABEL_STATES, LOOKED_FOR, VOCABULARIES):
            table = states.read(declared)
            if declared is not VOCABULARIES:
                table = table.filter(pc.invert(pc.is_in(table["sample_id"], ids)))
            writer.write(declared, table)
            writer.counts[f"n_{declared.name}"] = table.num_rows

    return make_output(store, Part.GIVEN_STATES, VERSION, {"given": states.digest, "held_out": apart.digest}, write)
