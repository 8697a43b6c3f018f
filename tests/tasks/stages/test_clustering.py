from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from small_features import ids, write_features

from windrow.schemas import ASSIGNMENTS, CLUSTERS
from windrow.tasks.algorithms import hierarchy
from windrow.tasks.stages.clustering import ClusteringConfig, cluster_pool
from windrow.tasks.storage.outputs import open_output
from windrow.tasks.storage.rounds import RoundFiles

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


def test_settings_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"clustering\.memory_gb: wants at least 0\.5, got 0\.1"):
        ClusteringConfig(memory_gb=0.1)
