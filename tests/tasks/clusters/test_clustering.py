from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_features import ids, write_features

from windrow.schemas import ASSIGNMENTS, CLUSTERS, DRIFT
from windrow.tasks.algorithms.clustering import hierarchy
from windrow.tasks.clusters.clustering import cluster_pool
from windrow.tasks.clusters.clustering_config import ClusteringConfig
from windrow.tasks.clusters.incremental import read_tree
from windrow.tasks.storage.store.outputs import Done, open_output
from windrow.tasks.storage.store.rounds import RoundFiles

CONFIG = ClusteringConfig(n_clusters=(30, 6), n_rounds=3)
NAMES = ids(400)
VECTORS = np.random.default_rng(1).normal(size=(400, 8)).astype(np.float16)


def features(store: Path, *shards: range) -> list[str]:
    return [write_features(store, [NAMES[row] for row in rows], VECTORS[list(rows)]) for rows in shards]


def clustered(store: Path, paths: list[str], config: ClusteringConfig = CONFIG, **more: object) -> dict[str, str]:
    """The files of the output and their hashes."""
    done = cluster_pool(store, paths, config, 5, **more)  # type: ignore[arg-type]
    assert list((store / "outputs" / "cluster").glob("*/.*")) == []  # nothing is left behind
    return dict(open_output(store / done.path).files)


def test_every_sample_has_a_path_to_the_top_and_its_distance_to_the_finest_centroid(tmp_path: Path):
    done = cluster_pool(tmp_path, features(tmp_path, range(400)), CONFIG, 5)
    output = open_output(tmp_path / done.path)
    clusters, assignments = output.read(CLUSTERS).to_pylist(), output.read(ASSIGNMENTS).to_pylist()
    assert [row["sample_id"] for row in assignments] == NAMES
    assert done.counts == {"n_samples": 400, "n_levels": 2}
    found = {(row["level"], row["cluster_id"]): row for row in clusters}
    for row, vector in zip(assignments, VECTORS.astype(np.float32), strict=True):
        fine, coarse = (found[level, cluster] for level, cluster in enumerate(row["cluster_path"], start=1))
        assert (fine["parent_id"], coarse["parent_id"]) == (coarse["cluster_id"], None)
        direction = vector / np.linalg.norm(vector)
        assert row["distance"] == pytest.approx(np.linalg.norm(direction - fine["centroid"]), abs=1e-5)
    assert sum(row["n_samples"] for row in clusters if row["level"] == 1) == 400
    assert sum(row["n_members"] for row in clusters if row["level"] == 2) == len(clusters) - 6


def test_the_same_bytes_for_any_shards_memory_and_device(tmp_path: Path):
    expected = clustered(tmp_path / "one", features(tmp_path / "one", range(400)))
    shards = [range(0, 150), range(100, 400, 3), range(101, 400, 3), range(102, 400, 3)]
    assert clustered(tmp_path / "many", features(tmp_path / "many", *shards)) == expected
    for number, config in enumerate((ClusteringConfig((30, 6), n_rounds=3, memory_gb=0.5, device="cpu:0"),)):
        store = tmp_path / str(number)
        assert clustered(store, features(store, range(400)), config) == expected


def test_memory_and_device_do_not_make_work_run_again(tmp_path: Path):
    paths = features(tmp_path, range(400))
    cluster_pool(tmp_path, paths, CONFIG, 5)
    again = ClusteringConfig((30, 6), n_rounds=3, memory_gb=1.0, device="cpu:0")
    assert cluster_pool(tmp_path, paths, again, 5).found


class Killed(BaseException):
    """Stops the work as a signal would: nothing catches it."""


def killed_after(n: int) -> Callable[[str], None]:
    said: list[str] = []

    def progress(line: str) -> None:
        said.append(line)
        said[:] = [line for line in said if line.startswith("level")]
        if len(said) > n:
            raise Killed

    return progress


