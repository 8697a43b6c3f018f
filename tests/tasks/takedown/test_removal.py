"""What is forgotten is gone from every file of the store, stays out, and is accounted for; killed anywhere or not."""

import fcntl
import hashlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from inline_run import curate_inline
from small_pool import SmallPool, curate_small, ids, make_small_pool, png, stripes

from windrow.schemas import EMBEDDINGS, OCCURRENCES, PREDICTIONS
from windrow.schemas.stages import Part
from windrow.tasks.clusters.clustering import cluster_pool
from windrow.tasks.clusters.clustering_config import ClusteringConfig
from windrow.tasks.features.fitting import FITTED
from windrow.tasks.ingest.ingestion import ingest_shards
from windrow.tasks.loading.webdataset_pipeline import open_webdataset
from windrow.tasks.report.thumbnails import Thumbnail, thumbnail
from windrow.tasks.storage.catalog.views import open_catalog
from windrow.tasks.storage.files.store_lock import at_work
from windrow.tasks.storage.published.versions import diff_versions, latest_version, list_versions
from windrow.tasks.storage.sources.source_plan import plan_shards
from windrow.tasks.storage.store.holders import holds
from windrow.tasks.storage.store.outputs import all_outputs, make_output, open_output
from windrow.tasks.storage.store.refused_samples import forgotten_files
from windrow.tasks.storage.store.removed_outputs import remove_output
from windrow.tasks.storage.verify.verification import verify
from windrow.tasks.takedown.forget_targets import Chosen, choose
from windrow.tasks.takedown.removal import finish_takedowns, forget, survey, unfinished

NOW = datetime(2025, 11, 21, tzinfo=UTC)
WISH = "asked for by letter"
STAGES = {"ingest", "features", "neighbors", "cluster", "pseudo_label", "rank", "account", "pool"}


@pytest.fixture(scope="module")
def curated(tmp_path_factory: pytest.TempPathFactory) -> SmallPool:
    """A store with one version, which tests copy."""
    pool = make_small_pool(tmp_path_factory.mktemp("small"), export={"soft_labels": "probabilities"})
    curate_small(pool.config)
    return pool


@pytest.fixture
def pool(curated: SmallPool, tmp_path: Path) -> SmallPool:
    return copied(curated, tmp_path / "store")


def copied(pool: SmallPool, store: Path) -> SmallPool:
    shutil.copytree(pool.store, store)
    return pool.over(store)


def forget_again(pool: SmallPool) -> list[str]:
    """Do as the command does; return what was forgotten now."""
    finish_takedowns(pool.store)
    choice = choose(pool.store, ids(pool.wanted))
    if choice.chosen:
        forget(pool.store, [vars(each) for each in choice.chosen], WISH, NOW)
    return sorted(each.sample_id for each in choice.chosen)


def contents(path: Path) -> Iterator[bytes]:
    """What a file holds: its bytes, and those of its columns when these are compressed in it."""
    yield path.read_bytes()
    if path.suffix == ".parquet":
        for column in pq.read_table(path).columns:
            yield from (bytes(part) for chunk in column.chunks for part in chunk.buffers() if part)


def files_with(store: Path, traces: Mapping[str, bytes]) -> dict[str, set[str]]:
    """The files that hold each trace, as paths in the store."""
    files = [path for path in store.rglob("*") if path.is_file()]
    held = {path: list(contents(path)) for path in files}
    return {
        name: {str(path.relative_to(store)) for path in files if any(trace in part for part in held[path])}
        for name, trace in traces.items()
    }


def traces_of(store: Path, *samples: bytes) -> dict[str, bytes]:
    """What a sample can leave behind: its bytes, its vector, its id, its thumbnail, what came with it."""
    tables = [output.read(EMBEDDINGS) for output in all_outputs(store, "features")]
    vectors = {row["sample_id"]: row["embedding"] for table in tables for row in table.to_pylist()}
    found = {}
    for number, data in enumerate(samples):
        (name,) = ids(data)
        shown = thumbnail(data)
        assert isinstance(shown, Thumbnail)
        found[f"bytes {number}"] = data
        found[f"vector {number}"] = np.array(vectors[name], np.float16).tobytes()
        found[f"id {number}"] = name.encode()
        found[f"thumbnail {number}"] = shown.uri.encode()
    return found | {"metadata": b"my own name"}


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


