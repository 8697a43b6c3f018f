import shutil
from pathlib import Path

import numpy as np
import pytest
from small_features import ids, write_features

from windrow.schemas import NEIGHBORS, SCORES
from windrow.tasks.algorithms.neighbors.exact_neighbors import neighbor_graph
from windrow.tasks.clusters import known_graph
from windrow.tasks.clusters import neighbor_graph as stage
from windrow.tasks.clusters.known_graph import GraphBefore, read_graph
from windrow.tasks.clusters.neighbor_graph import find_neighbors
from windrow.tasks.clusters.neighbors_config import NeighborsConfig
from windrow.tasks.storage.store.outputs import Done, open_output

N = 4000


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((N, 40)).astype(np.float16)


def run(store: Path, vectors: np.ndarray, n_shards: int = 1, **config: object) -> Done:
    names = np.array(ids(len(vectors)))
    shards = [np.arange(len(vectors))[start::n_shards] for start in range(n_shards)]
    features = [write_features(store, names[rows].tolist(), vectors[rows]) for rows in shards]
    return find_neighbors(store, features, NeighborsConfig(k=5, **config))  # type: ignore[arg-type]


def test_a_pool_of_moderate_size_gets_the_exact_graph_and_no_recall_is_counted(
    tmp_path: Path, vectors: np.ndarray
) -> None:
    done = run(tmp_path, vectors)
    assert done.counts == {"n_samples": N}
    assert read_graph(open_output(tmp_path / done.path)).indices.tolist() == neighbor_graph(vectors, 5).indices.tolist()


@pytest.mark.parametrize(("n", "n_told"), [(599, 0), (600, 600)])
def test_what_is_off_topic_or_foreign_is_told_of_pools_that_are_not_small(
    tmp_path: Path, vectors: np.ndarray, n: int, n_told: int
) -> None:
    scores = open_output(tmp_path / run(tmp_path, vectors[:n]).path).read(SCORES)
    assert [n - scores[name].null_count for name in ("off_topic_score", "foreign_score")] == [n_told, n_told]


def test_an_approximate_graph_says_how_many_of_a_thousand_neighbours_it_has(
    tmp_path: Path, vectors: np.ndarray
) -> None:
    done = run(tmp_path, vectors, method="approximate")
    output = open_output(tmp_path / done.path)
    found, exact = read_graph(output).indices, neighbor_graph(vectors, 5).indices
    recall = np.mean([np.isin(a, b).mean() for a, b in zip(exact, found, strict=True)])
    assert output.counts == {"n_samples": N, "recall_per_mille": pytest.approx(1000 * recall, abs=10)}
    assert 900 < output.counts["recall_per_mille"] < 1000


def test_a_pool_beyond_the_limit_gets_the_approximate_graph(
    tmp_path: Path, vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "MOST_EXACT", N - 1)
    beyond, chosen = run(tmp_path, vectors), run(tmp_path, vectors, method="approximate")
    assert open_output(tmp_path / beyond.path).digest == open_output(tmp_path / chosen.path).digest
    assert run(tmp_path, vectors, method="exact").counts == {"n_samples": N}


def test_shards_do_not_change_an_approximate_graph(tmp_path: Path, vectors: np.ndarray) -> None:
    one, many = (run(tmp_path / str(n), vectors, n, method="approximate") for n in (1, 3))
    tables = [
        open_output(tmp_path / str(n) / done.path).table_path(NEIGHBORS).read_bytes()
        for n, done in ((1, one), (3, many))
    ]
    assert tables[0] == tables[1]


def test_a_method_that_is_not_known_is_named() -> None:
    with pytest.raises(ValueError, match=r"method: wants one of 'auto', 'exact', 'approximate', got 'fast'"):
        NeighborsConfig(method="fast")  # type: ignore[arg-type]


def test_a_graph_is_extended_to_the_bytes_that_it_has_when_made_anew(tmp_path: Path, vectors: np.ndarray) -> None:
    """One sample is gone, one has another embedding, ten are new."""
    names = np.array(ids(N))
    tonight = vectors.copy()
    tonight[7] = vectors[8]
    stay = np.setdiff1d(np.arange(N - 10), [3])
    config = NeighborsConfig(k=5)
    before, now = tmp_path / "before", tmp_path / "now"
    first = write_features(before, names[: N - 10].tolist(), vectors[: N - 10])
    known = GraphBefore(find_neighbors(before, [first], config).path, (first,))
    rows = np.concatenate([stay, np.arange(N - 10, N)])
    extended, afresh = (
        open_output(
            store / find_neighbors(store, [write_features(store, names[rows].tolist(), tonight[rows])], *args).path
        )
        for store, args in ((before, (config, known)), (now, (config,)))
    )
    assert extended.path.name == afresh.path.name and extended.digest == afresh.digest


