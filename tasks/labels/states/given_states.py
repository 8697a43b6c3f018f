"""Given states: which classes samples are said to be of, and not to be of, by their sources and by files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from windrow.schemas.stages import Part, Stage
from windrow.tasks.corrections.taken import read_taken
from windrow.tasks.labels.labels_config import LabelsConfig
from windrow.tasks.labels.states.multi_label_config import OF_FILE
from windrow.tasks.labels.states.statements import Place, Statements
from windrow.tasks.storage.files.whole_or_absent import file_digest
from windrow.tasks.storage.store.outputs import (
    Done,
    Output,
    OutputWriter,
    content_fingerprint,
    make_output,
    open_output,
)
from windrow.tasks.storage.user_files.user_file import is_coco

VERSION = 1


def find_given_states(
    store: Path,
    ingested: Sequence[str],
    labels: LabelsConfig,
    places: Mapping[str, Place],
    corrections: Sequence[str] = (),
) -> Done:
    """Write LABEL_STATES, LOOKED_FOR and VOCABULARIES of the label set 'given'.

    `places`: of each source, by its name. `corrections`: outputs with those that are taken: 'label' makes a class
    present, 'wrong_label' absent.

    The counts are those of the tables, n_given_present, n_given_absent and n_given_unknown; and n_strange_labels, which
    are neither a text, a list nor a map of classes. Raises ValueError as `load_label_file` does.
    """
    outputs: dict[str, list[Output]] = {Stage.INGEST: [open_output(store / path) for path in ingested]}
    corrected = [open_output(store / path) for path in corrections]

    def write(writer: OutputWriter) -> None:
        said = Statements(outputs, labels, places)
        said.add_all()
        said.correct(read_taken(corrected))
        for declared, table in said.tables().items():
            writer.write(declared, table)
            writer.counts[f"n_{declared.name}"] = table.num_rows
        writer.counts.update(said.counts())

    inputs = {
        "ingest": content_fingerprint(outputs[Stage.INGEST]),
        "given": list(labels.given),
        "files": [file_digest(Path(path)) if Path(path).is_file() else None for path in labels.given_files],
        "unlabelled": labels.no_label,
        "separator": labels.multi.separator,
        "vocabulary": labels.multi.vocabulary,
        "places": {name: asdict(place) for name, place in places.items()} if "found" in labels.given else {},
    }
    if corrected:
        inputs["corrections"] = content_fingerprint(corrected)
    return make_output(store, Part.GIVEN_STATES, VERSION, inputs, write)


def told_states(counts: Mapping[str, int], labels: LabelsConfig) -> str:
    """Say what `find_given_states` found, in a line."""
    parts = [f"{counts[f'n_given_{state}']:,} {state}" for state in ("present", "absent")]
    looked = f"{counts['n_looked_for']:,} samples have a vocabulary, whose other classes are absent"
    strange = counts["n_strange_labels"]
    more = [f"contradicted or said to be unknown: {counts['n_given_unknown']:,}"] if counts["n_given_unknown"] else []
    more += (
        [f"labels that are neither classes nor a map of classes, or not at label_key: {strange:,}"] if strange else []
    )
    nothing_absent = not counts["n_given_absent"] and not counts["n_looked_for"]
    if nothing_absent and any(is_coco(Path(each)) for each in labels.given_files):
        said = f"labels.multi.vocabulary: {OF_FILE} says so"
        more.append(f"nothing is absent: where all categories were looked for in every image, {said}")
    return "; ".join([f"given states of classes: {', '.join(parts)}", looked, *more])