def test_runs_that_had_them_are_withdrawn_with_their_reports_and_the_last_can_still_be_asked(pool: SmallPool) -> None:
    (report,) = pool.store.glob("runs/*/report.html")
    asked = "SELECT sample_id, label, rank, cluster_path FROM pool ORDER BY ALL"
    before = {row[0]: row for row in open_catalog(pool.store).sql(asked).fetchall()}
    forget_again(pool)
    assert not report.exists()
    for run_id in (None, report.parent.name):
        catalog = open_catalog(pool.store, run_id)
        left = {row[0]: row for row in catalog.sql(asked).fetchall()}
        assert left == {name: before[name] for name in ids(*pool.others)}
        outcomes = catalog.sql(
            "SELECT outcome, count(*) FROM outcomes SEMI JOIN occurrences USING (occurrence_id) GROUP BY 1"
        )
        assert dict(outcomes.fetchall()) == {"exported": len(pool.others), "forgotten": 3}
        assert catalog.sql("FROM neighbors").fetchall() == []
        assert len(catalog.sql("SELECT * FROM curated").fetchall()) == len(pool.others)
    assert verify(pool.store).damage == ()
    (rest,) = pool.store.glob("runs/*/rest")
    broken = rest / "pool.parquet"
    broken.chmod(0o644)
    broken.write_bytes(broken.read_bytes()[:-9] + b"x" + broken.read_bytes()[-8:])
    assert [damage.path for damage in verify(pool.store).damage] == [str(broken.relative_to(pool.store))]


def test_what_is_left_of_a_run_loses_what_is_forgotten_later_and_goes_with_the_next_run(pool: SmallPool) -> None:
    more = traces_of(pool.store, pool.others[0])
    forget_again(pool)
    (name,) = ids(pool.others[0])
    assert (name,) in open_catalog(pool.store).sql("SELECT sample_id FROM pool").fetchall()
    forget(pool.store, [vars(Chosen(name, name))], WISH, NOW)
    found = {path.split("/")[0] for paths in files_with(pool.store, more).values() for path in paths}
    assert found == {"forgotten", "takedowns"}
    assert open_catalog(pool.store).sql("SELECT count(*) FROM pool").fetchall() == [(len(pool.others) - 1,)]
    curate_small(pool.config)
    assert not list(pool.store.glob("runs/*/rest"))
    assert open_catalog(pool.store).sql("SELECT count(*) FROM pool").fetchall() == [(len(pool.others) - 1,)]


def test_a_second_wish_for_the_same_changes_nothing(pool: SmallPool) -> None:
    forget_again(pool)
    before = state(pool.store)
    assert forget_again(pool) == []
    assert state(pool.store) == before


def test_clusters_that_went_on_from_theirs_go_too_and_the_next_ones_start_afresh(pool: SmallPool) -> None:
    config = ClusteringConfig((4, 2), n_rounds=1, refit="never")
    both = [str(output.path.relative_to(pool.store)) for output in all_outputs(pool.store, "features")]
    without = [path for path in both if not holds(open_output(pool.store / path), pa.array(ids(pool.near)))]
    assert len(without) == 1
    first = cluster_pool(pool.store, both, config, 0)
    second = cluster_pool(pool.store, without, config, 0, before=first.path)
    assert not holds(open_output(pool.store / second.path), pa.array(ids(pool.near)))
    forget(pool.store, [vars(Chosen(*ids(pool.near), *ids(pool.near)))], None, NOW)
    assert not (pool.store / second.path).exists()
    afresh = cluster_pool(pool.store, without, config, 0, before=second.path)
    assert open_output(pool.store / afresh.path).inputs["earlier"] is None


@pytest.mark.parametrize("stage", [Part.PREDICTIONS, Part.BELONGING, Part.LABEL_CHECKS])
def test_what_was_said_of_others_by_theirs_goes_too(pool: SmallPool, stage: Part) -> None:
    (wanted,) = ids(pool.wanted)
    fit = next(all_outputs(pool.store, Part.PREDICTIONS))
    inputs = {"earlier": str(fit.path.relative_to(pool.store))}
    empty = PREDICTIONS.schema().empty_table()
    heir = make_output(pool.store, stage, 0, inputs, lambda writer: writer.write(PREDICTIONS, empty))
    assert {heir.path, inputs["earlier"]} <= set(survey(pool.store, [wanted])["remove"])


