"""Soft labels of an export: a file of numbers for each label set, a row for each sample in the order of the plan."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from windrow.schemas import LABEL_SETS, SOFT_LABELS
from windrow.schemas.stages import Stage
from windrow.schemas.texts.soft_names import SoftLabelSet
from windrow.tasks.export.export_config import ExportConfig
from windrow.tasks.storage.files.parquet import ROWS_PER_GROUP, naming, vectors_to_array
from windrow.tasks.storage.files.whole_columns import whole
from windrow.tasks.storage.store.made import Made
from windrow.tasks.storage.store.outputs import Output

SMALLEST = 1e-7
"""What a probability of 0 counts as, in a logit."""

Halves = npt.NDArray[np.float16]


def soft_files(folder: Path, config: ExportConfig) -> dict[SoftLabelSet, Path]:
    """Return the files of an output that there are: a label set that no maker made of classes has none."""
    paths = {each: folder / each.file for each in config.soft}
    return {each: path for each, path in paths.items() if path.is_file()}


def label_sets_told(store: Path, made: Made, config: ExportConfig) -> dict[str, dict[str, Any]]:
    """Return how each exported label set was made: method, temperature, and by class the prior and the thresholds."""
    wanted = config.said_by
    told: dict[str, dict[str, Any]] = {}
    for output in made.opened(store, Stage.PSEUDO_LABEL)[Stage.PSEUDO_LABEL]:
        rows = output.read(LABEL_SETS).to_pylist() if f"{LABEL_SETS.name}.parquet" in output.files else []
        told |= {row["label_set"]: _told(row) for row in rows if row["label_set"] in wanted}
    return {name: told[name] for name in wanted if name in told}


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    by_class = {
        name: row[name] and dict(zip(row["classes"], row[name], strict=True)) for name in ("prior", "thresholds")
    }
    return {"method": row["method"], "temperature": row["temperature"], "classes": row["classes"], **by_class}


@dataclass(frozen=True)
class SoftLabels:
    """The soft labels of a run that an export takes: where they are kept, and how each label set was made."""

    outputs: tuple[Output, ...]
    told: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, store: Path, made: Made, config: ExportConfig) -> SoftLabels | None:
        """Those of a run; None where none are wanted."""
        if config.soft_labels == "none":
            return None
        found = made.opened(store, Stage.PSEUDO_LABEL)[Stage.PSEUDO_LABEL]
        kept = tuple(output for output in found if f"{SOFT_LABELS.name}.parquet" in output.files)
        return cls(kept, label_sets_told(store, made, config))

    def classes(self, label_set: str) -> list[str]:
        """Return all classes of a label set, whether a sample has got them or not."""
        return list(self.told[label_set]["classes"]) if label_set in self.told else []

    def inputs(self) -> list[str]:
        """What files made of them depend on."""
        return [output.files[f"{SOFT_LABELS.name}.parquet"] for output in self.outputs]

    def write(self, folder: Path, sample_ids: pa.ChunkedArray, classes: Sequence[str], config: ExportConfig) -> None:
        """Write a file of float16 (n, n_classes) for each label set that has them; a sample that lacks them has NaN.

        The columns are in the order of `classes`, or where these lack some, as labels are clusters, in the order of the
        label set's own. A block of rows is held at a time, in the order of the store.
        """
        names = whole(sample_ids)
        wanted = {each.name: each for each in config.soft}
        with ExitStack() as opened:
            files: dict[str, _RowFile] = {}
            for name, ids, block in self._parts(list(wanted)):
                made_of = self.told[name]["classes"]
                order = classes if set(made_of) <= set(classes) else made_of
                if name not in files:
                    files[name] = _RowFile(folder / wanted[name].file, len(names), len(order))
                    opened.callback(files[name].close)
                places = pc.index_in(ids, names)
                there = pc.is_valid(places).to_numpy(zero_copy_only=False)
                values = _ordered(block[there], made_of, order)
                if config.soft_labels == "logits":
                    values = _logits(values, self.told[name]["temperature"])
                files[name].put(places.drop_null().to_numpy(), values)

    def _parts(self, wanted: Sequence[str]) -> Iterator[tuple[str, pa.Array, Halves]]:
        for output in self.outputs:
            path = output.table_path(SOFT_LABELS)
            with naming(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
                for number in range(file.num_row_groups):  # batches over several keep what they have read
                    table = file.read_row_group(number)
                    for name in pc.unique(table["label_set"]).to_pylist():
                        if name in wanted:
                            part = table.filter(pc.equal(table["label_set"], name))
                            yield name, whole(part["sample_id"]), vectors_to_array(part["probabilities"])


class _RowFile:
    """A .npy file of float16 (n, width) whose rows are put in any order, without a map of it; NaN where none was."""

    def __init__(self, path: Path, n: int, width: int) -> None:
        self._file = path.open("w+b")
        described = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.float16)), "fortran_order": False}
        np.lib.format.write_array_header_1_0(self._file, {**described, "shape": (n, width)})
        empty = np.full((ROWS_PER_GROUP, width), np.nan, np.float16)
        self._start = self._file.tell()
        for first in range(0, n, ROWS_PER_GROUP):
            self._file.write(empty[: n - first].tobytes())
        self._file.flush()

    def put(self, places: npt.NDArray[Any], rows: Halves) -> None:
        for place, row in zip(places.tolist(), np.ascontiguousarray(rows), strict=True):
            os.pwrite(self._file.fileno(), row.data, self._start + place * row.nbytes)

    def close(self) -> None:
        self._file.close()


def _ordered(block: Halves, made_of: Sequence[str], classes: Sequence[str]) -> Halves:
    """The columns of `made_of` as those of `classes`; 0 for a class that the label set does not know."""
    at = {name: number for number, name in enumerate(made_of)}
    values = np.zeros((len(block), len(classes)), np.float16)
    known = [number for number, name in enumerate(classes) if name in at]
    values[:, known] = block[:, [at[classes[number]] for number in known]]
    return values


def _logits(probabilities: Halves, temperature: float) -> Halves:
    """Numbers whose softmax, when they are divided by the temperature, is the probabilities."""
    logs = np.log(np.maximum(probabilities.astype(np.float64), SMALLEST))
    return np.asarray(temperature * logs, np.float16)


def rows_digest(rows: Halves) -> str:
    """The SHA-256 of the values of some rows."""
    return sha256(np.ascontiguousarray(rows).tobytes()).hexdigest()
