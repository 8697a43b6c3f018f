"""The pool's embeddings in files, in the order of `sample_id`, whatever the shards were and however large it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from windrow.schemas import EMBEDDINGS, Table
from windrow.tasks.storage.files.parquet import naming, vectors_to_array
from windrow.tasks.storage.files.vectors import VectorFile
from windrow.tasks.storage.store.outputs import Output

ID_BYTES = 16
BATCH = 8192
MOST_BUCKETS = 512  # files open at once

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class PoolFile:
    """Every embedded sample once, ascending by `sample_id`."""

    ids: Path
    vectors: VectorFile

    def sample_ids(self, rows: slice) -> pa.Array:
        """The ids of some samples, as strings."""
        n = rows.stop - rows.start
        raw = np.fromfile(self.ids, np.uint8, n * ID_BYTES, offset=rows.start * ID_BYTES)
        offsets = pa.array(np.arange(n + 1, dtype=np.int32) * 2 * ID_BYTES).buffers()[1]
        return pa.StringArray.from_buffers(n, offsets, pa.py_buffer(raw.tobytes().hex().encode()))

    def all_ids(self) -> pa.Array:
        """All ids, as strings whose ends have 64 bits."""
        n = len(self.vectors)
        letters = np.empty(2 * ID_BYTES * n, np.uint8)
        with self.ids.open("rb") as file:
            for start in range(0, len(letters), 2 * BATCH * ID_BYTES):
                part = file.read(BATCH * ID_BYTES).hex().encode()
                letters[start : start + len(part)] = np.frombuffer(part, np.uint8)
        ends = np.arange(n + 1, dtype=np.int64) * 2 * ID_BYTES
        return pa.LargeStringArray.from_buffers(n, pa.py_buffer(ends), pa.py_buffer(letters))


def write_pool(
    features: Sequence[Output], folder: Path, *, unit: bool, memory: int, declared: Table = EMBEDDINGS
) -> PoolFile:
    """Gather the embeddings of feature outputs, from EMBEDDINGS or SNIPPETS; a sample of several shards counts once.

    Ids are hashes, so their first digits split the pool into even parts. Every part is put into a file of its own,
    then sorted in memory, of which about `memory` bytes are used.
    """
    tables = [output.table_path(declared) for output in features if output.counts["n_samples"]]
    n_most, dim = pool_shape(features, declared)
    record = np.dtype([("id", np.uint8, ID_BYTES), ("vector", np.float16, dim)])
    n_buckets = min(max(1, -(-n_most * record.itemsize * 4 // memory)), MOST_BUCKETS)
    buckets = [folder / f"bucket-{number}" for number in range(n_buckets)]
    _scatter(tables, buckets, record)
    n = 0
    with (folder / "ids").open("wb") as ids, (folder / "vectors").open("wb") as vectors:
        for bucket in buckets:
            rows = _sorted_once(np.fromfile(bucket, record))
            ids.write(np.ascontiguousarray(rows["id"]).tobytes())
            vectors.write(np.ascontiguousarray(rows["vector"]).tobytes())
            n += len(rows)
            bucket.unlink()
    return PoolFile(folder / "ids", VectorFile(folder / "vectors", (n, dim), np.dtype(np.float16), unit))


def pool_shape(features: Sequence[Output], declared: Table = EMBEDDINGS) -> tuple[int, int]:
    """Say how many vectors a pool has, those without one and of several shards counted too, and their dimension."""
    counts = [output.counts["n_samples"] for output in features]
    dims = (_dim(output.table_path(declared)) for output, n in zip(features, counts, strict=True) if n)
    return sum(counts), next(dims, 1)


def pool_file(folder: Path, dim: int, *, unit: bool) -> PoolFile:
    """Open what `write_pool` has written to a folder. Raises OSError, naming the file, where one is cut off."""
    ids, vectors = folder / "ids", folder / "vectors"
    stored = np.dtype(np.float16)
    n = ids.stat().st_size // ID_BYTES
    for path, row in ((ids, ID_BYTES), (vectors, dim * stored.itemsize)):
        if (size := path.stat().st_size) != n * row:
            raise OSError(f"{path} is damaged: it has {size:,} bytes instead of {n:,} x {row:,}")
    return PoolFile(ids, VectorFile(vectors, (n, dim), stored, unit))


def _dim(table: Path) -> int:
    with naming(table):
        return int(pq.read_schema(table).field("embedding").type.list_size)


def _scatter(tables: Sequence[Path], buckets: Sequence[Path], record: np.dtype[np.void]) -> None:
    with ExitStack() as stack:
        files = [stack.enter_context(bucket.open("wb")) for bucket in buckets]
        for rows in _records(tables, record):
            first = rows["id"][:, 0].astype(np.int64) * 256 + rows["id"][:, 1]
            bucket_of = first * len(buckets) >> 16
            for number in np.unique(bucket_of):
                files[number].write(rows[bucket_of == number].tobytes())


def _records(tables: Sequence[Path], record: np.dtype[np.void]) -> Iterator[npt.NDArray[np.void]]:
    for path in tables:
        with naming(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
            for batch in file.iter_batches(BATCH, columns=["sample_id", "embedding"]):
                present = batch.filter(pc.is_valid(batch["embedding"]))
                rows = np.zeros(present.num_rows, record)
                rows["id"] = _raw_ids(present["sample_id"])
                rows["vector"] = vectors_to_array(pa.chunked_array([present["embedding"]]))
                yield rows


def _raw_ids(ids: pa.Array) -> Bytes:
    """The bytes that hexadecimal ids stand for: uint8 (n, ID_BYTES)."""
    text = "".join(ids.to_pylist())
    return np.frombuffer(bytes.fromhex(text), np.uint8).reshape(len(ids), ID_BYTES)


def _sorted_once(rows: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
    """Ascending by id, each id once."""
    keys = np.ascontiguousarray(rows["id"]).view(">u8").reshape(len(rows), 2)
    order = np.lexsort((keys[:, 1], keys[:, 0]))
    keys = keys[order]
    first = np.ones(len(rows), bool)
    first[1:] = (keys[1:] != keys[:-1]).any(axis=1)
    return rows[order[first]]