def test_a_backbone_that_was_fitted_on_them_goes_and_the_next_is_fitted_without_them(pool: SmallPool) -> None:
    (first,) = all_outputs(pool.store, "fit_backbone")
    assert holds(first, pa.array(ids(pool.near)))
    before = (first.path / FITTED).read_bytes()
    forget_again(pool)
    assert list(all_outputs(pool.store, "fit_backbone")) == []
    curate_inline(pool.config)
    (second,) = all_outputs(pool.store, "fit_backbone")
    assert pq.read_table(second.path / "fitted_on.parquet")["sample_id"].to_pylist() == ids(*pool.others)
    assert (second.path / FITTED).read_bytes() != before


def test_a_backbone_that_was_fitted_without_them_stays_and_nothing_is_embedded_again(pool: SmallPool) -> None:
    more = pool.with_source("later", png(stripes(99)))
    curate_inline(more.config)
    (first,) = all_outputs(pool.store, "fit_backbone")
    forget(pool.store, [vars(Chosen(*ids(png(stripes(99))), *ids(png(stripes(99)))))], None, NOW)
    run = curate_inline(more.config)
    assert [output.path for output in all_outputs(pool.store, "fit_backbone")] == [first.path]
    embedded = run.stage("features")
    assert embedded is not None
    assert embedded.n_found == len(embedded.outputs) == 3


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


def state(store: Path) -> dict[str, Any]:
    """Every file of a store and what it holds, but for the time that things took."""

    def held(path: Path) -> Any:
        if path.suffix != ".json":
            return hashlib.sha256(path.read_bytes()).hexdigest()
        values = json.loads(path.read_text())
        return {name: value for name, value in values.items() if name not in ("seconds", "finished_at", "seal")}

    return {str(path.relative_to(store)): held(path) for path in sorted(store.rglob("*")) if path.is_file()}


KILLS = 4
FILE_EVENTS = {"open", "os.rename", "os.remove", "os.rmdir", "os.link", "os.mkdir", "os.chmod", "shutil.rmtree"}


def forget_in_child(pool: SmallPool, kill_at: int) -> list[str]:
    """Forget in a process that is killed at its n-th file event in the store; return the events of one that is not."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        seen: list[str] = []

        def note(event: str, args: tuple[Any, ...]) -> None:
            if event in FILE_EVENTS and args and str(args[0]).startswith(str(pool.store)):
                seen.append(event)
                if len(seen) == kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(note)
        forget_again(pool)
        os.write(writing, " ".join(seen).encode())
        os._exit(0)
    os.close(writing)
    _, status = os.waitpid(child, 0)
    with os.fdopen(reading) as file:
        text = file.read()
    assert os.WIFEXITED(status) or os.WTERMSIG(status) == signal.SIGKILL
    return text.split()


def test_killed_at_any_point_the_same_command_ends_in_the_same_state(curated: SmallPool, tmp_path: Path) -> None:
    whole = copied(curated, tmp_path / "whole")
    events = forget_in_child(whole, kill_at=0)
    wanted = state(whole.store)
    # Every point takes minutes: some all over, and the first renames, which publish, withdraw, and replace a shard.
    renames = [number for number, event in enumerate(events, start=1) if event == "os.rename"]
    points = {*range(1, len(events), len(events) // KILLS), *renames[:8]}
    n_unfinished = 0
    for kill_at in sorted(points):
        killed = copied(curated, tmp_path / f"killed-{kill_at}")
        assert forget_in_child(killed, kill_at) == []
        n_unfinished += bool(unfinished(killed.store))
        forget_again(killed)
        assert state(killed.store) == wanted, f"killed at {events[kill_at - 1]}, event {kill_at} of {len(events)}"
        shutil.rmtree(killed.store)
    assert n_unfinished > len(points) // 2


def test_while_a_run_is_at_work_nothing_is_forgotten(pool: SmallPool) -> None:
    before = state(pool.store)
    with at_work(pool.store), pytest.raises(ValueError, match="a run is at work in it"):
        forget_again(pool)
    assert {**state(pool.store)} == {**before, "lock": hashlib.sha256().hexdigest()}
    with (pool.store / "lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_sample_that_no_version_has_leaves_the_versions_as_they_are(pool: SmallPool) -> None:
    dropped = open_catalog(pool.store).sql("SELECT sample_id FROM selection WHERE dropped_by IS NOT NULL").fetchall()
    choice = choose(pool.store, [dropped[0][0]], near_duplicates=False)
    forget(pool.store, [vars(each) for each in choice.chosen], None)
    assert [version.version for version in list_versions(pool.store)] == ["v0001"]
    told = json.loads(next((pool.store / "takedowns").iterdir()).read_text())
    assert (told["versions"], len(told["runs"])) == ([], 1)


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
