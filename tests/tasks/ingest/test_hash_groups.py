"""Hash groups of a pool: each sample once however many shards hold it, and the same bytes for any order of shards."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from windrow.schemas import HASH_GROUPS, QUALITY
from windrow.tasks.ingest.hash_groups import group_hashes
from windrow.tasks.ingest.hashes_config import HashesConfig
from windrow.tasks.storage.store.outputs import Done, OutputWriter, make_output, open_output

Shard = Mapping[str, int | None]
SHARDS: Sequence[Shard] = ({"a": 0b0111, "c": 0, "f": None}, {"b": -1, "c": 0, "d": -(2**63)}, {"e": None})


def ingested(store: Path, hashes: Shard) -> str:
    def write(writer: OutputWriter) -> None:
        columns = {name: [0.25] * len(hashes) for name in ("blur", "brightness", "contrast", "entropy")}
        writer.write(QUALITY, QUALITY.build({"sample_id": list(hashes), **columns, "phash": list(hashes.values())}))

    return make_output(store, "ingest", 1, {"hashes": dict(hashes)}, write).path


def grouped(store: Path, shards: Sequence[Shard], max_distance: int) -> Done:
    return group_hashes(store, [ingested(store, shard) for shard in shards], HashesConfig(max_distance))


def test_samples_with_near_hashes_are_a_group_named_by_its_lowest(tmp_path: Path) -> None:
    done = grouped(tmp_path, SHARDS, 3)
    rows = open_output(tmp_path / done.path).read(HASH_GROUPS).to_pylist()
    assert rows == [{"sample_id": each, "group_id": "a", "n_in_group": 3} for each in "acd"]
    assert done.counts == {"n_hashed": 4, "n_in_hash_groups": 3, "n_hash_groups": 1}
    assert grouped(tmp_path, SHARDS, 0).counts == {"n_hashed": 4, "n_in_hash_groups": 0, "n_hash_groups": 0}


def test_the_order_of_shards_changes_nothing_and_work_is_found_done(tmp_path: Path) -> None:
    first, again = grouped(tmp_path, SHARDS, 3), grouped(tmp_path, SHARDS[::-1], 3)
    assert again.found
    other = grouped(tmp_path / "other", SHARDS[::-1], 3)
    assert open_output(tmp_path / "other" / other.path).files == open_output(tmp_path / first.path).files


def test_a_pool_without_a_hash_has_no_groups(tmp_path: Path) -> None:
    assert grouped(tmp_path, [], 3).counts["n_hashed"] == 0
    assert grouped(tmp_path, [{"a": None}], 3).counts == {"n_hashed": 0, "n_in_hash_groups": 0, "n_hash_groups": 0}
