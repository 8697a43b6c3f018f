"""Sources on an object store that speaks S3: a real server on loopback, through fsspec and s3fs."""

from __future__ import annotations

import io
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from web_server import picture

from windrow.schemas import OCCURRENCES
from windrow.tasks.fetching.fetch_config import FetchConfig
from windrow.tasks.ingest.ingestion import ingest_shard
from windrow.tasks.storage.sources.sample_bytes import read_samples
from windrow.tasks.storage.sources.source import SampleGone
from windrow.tasks.storage.sources.source_kinds import iterate_shard
from windrow.tasks.storage.sources.source_plan import plan_shards
from windrow.tasks.storage.sources.source_shard import IngestConfig, LooseFile
from windrow.tasks.storage.store.outputs import open_output

pytest.importorskip("s3fs")
server = pytest.importorskip("moto.server")
AioEndpoint = pytest.importorskip("aiobotocore.endpoint").AioEndpoint
CONFIG = IngestConfig(fetch=FetchConfig(protocols=("https", "s3")))


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """Serve S3 on loopback."""
    serving = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    serving.start()
    host, port = serving.get_host_and_port()
    yield f"http://{host}:{port}"
    serving.stop()


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Point s3fs to the server, by the variables that a user would set, and make a bucket."""
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    fs = fsspec.filesystem("s3", skip_instance_cache=False)
    fs.mkdir("pool")
    fs.pipe({"pool/loose/a.png": picture(1), "pool/loose/a.cls": b"cat", "pool/loose/deep/b.png": picture(2)})
    fs.pipe({"pool/c.tar": _tar(), "pool/d.parquet": _parquet(), "pool/list/e.png": picture(7)})
    fs.pipe("pool/list/all.csv", b"path,label\ne.png,fox\ns3://pool/loose/a.png,cat\nnone.png,\n")
    yield "s3://pool"
    fs.rm("pool", recursive=True)


def _tar() -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for number in (3, 4):
            info = tarfile.TarInfo(f"{number}.png")
            info.size = len(picture(number))
            tar.addfile(info, io.BytesIO(picture(number)))
    return data.getvalue()


def _parquet() -> bytes:
    data = io.BytesIO()
    pq.write_table(pa.table({"image": [picture(5), picture(6)], "label": ["x", "y"]}), data)
    return data.getvalue()


def ingested(store: Path, *sources: str) -> pa.Table:
    shards = plan_shards(sources, CONFIG)
    done = [ingest_shard(store, shard, CONFIG) for shard in shards]
    return pa.concat_tables([open_output(store / one.path).read(OCCURRENCES) for one in done])


@pytest.mark.parametrize(
    ("source", "numbers"),
    [("loose", [1, 2]), ("c.tar", [3, 4]), ("d.parquet", [5, 6]), ("*.tar", [3, 4]), ("loose/**/*.png", [1, 2])],
)
def test_what_lies_on_s3_is_ingested_and_read_back(
    bucket: str, tmp_path: Path, source: str, numbers: list[int]
) -> None:
    occurrences = ingested(tmp_path, f"{bucket}/{source}")
    assert occurrences["unreadable"].to_pylist() == [None, None]
    assert [data for _, data in read_samples(occurrences)] == [picture(number) for number in numbers]


def test_sidecars_on_s3_are_read(bucket: str, tmp_path: Path) -> None:
    assert ingested(tmp_path, f"{bucket}/loose")["found_label"].to_pylist() == ["cat", None]


def test_a_list_on_s3_names_objects_beside_it(bucket: str, tmp_path: Path) -> None:
    occurrences = ingested(tmp_path, f"list:{bucket}/list/all.csv")
    assert occurrences["unreadable"].to_pylist() == [None, None, "file is gone"]
    assert occurrences["found_label"].to_pylist() == ["fox", "cat", None]
    kept = occurrences.slice(0, 2)
    assert [data for _, data in read_samples(kept)] == [picture(7), picture(1)]


def test_an_object_that_was_replaced_is_another_shard_and_its_old_bytes_are_gone(bucket: str, tmp_path: Path) -> None:
    before = plan_shards([f"{bucket}/c.tar"])
    occurrences = ingested(tmp_path, f"{bucket}/c.tar")
    fsspec.filesystem("s3").pipe("pool/c.tar", bytes(10240))
    assert plan_shards([f"{bucket}/c.tar"])[0].identity != before[0].identity
    assert all(isinstance(data, SampleGone) for _, data in read_samples(occurrences))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The operations that are asked of the server, in order."""
    names: list[str] = []
    make = AioEndpoint.make_request

    async def noted(self: AioEndpoint, operation: Any, request: Any) -> Any:
        names.append(operation.name)
        return await make(self, operation, request)

    monkeypatch.setattr(AioEndpoint, "make_request", noted)
    return names


@pytest.mark.parametrize("source", ["many", "many/*.tar", "many/*.png", "many/**"])
def test_a_folder_on_s3_is_listed_once_whatever_lies_in_it(bucket: str, asked: list[str], source: str) -> None:
    files = {f"pool/many/{number}.tar": _tar() for number in range(20)}
    files |= {f"pool/many/{number}.png": picture(number) for number in range(20)}
    fsspec.filesystem("s3").pipe(files | {f"pool/many/{number}.cls": b"cat" for number in range(20)})
    asked.clear()
    shards = plan_shards([f"{bucket}/{source}"])
    assert Counter(asked)["ListObjectsV2"] <= 3 and len(asked) <= 4
    asked.clear()
    n_files = sum(1 + len(file.sidecars) for shard in shards for file in shard.files or (LooseFile("a.tar"),))
    found = [one for shard in shards for one in iterate_shard(shard, CONFIG)]
    assert {one.error for one in found} == {None}
    assert len(asked) == 2 * n_files and set(asked) == {"HeadObject", "GetObject"}  # to open each file, and to read it


@pytest.mark.parametrize("source", ["list/all.csv", "list/*.csv", "list"])
def test_where_a_list_on_s3_lies_is_not_asked_for_each_row(
    bucket: str, tmp_path: Path, asked: list[str], source: str
) -> None:
    fsspec.filesystem("s3").rm("pool/list/e.png")
    rows = "".join(f"s3://pool/loose/{number}.png,cat\n" for number in range(20))
    fsspec.filesystem("s3").pipe("pool/list/all.csv", f"path,label\n{rows}".encode())
    fsspec.filesystem("s3").pipe({f"pool/loose/{number}.png": picture(number) for number in range(20)})
    asked.clear()
    occurrences = ingested(tmp_path, f"list:{bucket}/{source}")
    assert Counter(asked)["ListObjectsV2"] <= 3
    asked.clear()
    assert [data for _, data in read_samples(occurrences)] == [picture(number) for number in range(20)]
    assert Counter(asked)["ListObjectsV2"] <= 2 and Counter(asked)["GetObject"] == 20
    assert Counter(asked)["HeadObject"] <= 22
