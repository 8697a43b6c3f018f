"""A store as the explorer reads it: the samples of the map, in its order, and what is known of them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from windrow.schemas.embeddings import MAP_PLACES
from windrow.schemas.stages import Stage
from windrow.tasks.explore.columns import Named, named
from windrow.tasks.report.pool_map import draw_map
from windrow.tasks.report.thumbnails import SmallImage, sample_reader, small_image
from windrow.tasks.storage.catalog.views import connect_run
from windrow.tasks.storage.files.parquet import read_table
from windrow.tasks.storage.files.whole_columns import whole
from windrow.tasks.storage.published.versions import diff_versions, list_versions
from windrow.tasks.storage.sources.source import SampleGone
from windrow.tasks.storage.store.outputs import open_output
from windrow.tasks.storage.store.run_records import Run, open_run
from windrow.tasks.storage.store.run_rest import last_to_ask, rest_folder, rest_told

KEPT_IMAGES = 4096
SIDES = (192, 640)
"""Pixels of pictures in the gallery and of the one that is looked at."""
# However many rows a question has, no more than the pool's samples are written and read.
MATCHING_SQL = """
SELECT sample_id FROM (SELECT sample_id, row_number() OVER () AS place FROM (
{asked}
)) SEMI JOIN pool USING (sample_id) GROUP BY sample_id ORDER BY min(place)
"""
_WHOLE = ("select", "with", "from ")
CHANGES = ("came", "went", "another label")


@dataclass(frozen=True)
class Planes:
    """Two planes, (n, 2) each: places among neighbours, and on the principal components."""

    near: npt.NDArray[np.float32]
    components: npt.NDArray[np.float32]


def _places(run: Run) -> pa.Table:
    """MAP_PLACES of a run, drawn unless they have been."""
    if run.status == "withdrawn":
        kept = rest_folder(run) / f"{MAP_PLACES.name}.parquet"
        if not kept.exists():
            raise ValueError(f"run {run.run_id}: {run.error}. No map of it had been drawn, and its embeddings are gone")
        return read_table(MAP_PLACES, [kept])
    features = [str(output.path.relative_to(run.store)) for output in run.outputs(Stage.FEATURES)]
    drawn = draw_map(run.store, features, int(run.config.get("seed", 0)))
    return open_output(run.store / drawn.path).read(MAP_PLACES)


def matching_sql(words: str) -> str:
    """Return the question for the samples that some SQL finds, each once, in its order.

    `words`: a condition over `pool`, or a SELECT of sample_id. Raises ValueError for none.
    """
    words = words.strip().removesuffix(";")
    if not words:
        raise ValueError("wants a condition over pool, or a SELECT of sample_id")
    asked = words if words.lower().startswith(_WHOLE) else f"SELECT sample_id FROM pool WHERE (\n{words}\n)"
    return MATCHING_SQL.format(asked=asked)


class ExploredStore:
    """The samples of a run that lie on its map, by their row: their places in the order of `sample_id`, from 0."""

    def __init__(self, store: Path, run_id: str | None = None) -> None:
        """Open a finished run, the last by default, and draw its map unless there is one.

        Of one that a take-down withdrew, what is left of it, on the map that had been drawn. Raises ValueError when
        there is none, or too little to draw.
        """
        self.store = store
        self._own = connect_run(store, run_id)
        run = open_run(store, run_id) if run_id else last_to_ask(store)
        if run is None:
            raise ValueError(f"store {store} has no finished run: `windrow run` makes one")
        self.run: Run = run
        table = _places(run)
        self.sample_ids: pa.Array = whole(table["sample_id"])
        columns = [table[name].to_numpy() for name in MAP_PLACES.schema().names[1:]]
        near, components = np.stack(columns[:2], axis=1), np.stack(columns[2:], axis=1)
        self.planes = Planes(near.astype(np.float32), components.astype(np.float32))
        self._own.register("_places", pa.table({"sample_id": self.sample_ids, "place": np.arange(len(table))}))
        self._own.execute("CREATE TABLE places AS FROM _places")
        self._lock = threading.Lock()
        self.image = lru_cache(KEPT_IMAGES)(self._image)

    @property
    def withdrawn(self) -> str | None:
        """Why only the rest of a run is shown; None of a whole one."""
        return f"{self.run.error}{rest_told(self.run)}" if self.run.status == "withdrawn" else None

    def connection(self) -> Any:
        """A connection for one question of the house's own, for one thread."""
        with self._lock:
            return self._own.cursor()

    def sample_id(self, row: int) -> str:
        """Return the sample of a row. Raises ValueError for a row that is none."""
        if not 0 <= row < len(self.sample_ids):
            raise ValueError(f"row: wants 0 to {len(self.sample_ids) - 1}, got {row}")
        return str(self.sample_ids[row].as_py())

    def rows_of(self, sample_ids: Sequence[str] | pa.Array | pa.ChunkedArray) -> npt.NDArray[np.int64]:
        """Return the row of each sample, -1 of one that is not on the map."""
        ids = pa.array(sample_ids, pa.string()) if isinstance(sample_ids, Sequence) else sample_ids
        found = pc.fill_null(pc.index_in(whole(ids), self.sample_ids), -1)
        return np.asarray(found.to_numpy(zero_copy_only=False), np.int64)

    def found(self, answer: Path) -> npt.NDArray[np.uint32]:
        """Return the rows of the samples that a file lists, an answer to `matching_sql` as an Arrow stream."""
        with pa.ipc.open_stream(str(answer)) as reader:
            rows = self.rows_of(reader.read_all()["sample_id"])
        return rows[rows >= 0].astype(np.uint32)

    def change(self, old: str, new: str) -> Named:
        """Return what became of each sample between two versions of the run's curated set, one of CHANGES.

        Raises ValueError when one is no version.
        """
        versions = {version.version: version for version in list_versions(self.store, self.run.name)}
        for asked in (old, new):
            if asked not in versions:
                raise ValueError(f"{self.run.name!r} has no version {asked!r}; it has {', '.join(versions) or 'none'}")
        change = diff_versions(versions[old].path, versions[new].path)
        words = np.full(len(self.sample_ids), None, object)
        for word, rows in zip(CHANGES, (change.added, change.removed, change.relabelled), strict=True):
            found = self.rows_of(rows["sample_id"])
            words[found[found >= 0]] = word
        return named(pa.array(words, pa.string()))

    def _image(self, sample_id: str, side: int) -> SmallImage | SampleGone:
        for _, data in sample_reader(self.connection(), self.store)([sample_id]):
            return data if isinstance(data, SampleGone) else small_image(data, side)
        return SampleGone("no readable occurrence")