@pytest.mark.parametrize("n", range(8))
def test_killed_before_any_round_and_run_again_gives_the_same_bytes(tmp_path: Path, n: int):
    undisturbed = clustered(tmp_path / "a", features(tmp_path / "a", range(400)))
    store = tmp_path / "b"
    paths = features(store, range(400))
    with pytest.raises(Killed):
        cluster_pool(store, paths, CONFIG, 5, killed_after(n))
    said: list[str] = []
    assert clustered(store, paths, progress=said.append) == undisturbed
    said = [line for line in said if line.startswith("level")]
    goes_on = [line for line in said if "going on after round" in line]
    assert len(goes_on) == (0 if n == 0 else 1 if n <= 4 else 2)
    assert len(said) - len(goes_on) == 8 - n  # no round is done twice


ALONE = """
import sys
from pathlib import Path
from windrow.tasks.clusters.clustering import cluster_pool
from windrow.tasks.clusters.clustering_config import ClusteringConfig
cluster_pool(Path(sys.argv[1]), [sys.argv[2]], ClusteringConfig((300, 40, 8), n_rounds=30), 5)
"""


def test_a_process_killed_while_it_clusters_is_gone_on_with(tmp_path: Path):
    names = ids(4000)
    vectors = np.random.default_rng(2).normal(size=(4000, 24)).astype(np.float16)
    config = ClusteringConfig((300, 40, 8), n_rounds=30)
    undisturbed = clustered(tmp_path / "a", [write_features(tmp_path / "a", names, vectors)], config)
    store = tmp_path / "b"
    path = write_features(store, names, vectors)
    alone = subprocess.Popen([sys.executable, "-c", ALONE, str(store), path])
    rounds = (store / "outputs" / "cluster").glob("*/.work-*/level-1-round-*.npy")
    while alone.poll() is None and not any((store / "outputs" / "cluster").glob("*/.work-*/level-1-round-[2-9].npy")):
        os.sched_yield()
    alone.kill()
    assert alone.wait() == -signal.SIGKILL  # it was at work, not done
    left = list(rounds)
    assert len(left) in (1, 2)  # two between the writing of a round and the removal of the one before
    said: list[str] = []
    assert clustered(store, [path], config, progress=said.append) == undisturbed
    assert said[0].startswith("level 1: going on after round")
    assert not any(path.exists() for path in left)


def test_a_round_is_kept_whole_and_replaces_the_one_before(tmp_path: Path):
    rounds = RoundFiles(tmp_path / "rounds")
    assert rounds.load(1, 0) is None
    for number in range(3):
        rounds.save(1, number, np.full((2, 2), number, np.float32))
    rounds.save(2, 0, np.zeros((1, 2), np.float32))
    assert sorted(path.name for path in rounds.folder.iterdir()) == ["level-1-round-2.npy", "level-2-round-0.npy"]
    found = rounds.load(1, 2)
    assert found is not None
    assert found.tolist() == [[2, 2], [2, 2]]


