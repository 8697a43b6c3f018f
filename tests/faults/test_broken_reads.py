"""A source whose connection breaks in the middle of a read: the stage fails, and no sample is taken for damaged.

Windrow reads sources through fsspec and writes nothing there: its store is a folder of a disk.
"""

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from faults.conftest import Points
from faults.small_pool import config_of, write_pool
from faults.store_state import Contents, check_readers, contents, left_behind
from fsspec.implementations.memory import MemoryFileSystem
from inline_run import curate_inline

from windrow.tasks.ingest.ingestion import ingest_shards
from windrow.tasks.storage.sources.source_plan import plan_shards
from windrow.tasks.storage.sources.source_shard import IngestConfig


class ConnectionLost(Exception):  # noqa: N818
    """What libraries of object stores raise: not always an OSError."""


ERRORS: list[Callable[[], Exception]] = [
    lambda: ConnectionLost("the server hung up"),
    lambda: OSError("the server hung up"),
    lambda: TimeoutError("no answer"),
]


class BreakingFile(io.BytesIO):
    """Counts the reads of all files, and fails the one whose number is `fails_at`."""

    n_reads = 0
    fails_at = 0
    error = staticmethod(ERRORS[0])

    def read(self, size: int | None = -1) -> bytes:
        BreakingFile.n_reads += 1
        if BreakingFile.n_reads == BreakingFile.fails_at:
            raise BreakingFile.error()
        return super().read(size)


class Breaking(MemoryFileSystem):  # type: ignore[misc]
    """A memory:// whose reads can break."""

    protocol = "breaking"
    store: dict[str, Any] = {}  # noqa: RUF012
    pseudo_dirs = [""]  # noqa: RUF012

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(path.replace("breaking://", "memory://")))

    def _open(self, path: str, mode: str = "rb", **more: Any) -> Any:
        file = super()._open(path, mode, **more)
        return BreakingFile(file.getvalue()) if mode == "rb" else file


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Put the pool, and a Parquet file of the same images, into an object store; return its URL."""
    fsspec.register_implementation("breaking", Breaking, clobber=True)
    store = fsspec.filesystem("breaking")
    folder = write_pool(tmp_path_factory.mktemp("broken") / "pool")
    for path in folder.iterdir():
        store.pipe_file(f"/pool/{path.name}", path.read_bytes())
    store.pipe_file("/parquet/pool.parquet", _parquet(folder))
    yield "breaking://pool"
    store.rm("/", recursive=True)


@pytest.fixture(scope="module")
def unbroken(pool: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Contents, int]:
    """What a run makes of the pool when no read fails, and how many reads that takes."""
    store = tmp_path_factory.mktemp("unbroken") / "store"
    BreakingFile.n_reads, BreakingFile.fails_at = 0, 0
    curate_inline(config_of(pool, store))
    return contents(store), BreakingFile.n_reads


@pytest.fixture
def remote(pool: str) -> Iterator[str]:
    """The URL of the pool, of which no read fails until a test says so."""
    BreakingFile.fails_at = 0
    yield pool
    BreakingFile.fails_at = 0


def _parquet(pool: Path) -> bytes:
    found = fsspec.filesystem("tar", fo=str(pool / "1.tar"))
    images = [found.cat_file(name) for name in sorted(found.find("/")) if name.endswith(".png")]
    file = io.BytesIO()
    pq.write_table(pa.table({"image": images}), file, row_group_size=5)
    return file.getvalue()


@pytest.mark.parametrize("error", ERRORS, ids=["another exception", "an OSError without a number", "a timeout"])
def test_a_connection_lost_at_any_read_of_a_parquet_file_is_no_damage(
    remote: str, tmp_path: Path, error: Callable[[], Exception]
) -> None:
    shards = plan_shards([remote.replace("pool", "parquet")])
    BreakingFile.n_reads, BreakingFile.error = 0, staticmethod(error)
    (done,) = ingest_shards(tmp_path / "store", shards, IngestConfig())
    assert done.counts == {"n_occurrences": 20, "n_unreadable": 0, "n_samples": 20, "n_source_columns": 1}
    for number in range(1, BreakingFile.n_reads + 1):
        BreakingFile.n_reads, BreakingFile.fails_at = 0, number
        store = tmp_path / f"broken-{number}"
        with pytest.raises(OSError, match=r"the server hung up|no answer"):
            ingest_shards(store, shards, IngestConfig())
        assert not [path for path in store.rglob("*") if path.is_file()]


@pytest.mark.parametrize("number", range(len(ERRORS)))
def test_a_connection_lost_in_the_middle_of_a_run_leaves_nothing_partial(
    remote: str, unbroken: tuple[Contents, int], points: Points, tmp_path: Path, number: int
) -> None:
    expected, n_reads = unbroken
    at = points.draw(n_reads, number, len(ERRORS))
    print(f"read {at} of {n_reads} fails")
    BreakingFile.n_reads, BreakingFile.fails_at = 0, at
    BreakingFile.error = staticmethod(ERRORS[number])
    store = tmp_path / "store"
    try:
        run = curate_inline(config_of(remote, store))
    except OSError as error:
        assert re.search("the server hung up|no answer", str(error))
    else:  # the last reads are the report's, whose failure takes nothing back
        assert run.warning is not None and run.warning.startswith("the report failed")
    check_readers(store)
    assert left_behind(store) == []
    curate_inline(config_of(remote, store))
    assert contents(store) == expected


def test_a_store_is_a_folder_of_a_disk() -> None:
    with pytest.raises(ValueError, match="store: wants a folder of this machine, got 's3://bucket/store'"):
        config_of("pool", "s3://bucket/store")  # type: ignore[arg-type]
