"""A probe that is a command of the user's: it trains on each set in its own way and predicts the held-out samples."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from windrow.tasks.algorithms.arrays import BoolArray, Float32Array, Int64Array
from windrow.tasks.algorithms.worth.set_probe import JudgedPool
from windrow.tasks.storage.files.whole_or_absent import temporary_directory, write_atomically
from windrow.tasks.storage.sources.source import SampleGone
from windrow.tasks.worth.command_predictions import read_predictions
from windrow.tasks.worth.command_run import run_command
from windrow.tasks.worth.command_words import IMAGES, SEED, places_of, put_in

Reader = Callable[[Sequence[str]], Iterable[tuple[str, bytes | SampleGone]]]


@dataclass(frozen=True)
class CommandProbe:
    """A SetProbe that runs a command; what it predicted stays in the folder `kept`, so that a killed run goes on.

    sample_ids: (n,), of the pool; evaluated: (m,), of the samples that judge; classes: the names of the numbers. read:
    gives the bytes of samples, which are only asked for where the command has a place for {images}. note: told of each
    training that begins.
    """

    command: Sequence[str]
    seconds: float
    sample_ids: pa.Array
    evaluated: pa.Array
    classes: Sequence[str]
    kept: Path
    read: Reader
    note: Callable[[str], None]

    @property
    def name(self) -> str:
        return "command"

    def right(self, pool: JudgedPool, rows: Int64Array, _class_weighted: bool, seed: int, /) -> BoolArray:
        """As `SetProbe` says, but that a command weighs classes as it likes."""
        taught = rows[(pool.labels[rows] >= 0) & (pool.weights[rows] > 0)]
        if not len(taught):
            return np.zeros(len(pool.truth), np.bool_)
        content = b"".join(each.tobytes() for each in (taught, pool.labels[taught], pool.weights[taught]))
        kept = self.kept / f"{sha256(content).hexdigest()[:32]}-{seed}.json"
        if not kept.exists():
            self.kept.mkdir(parents=True, exist_ok=True)
            self.note(f"the command trains on {len(taught):,} samples")
            write_atomically(kept, json.dumps(self._predicted(pool, taught, seed)))
        predicted = np.array(json.loads(kept.read_text()))
        truth = np.array([self.classes[number] for number in pool.truth.tolist()])
        found: BoolArray = predicted == truth
        return found

    def _predicted(self, pool: JudgedPool, taught: Int64Array, seed: int) -> list[str]:
        train = pa.table(
            {
                "sample_id": self.sample_ids.take(pa.array(taught)),
                "label": [self.classes[number] for number in pool.labels[taught].tolist()],
                "label_weight": pool.weights[taught],
                "embedding": _vectors(pool.features[taught]),
            }
        )
        held_out = pa.table({"sample_id": self.evaluated, "embedding": _vectors(pool.evaluated)})
        with temporary_directory(self.kept) as folder:
            images, predictions = self.kept / IMAGES, folder / "predictions.csv"
            given = {IMAGES: str(images), "predictions": str(predictions), SEED: str(seed)}
            if IMAGES in places_of(self.command):
                train = self._with_images(images, train)
            for name, table in (("train", train), ("held_out", held_out)):
                given[name] = str(folder / f"{name}.parquet")
                pq.write_table(table, given[name])
            run_command(put_in(self.command, given), self.seconds, folder / "said.txt")
            return read_predictions(predictions, self.evaluated.to_pylist(), self.classes)

    def _with_images(self, folder: Path, train: pa.Table) -> pa.Table:
        """See to a file for each sample of the table and each that judges; return it without what lost its bytes."""
        folder.mkdir(exist_ok=True)
        judges = set(self.evaluated.to_pylist())
        missing = [name for name in (*train["sample_id"].to_pylist(), *sorted(judges)) if not (folder / name).exists()]
        gone: set[str] = set()
        for sample_id, data in self.read(missing):
            if isinstance(data, SampleGone):
                if sample_id in judges:
                    raise ValueError(f"worth: the bytes of the held-out sample {sample_id} are gone: {data.reason}")
                gone.add(sample_id)
                continue
            (folder / f".{sample_id}").write_bytes(data)
            (folder / f".{sample_id}").replace(folder / sample_id)
        if gone:
            self.note(f"{len(gone):,} samples have lost their bytes, and the command is not given them")
        return train.filter(pa.array([name not in gone for name in train["sample_id"].to_pylist()]))


def _vectors(rows: Float32Array) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(rows).ravel(), pa.float32()), rows.shape[1])