def test_what_came_in_further_shards_is_added_without_the_embeddings_of_the_night_before(
    tmp_path: Path, vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shards that come behind those of then: a sample that is in both has the embedding of the first."""
    names, config = ids(400), NeighborsConfig(k=5)
    first = write_features(tmp_path, names[:300], vectors[:300])
    known = GraphBefore(find_neighbors(tmp_path, [first], config).path, (first,))
    second = write_features(tmp_path, names[290:], vectors[1000:1110])
    afresh = find_neighbors(tmp_path / "anew", [_copied(tmp_path, path) for path in (first, second)], config)
    monkeypatch.setattr(known_graph, "read_pool", None)
    extended = find_neighbors(tmp_path, [first, second], config, known)
    one, other = open_output(tmp_path / extended.path), open_output(tmp_path / "anew" / afresh.path)
    assert one.digest == other.digest and one.counts["n_samples"] == 400


def _copied(store: Path, path: str) -> str:
    shutil.copytree(store / path, store / "anew" / path)
    return path


def test_shards_that_come_before_those_of_then_may_bring_other_embeddings(tmp_path: Path, vectors: np.ndarray) -> None:
    names, config = ids(60), NeighborsConfig(k=5)
    late = write_features(tmp_path, names[:50], vectors[:50])
    known = GraphBefore(find_neighbors(tmp_path, [late], config).path, (late,))
    early = write_features(tmp_path, names[40:], vectors[100:120])
    found = read_graph(open_output(tmp_path / find_neighbors(tmp_path, [early, late], config, known).path))
    whole = np.concatenate([vectors[:40], vectors[100:120]])
    assert found.indices.tolist() == neighbor_graph(whole, 5).indices.tolist()


def test_a_graph_is_read_once_and_nobody_writes_to_what_others_have(tmp_path: Path, vectors: np.ndarray) -> None:
    output = open_output(tmp_path / run(tmp_path, vectors[:50]).path)
    assert read_graph(output) is read_graph(output)
    for array in (read_graph(output).indices, read_graph(output).similarity):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_a_graph_of_another_backbone_is_not_gone_on_with(tmp_path: Path, vectors: np.ndarray) -> None:
    names, config = ids(50), NeighborsConfig(k=5)
    first = write_features(tmp_path, names, vectors[:50, :20])
    known = GraphBefore(find_neighbors(tmp_path, [first], config).path, (first,))
    second = write_features(tmp_path, names, vectors[:50])
    found = read_graph(open_output(tmp_path / find_neighbors(tmp_path, [second], config, known).path))
    assert found.indices.tolist() == neighbor_graph(vectors[:50], 5).indices.tolist()


def nights(store: Path, vectors: np.ndarray, sizes: list[int], config: NeighborsConfig) -> list[Done]:
    """What each night finds of a pool that grows, from the graph of the night before."""
    names, done, known = ids(len(vectors)), [], None
    for n in sizes:
        features = write_features(store, names[:n], vectors[:n])
        done.append(find_neighbors(store, [features], config, known))
        known = GraphBefore(done[-1].path, (features,))
    return done


def test_beyond_the_limit_an_exact_graph_is_extended_and_stays_exact(
    tmp_path: Path, vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "MOST_EXACT", N - 30)
    first, second, same, third = nights(tmp_path, vectors, [N - 40, N - 20, N - 20, N], NeighborsConfig(k=5))
    assert (same.path, same.found) == (second.path, True)
    assert [first.counts, second.counts, third.counts] == [{"n_samples": n} for n in (N - 40, N - 20, N)]
    assert (
        read_graph(open_output(tmp_path / third.path)).indices.tolist() == neighbor_graph(vectors, 5).indices.tolist()
    )


def test_an_approximate_graph_is_extended_and_its_recall_told_anew(tmp_path: Path, vectors: np.ndarray) -> None:
    config = NeighborsConfig(k=5, method="approximate")
    first, second = nights(tmp_path, vectors, [N - 50, N], config)
    anew = run(tmp_path / "anew", vectors, method="approximate")
    assert second.counts["recall_per_mille"] >= first.counts["recall_per_mille"] - 5
    new = read_graph(open_output(tmp_path / second.path)).indices[N - 50 :]
    assert new.tolist() == neighbor_graph(vectors, 5).indices[N - 50 :].tolist()
    assert open_output(tmp_path / second.path).digest != open_output(tmp_path / "anew" / anew.path).digest


def test_where_much_is_new_or_the_pool_has_shrunk_a_graph_is_made_as_if_there_were_none(
    tmp_path: Path, vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "MOST_EXACT", 3000)
    monkeypatch.setattr(stage, "MOST_PER_ROOT", 1)
    config = NeighborsConfig(k=5)
    _, much, shrunk = nights(tmp_path, vectors, [3500, N, 2900], config)
    anew, few = (nights(tmp_path / name, vectors, [n], config)[0] for name, n in (("anew", N), ("few", 2900)))
    for night, other, store in ((much, anew, "anew"), (shrunk, few, "few")):
        assert night.counts == other.counts
        found, made = (open_output(path) for path in (tmp_path / night.path, tmp_path / store / other.path))
        assert found.table_path(NEIGHBORS).read_bytes() == made.table_path(NEIGHBORS).read_bytes()
