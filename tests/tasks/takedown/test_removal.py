"""What is forgotten is gone from every file of the store, stays out, and is accounted for."""

import fcntl
import hashlib
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from small_pool import SmallPool, curate_small, ids, png, stripes
from taken_down import STAGES, files_with, forget_again, state, traces_of

from windrow.schemas import OCCURRENCES
from windrow.tasks.ingest.ingestion import ingest_shards
from windrow.tasks.storage.catalog.views import open_catalog
from windrow.tasks.storage.files.store_lock import at_work
from windrow.tasks.storage.published.versions import latest_version
from windrow.tasks.storage.sources.source_plan import plan_shards
from windrow.tasks.storage.store.outputs import all_outputs, open_output
from windrow.tasks.storage.store.refused_samples import forgotten_files
from windrow.tasks.storage.store.removed_outputs import remove_output
from windrow.tasks.storage.verify.verification import verify


def test_the_bytes_the_vectors_and_the_ids_are_gone_from_every_file_and_the_sources_still_hold_them(
    pool: SmallPool,
) -> None:
    traces = traces_of(pool.store, pool.wanted, pool.near)
    left = pool.store / "outputs" / "cluster" / "00" / ".work-of-a-killed-clustering"
    left.mkdir(parents=True)
    (left / "level-1-round-3.npy").write_bytes(traces["vector 0"])
    before = files_with(pool.store, traces)
    assert [name for name in before if not before[name]] == ["bytes 1"], "the near-duplicate was not exported"
    assert {path.split("/")[1] for path in before["id 0"] if path.startswith("outputs")} >= STAGES
    assert forget_again(pool) == ids(pool.wanted, pool.near)
    for again in (False, True):
        if again:
            curate_small(pool.config)
        after = files_with(pool.store, traces)
        told = {path.split("/")[0] if "/v0001/" not in path else path for name in after for path in after[name]}
        assert told == {"forgotten", "takedowns", "curated/small/v0001/withdrawn.json"}
        assert not any(after[name] for name in after if not name.startswith("id"))
    assert (pool.folder / "pool" / "loose" / "me.png").read_bytes() == pool.wanted
    assert pool.wanted in (pool.folder / "pool" / "some.tar").read_bytes()


def test_the_next_version_is_without_them_and_every_occurrence_is_accounted_for(pool: SmallPool) -> None:
    forget_again(pool)
    assert latest_version(pool.store, "small") is None
    run, version = curate_small(pool.config)
    assert (version.version, version.n_samples) == ("v0002", len(pool.others))
    connection = open_catalog(pool.store)
    outcomes = dict(connection.sql("SELECT outcome, count(*) FROM outcomes GROUP BY 1").fetchall())
    assert outcomes == {"exported": len(pool.others), "forgotten": 3}
    reasons = connection.sql("SELECT DISTINCT reason FROM outcomes WHERE outcome = 'forgotten'").fetchall()
    (takedown,) = (path.stem for path in (pool.store / "takedowns").iterdir())
    assert reasons == [(f"take-down {takedown}",)]
    read = run.stage("ingest")
    assert read is not None
    assert read.n_found == len(read.outputs) == 2, "read again"


def test_what_is_left_of_a_shard_is_what_ingest_would_make_of_it(pool: SmallPool) -> None:
    forget_again(pool)
    kept = {output.path: (dict(output.files), output.counts) for output in all_outputs(pool.store, "ingest")}
    for path in kept:
        remove_output(path)
    done = ingest_shards(pool.store, plan_shards(pool.config.sources), pool.config.ingest)
    again = [open_output(pool.store / each.path) for each in done]
    assert {output.path: (dict(output.files), output.counts) for output in again} == kept
    assert sum(output.counts["n_forgotten"] for output in again) == 3


def test_a_shard_that_comes_later_with_the_same_bytes_is_refused_too(pool: SmallPool, tmp_path: Path) -> None:
    forget_again(pool)
    late = tmp_path / "late"
    late.mkdir()
    (late / "again.png").write_bytes(pool.wanted)
    (done,) = ingest_shards(pool.store, plan_shards([str(late)]), pool.config.ingest)
    (row,) = open_output(pool.store / done.path).read(OCCURRENCES).to_pylist()
    assert (row["sample_id"], row["key"]) == (None, "again.png")
    assert row["unreadable"].startswith("forgotten: take-down ")
    assert (done.counts["n_samples"], done.counts["n_forgotten"]) == (0, 1)


def test_a_second_wish_for_the_same_changes_nothing(pool: SmallPool) -> None:
    forget_again(pool)
    before = state(pool.store)
    assert forget_again(pool) == []
    assert state(pool.store) == before


def test_a_shard_of_an_earlier_code_version_is_removed_rather_than_rewritten(pool: SmallPool) -> None:
    shards = list(all_outputs(pool.store, "ingest"))
    for shard in shards:
        path = shard.table_path(OCCURRENCES)
        older = pq.read_table(path).drop_columns(["caption"])
        path.unlink()
        pq.write_table(older, path)
    forget_again(pool)
    assert not any(shard.path.exists() for shard in shards)
    _, version = curate_small(pool.config)
    assert version.n_samples == len(pool.others)


def test_an_index_is_not_given_again(pool: SmallPool) -> None:
    indices = "SELECT sample_id, sample_index FROM registry ORDER BY 2"
    before = dict(open_catalog(pool.store).sql(indices).fetchall())
    forget_again(pool)
    late = pool.with_source("late", png(stripes(99)))
    curate_small(late.config)
    after = dict(open_catalog(pool.store).sql(indices).fetchall())
    gone = ids(pool.wanted, pool.near)
    assert {name: index for name, index in after.items() if name in before} == {
        name: index for name, index in before.items() if name not in gone
    }
    assert [after[name] for name in after if name not in before and not name.startswith("forgotten")] == [len(before)]


def test_while_a_run_is_at_work_nothing_is_forgotten(pool: SmallPool) -> None:
    before = state(pool.store)
    with at_work(pool.store), pytest.raises(ValueError, match="a run is at work in it"):
        forget_again(pool)
    assert {**state(pool.store)} == {**before, "lock": hashlib.sha256().hexdigest()}
    with (pool.store / "lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_store_is_sound_after_a_take_down_and_after_the_next_run(pool: SmallPool) -> None:
    assert verify(pool.store).damage == ()
    forget_again(pool)
    assert verify(pool.store).damage == ()
    curate_small(pool.config)
    assert verify(pool.store).damage == ()
    (listed,) = forgotten_files(pool.store)
    damaged = bytearray(listed.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    listed.chmod(0o644)
    listed.write_bytes(damaged)
    assert [each.path for each in verify(pool.store).damage] == [f"forgotten/{listed.name}"]
