"""What the shards of a version hold is compared with its table, sample by sample."""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from verified_store import (
    change_json,
    change_table,
    named,
    seal_again,
    version_of,
)

from windrow.tasks.storage.published.versions import shard_digests, version_fingerprint
from windrow.tasks.storage.store.outputs import MANIFEST
from windrow.tasks.storage.verify.verification import verify


def swapped(rows: pa.Table, column: str, a: int, b: int) -> pa.Table:
    order = list(range(rows.num_rows))
    order[a], order[b] = order[b], order[a]
    at = rows.schema.get_field_index(column)
    return rows.set_column(at, rows.schema.field(column), rows[column].take(pa.array(order)))


def rewrite_tar(path: Path, change: Callable[[list[tuple[str, bytes]]], list[tuple[str, bytes]]]) -> None:
    with tarfile.open(path) as tar:
        members = [(member.name, tar.extractfile(member).read()) for member in tar]  # type: ignore[union-attr]
    path.unlink()
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in change(members):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    publish_again(path)


def publish_again(path: Path) -> None:
    """Give a version a manifest that fits a shard that was changed."""
    seal_again(path)
    version = path.parent.parent

    def refit(manifest: dict[str, Any]) -> None:
        shards = shard_digests(manifest["files"])
        manifest["fingerprint"] = version_fingerprint(manifest["config"], manifest["classes"], shards)

    change_json(version / MANIFEST, refit)


SHARD_CHANGES: dict[str, Callable[[list[tuple[str, bytes]]], list[tuple[str, bytes]]]] = {
    "has 4 samples, in the manifest 5": lambda members: [m for m in members if m[0][:32] != members[-1][0][:32]],
    "has another sample_id than in samples.parquet": lambda members: sorted(
        members, key=lambda member: member[0][:32] == members[0][0][:32]
    ),
    "has the bytes of": lambda members: [(members[0][0], members[0][1] + b"x"), *members[1:]],
    "has the members": lambda members: [(f"{members[0][0][:32]}.txt", b"x"), *members],
    "has class b'7', but its label is": lambda members: [(n, b"7" if n.endswith("cls") else d) for n, d in members],
}


@pytest.mark.parametrize("reason", SHARD_CHANGES)
def test_a_tar_that_does_not_hold_what_it_says_is_found(store: Path, reason: str) -> None:
    path = version_of(store) / "webdataset" / "train-000000.tar"
    rewrite_tar(path, SHARD_CHANGES[reason])
    (damage,) = verify(version_of(store)).damage
    assert damage.path == "webdataset/train-000000.tar"
    assert reason in damage.reason


def test_a_parquet_shard_that_does_not_hold_what_it_says_is_found(store: Path) -> None:
    path = next((version_of(store) / "parquet").glob("train-00000*.parquet"))
    change_table(path, lambda rows: swapped(rows, "image", 0, 1))
    publish_again(path)
    (damage,) = verify(version_of(store)).damage
    first = pq.read_table(path, columns=["sample_id"])["sample_id"].to_pylist()[:2]
    assert f"sample {first[0]} has the bytes of {first[1]}" in damage.reason


def test_a_version_of_before_tars_were_named_is_sound_and_a_wrong_name_is_found(store: Path) -> None:
    table = version_of(store) / "samples.parquet"
    change_table(table, lambda rows: rows.drop_columns("tar"))
    seal_again(table)
    assert not verify(version_of(store)).damage
    other = "webdataset/train-000001.tar"
    change_table(table, lambda rows: rows.append_column("tar", pa.repeat(other, rows.num_rows)))
    seal_again(table)
    (damage,) = verify(version_of(store)).damage
    assert "has another tar than in samples.parquet" in damage.reason


def test_a_row_that_is_missing_in_the_table_of_a_version_is_found(store: Path) -> None:
    change_table(version_of(store) / "samples.parquet", lambda rows: rows.slice(1))
    assert "curated/small/v0001/samples.parquet" in named(verify(store))
    assert "samples.parquet" in named(verify(version_of(store), quick=True))