def test_resampling_sorts_in_parts_without_a_difference(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    expected = clustered(tmp_path / "a", features(tmp_path / "a", range(400)))
    monkeypatch.setattr(hierarchy, "SORTED_AT_ONCE", 37)
    assert clustered(tmp_path / "b", features(tmp_path / "b", range(400))) == expected


def nights(store: Path, refit: str, first: np.ndarray, second: np.ndarray) -> tuple[Done, Done]:
    """Two nights: the second has the samples of both."""
    both = np.concatenate([first, second])
    names = ids(len(both))
    order = np.random.default_rng(0).permutation(len(both))
    config = ClusteringConfig((60, 12), n_rounds=2, refit=refit)  # type: ignore[arg-type]
    shards = [(order[: len(first)], first), (order[len(first) :], second)]
    paths = [
        write_features(store, sorted(np.array(names)[rows]), vectors.astype(np.float16)) for rows, vectors in shards
    ]
    one = cluster_pool(store, paths[:1], config, 5)
    return one, cluster_pool(store, paths, config, 5, before=one.path)


def kinds(n: int, of: range, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(42).normal(size=(12, 16))
    return (centres[rng.choice(list(of), n)] + rng.normal(size=(n, 16)) / 6).astype(np.float32)


def drift_of(store: Path, done: Done) -> dict[str, Any]:
    (row,) = open_output(store / done.path).read(DRIFT).to_pylist()
    return dict(row)


def test_more_of_the_same_goes_into_the_clusters_of_the_night_before(tmp_path: Path):
    one, two = nights(tmp_path, "drift", kinds(600, range(10), 1), kinds(100, range(10), 2))
    row = drift_of(tmp_path, two)
    assert (row["refitted"], row["reasons"], row["n_new"], row["share_unchanged"]) == (False, "", 100, 1.0)
    before, after = (open_output(tmp_path / done.path) for done in (one, two))
    assert before.read(DRIFT).num_rows == 0
    assert after.read(CLUSTERS)["centroid"].equals(before.read(CLUSTERS)["centroid"])
    where = {row["sample_id"]: row["cluster_path"] for row in after.read(ASSIGNMENTS).to_pylist()}
    assert len(where) == 700
    assert all(where[row["sample_id"]] == row["cluster_path"] for row in before.read(ASSIGNMENTS).to_pylist())


def test_samples_of_another_kind_make_it_cluster_again_from_there(tmp_path: Path):
    _, two = nights(tmp_path, "drift", kinds(600, range(10), 1), kinds(100, range(12), 2))
    row = drift_of(tmp_path, two)
    assert row["refitted"]
    assert "far from every cluster" in row["reasons"]
    assert row["n_new_regions"] >= 1
    assert 0.5 < row["share_unchanged"] < 1


def test_never_keeps_the_clusters_and_says_that_they_no_longer_fit(tmp_path: Path):
    _, two = nights(tmp_path, "never", kinds(600, range(10), 1), kinds(100, range(12), 2))
    row = drift_of(tmp_path, two)
    assert (row["refitted"], row["share_unchanged"]) == (False, 1.0)
    assert "far from every cluster" in row["reasons"]


def test_always_takes_no_notice_of_the_night_before(tmp_path: Path):
    _, two = nights(tmp_path, "always", kinds(600, range(10), 1), kinds(100, range(12), 2))
    assert open_output(tmp_path / two.path).read(DRIFT).num_rows == 0
    assert open_output(tmp_path / two.path).inputs["earlier"] is None


def test_a_third_night_is_measured_against_the_samples_that_made_the_clusters(tmp_path: Path):
    _, two = nights(tmp_path, "drift", kinds(600, range(10), 1), kinds(100, range(10), 2))
    config = ClusteringConfig((60, 12), n_rounds=2, refit="drift")
    third = write_features(tmp_path, ids(40, seed=9), kinds(40, range(10), 3).astype(np.float16))
    features = [str(path.relative_to(tmp_path)) for path in (tmp_path / "outputs" / "features").glob("*/*")]
    assert third in features
    done = cluster_pool(tmp_path, features, config, 5, before=two.path)
    row = drift_of(tmp_path, done)
    assert (row["n_new"], row["refitted"], row["share_unchanged"]) == (40, False, 1.0)
    tree = read_tree(tmp_path, open_output(tmp_path / done.path))
    assert tree.n_samples.sum() == 600


def test_a_night_without_a_new_sample_finds_its_work_done(tmp_path: Path):
    _, two = nights(tmp_path, "drift", kinds(600, range(10), 1), kinds(100, range(10), 2))
    features = [str(path.relative_to(tmp_path)) for path in (tmp_path / "outputs" / "features").glob("*/*")]
    again = cluster_pool(tmp_path, features, ClusteringConfig((60, 12), n_rounds=2, refit="drift"), 5, before=two.path)
    assert (again.path, again.found) == (two.path, True)


def test_settings_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"memory_gb: wants 0\.5 or more, got 0\.1"):
        ClusteringConfig(memory_gb=0.1)
    with pytest.raises(ValueError, match=r"refit: wants one of 'always', 'drift', 'never', got 'daily'"):
        ClusteringConfig(refit="daily")  # type: ignore[arg-type]
