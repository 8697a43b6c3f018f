"""Versions that held what is forgotten: withdrawn, and told in the take-down's manifest."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from small_pool import SmallPool, curate_small, ids, make_small_pool
from taken_down import WISH, forget_again

from windrow.tasks.loading.webdataset_pipeline import open_webdataset
from windrow.tasks.storage.catalog.views import open_catalog
from windrow.tasks.storage.published.versions import diff_versions, list_versions
from windrow.tasks.takedown.forget_targets import choose
from windrow.tasks.takedown.removal import forget


def test_a_withdrawn_version_keeps_its_number_says_what_to_use_and_is_in_no_list(pool: SmallPool) -> None:
    v1 = pool.store / "curated" / "small" / "v0001"
    forget_again(pool)
    assert [path.name for path in v1.iterdir()] == ["withdrawn.json"]
    for read in (lambda: open_webdataset(v1), lambda: diff_versions(v1, v1)):
        with pytest.raises(ValueError, match=r"v0001 was withdrawn on 2025-11-21: see .*; `windrow run` publishes one"):
            read()
    curate_small(pool.config)
    assert [version.version for version in list_versions(pool.store)] == ["v0002"]
    with pytest.raises(ValueError, match=r"v0001 was withdrawn on 2025-11-21: see .*; use v0002"):
        open_webdataset(v1)


def test_the_manifest_names_who_had_them_and_where_they_lie(pool: SmallPool) -> None:
    before = json.loads((pool.store / "curated" / "small" / "v0001" / "manifest.json").read_text())
    forget_again(pool)
    (path,) = (pool.store / "takedowns").iterdir()
    told = json.loads(path.read_text())
    assert told["asked_for"] == ids(pool.wanted)
    assert sorted(row["sample_id"] for row in told["samples"]) == ids(pool.wanted, pool.near)
    assert {row["sample_id"]: row["similarity"] is None for row in told["samples"]} == {
        **dict.fromkeys(ids(pool.wanted), True),
        **dict.fromkeys(ids(pool.near), False),
    }
    assert sorted((row["key"], row["sample_id"]) for row in told["occurrences"]) == sorted(
        (key, *ids(data)) for key, data in (("me.png", pool.wanted), ("0000", pool.wanted), ("nearly.png", pool.near))
    )
    (version,) = told["versions"]
    assert (version["version"], len(version["sample_ids"])) == ("v0001", 1)
    shards = {file["path"]: file["sha256"] for file in before["files"] if "n_samples" in file}
    assert {shard["path"]: shard["sha256"] for shard in version["shards"]} == shards
    assert (told["reason"], len(told["runs"])) == (WISH, 1)


def test_of_several_shards_those_are_named_that_had_them_with_their_soft_labels(tmp_path: Path) -> None:
    pool = make_small_pool(tmp_path, export={"samples_per_shard": 5, "soft_labels": "probabilities"})
    curate_small(pool.config)
    before = json.loads((pool.store / "curated" / "small" / "v0001" / "manifest.json").read_text())
    samples = pq.read_table(pool.store / "curated" / "small" / "v0001" / "samples.parquet")["sample_id"].to_pylist()
    (there,) = [place for place, name in enumerate(samples) if name in ids(pool.wanted, pool.near)]
    forget_again(pool)
    (path,) = (pool.store / "takedowns").iterdir()
    named = {shard["path"] for shard in json.loads(path.read_text())["versions"][0]["shards"]}
    number = there // 5
    assert named == {
        f"webdataset/train-{number:06d}.tar",
        f"parquet/train-{number:05d}-of-00003.parquet",
        f"soft_labels/0-pseudo/train-{number:06d}.npy",
    }
    assert named < {file["path"] for file in before["files"]}


def test_a_sample_that_no_version_has_leaves_the_versions_as_they_are(pool: SmallPool) -> None:
    dropped = open_catalog(pool.store).sql("SELECT sample_id FROM selection WHERE dropped_by IS NOT NULL").fetchall()
    choice = choose(pool.store, [dropped[0][0]], near_duplicates=False)
    forget(pool.store, [vars(each) for each in choice.chosen], None)
    assert [version.version for version in list_versions(pool.store)] == ["v0001"]
    told = json.loads(next((pool.store / "takedowns").iterdir()).read_text())
    assert (told["versions"], len(told["runs"])) == ([], 1)
