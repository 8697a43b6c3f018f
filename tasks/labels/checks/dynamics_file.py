"""What a training job of the user's recorded of each sample: a Parquet file, read some rows at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from windrow.schemas.texts.label_text import label_of
from windrow.tasks.storage.user_files.wanted_columns import plain_name

ROWS = 8192
DEPTHS = {"loss": (0, 1), "logits": (1, 2), "probabilities": (1, 2)}
SMALLEST_PROBABILITY = 1e-7


@contextmanager
def told_where(path: Path, otherwise: str = "is damaged") -> Iterator[None]:
    """Let what a file cannot be read for be a ValueError, in one line, that names the setting and the file."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError, KeyError) as error:
        why = " ".join(str(error).split())
        raise ValueError(f"labels.checks.dynamics: {path} {otherwise} ({why})") from None


@dataclass(frozen=True)
class DynamicsPart:
    """Some rows: sample_index int64 (b,), loss float64 (b, n_epochs), logits float64 (b, n_epochs, n_classes) or None.

    Logits of a file of probabilities are their logarithms, those below 1e-7 counting as that.
    """

    sample_index: npt.NDArray[np.int64]
    loss: npt.NDArray[np.float64] | None
    logits: npt.NDArray[np.float64] | None


class DynamicsFile:
    """A Parquet file with `sample_index` and `loss`, `logits` or `probabilities`, a number or list for each epoch.

    classes: the names of the logits' columns, a JSON list in the schema's metadata under `class_names`; empty without
    logits. Raises ValueError naming the file and the column that is missing or not as it should be.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise ValueError(f"labels.checks.dynamics: there is no file {str(path)!r}")
        with told_where(path, "is no Parquet file, or damaged"):
            self._file = pq.ParquetFile(path, page_checksum_verification=True)
            self.path, schema = path, self._file.schema_arrow
        self._names = self._spelt(schema.names)
        self.columns = [name for name in DEPTHS if name in self._names]
        index = self._names.get("sample_index")
        if index is None or not pa.types.is_integer(schema.field(index).type):
            raise self._mistake("sample_index", "is missing, or not of integers")
        if not self.columns or {"logits", "probabilities"} <= set(self.columns):
            raise self._mistake("loss, logits or probabilities", f"is wanted, it has {schema.names}")
        self.classes = [] if self.columns == ["loss"] else self._classes((schema.metadata or {}).get(b"class_names"))

    def parts(self) -> Iterator[DynamicsPart]:
        """The file's rows in its order. Raises ValueError naming the column that has a null, or another shape."""
        shapes: dict[str, tuple[int, ...]] = {}
        index = self._names["sample_index"]
        for batch in self._batches([index, *(self._names[name] for name in self.columns)]):
            if batch[index].null_count:
                raise self._mistake("sample_index", "has nulls")
            arrays = {name: self._dense(name, batch[self._names[name]]) for name in self.columns}
            for name, array in arrays.items():
                if shapes.setdefault(name, array.shape[1:]) != array.shape[1:]:
                    raise self._mistake(name, f"has lists of shape {shapes[name]} and {array.shape[1:]}")
            logits = arrays.get("logits")
            if "probabilities" in arrays:
                logits = self._logarithms(arrays["probabilities"])
            yield DynamicsPart(batch[index].to_numpy().astype(np.int64), arrays.get("loss"), logits)

    def _batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        with told_where(self.path):
            yield from self._file.iter_batches(ROWS, columns=list(columns))

    def _dense(self, name: str, values: pa.Array) -> npt.NDArray[np.float64]:
        """A column as an array: losses (b, n_epochs), others (b, n_epochs, n_classes); without epochs, one."""
        shape = [len(values)]
        while isinstance(values, pa.ListArray | pa.LargeListArray | pa.FixedSizeListArray):
            lengths = pc.unique(pc.list_value_length(values)).to_pylist()
            if values.null_count or len(lengths) != 1 or not lengths[0]:
                raise self._mistake(name, f"wants lists of one length, got {lengths[:5]}, {values.null_count} nulls")
            shape.append(lengths[0])
            values = values.flatten()
        if len(shape) - 1 not in DEPTHS[name] or not (pa.types.is_floating(values.type) or name == "loss"):
            raise self._mistake(
                name, f"wants numbers or lists of them, got {self._file.schema_arrow.field(self._names[name]).type}"
            )
        try:
            numbers = values.cast(pa.float64()).to_numpy(zero_copy_only=False)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            raise self._mistake(name, f"wants numbers, got {values.type}") from None
        if values.null_count or not np.isfinite(numbers).all():
            raise self._mistake(name, "has nulls or numbers that are not finite")
        if len(shape) == DEPTHS[name][0] + 1:
            shape.insert(1, 1)
        dense: npt.NDArray[np.float64] = numbers.reshape(shape)
        if name != "loss" and dense.shape[2] != len(self.classes):
            raise self._mistake(name, f"has {dense.shape[2]} classes, class_names has {len(self.classes)}")
        return dense

    def _logarithms(self, probabilities: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        if probabilities.min() < 0 or np.abs(probabilities.sum(axis=2) - 1).max() > 0.01:
            raise self._mistake("probabilities", "wants numbers from 0 that sum to 1")
        return np.asarray(np.log(np.maximum(probabilities, SMALLEST_PROBABILITY)))

    def _classes(self, text: bytes | None) -> list[str]:
        try:
            names = json.loads(text or b"null")
        except ValueError:
            names = None
        if not isinstance(names, list) or len({str(name) for name in names}) != len(names) or len(names) < 2:
            raise self._mistake(
                self.columns[-1], "wants `class_names` in the schema's metadata: a JSON list of two names or more"
            )
        return [label_of(str(name)) or str(name) for name in names]

    def _spelt(self, names: Sequence[str]) -> dict[str, str]:
        """How each column that is read is spelt in the file, by its plain name."""
        found: dict[str, str] = {}
        for name in names:
            if plain_name(name) in found and plain_name(name) in ("sample_index", *DEPTHS):
                raise self._mistake(plain_name(name), f"is there twice, as {found[plain_name(name)]!r} and {name!r}")
            found[plain_name(name)] = name
        return found

    def indices(self) -> npt.NDArray[np.int64]:
        """The sample_index of every row, in the file's order."""
        with told_where(self.path):
            column = self._file.read([self._names["sample_index"]]).column(0)
        return np.asarray(column.to_numpy(), np.int64) if not column.null_count else np.zeros(0, np.int64)

    def _mistake(self, column: str, what: str) -> ValueError:
        return ValueError(f"labels.checks.dynamics: {self.path}: column {column} {what}")
