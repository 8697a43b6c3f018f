import numpy as np
import pytest
import torch

from windrow.tasks.algorithms.labels.makers.scan import Scan, _batches, _loss, fit_scan_head, scan_loss, self_label
from windrow.tasks.algorithms.labels.probabilities import predict_rows
from windrow.tasks.algorithms.neighbors.exact_neighbors import NeighborGraph, neighbor_graph

QUICK = Scan(n_heads=3, n_epochs=30, batch_size=64, learning_rate=0.05)


def three_groups(seed=0, n=180, d=8):
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % 3
    return (4 * np.eye(d)[truth] + rng.standard_normal((n, d))).astype(np.float32), truth


def test_the_loss_of_two_neighbours_by_hand():
    graph = NeighborGraph(np.array([[1, -1], [0, -1]]), np.array([[1, -np.inf], [1, -np.inf]], np.float32))
    shares = np.array([[0.5, 0.5], [0.9, 0.1]], np.float32)
    entropy = -(0.7 * np.log(0.7) + 0.3 * np.log(0.3))
    np.testing.assert_allclose(scan_loss(shares, graph, 2.0), -np.log(0.5) - 2 * entropy, rtol=1e-6)


def test_the_loss_that_is_trained_is_the_one_that_decides():
    rng = np.random.default_rng(1)
    shares = rng.dirichlet(np.ones(3), size=(6, 2)).astype(np.float32)  # of 6 rows by 2 heads
    neighbour = rng.permutation(6)
    graph = NeighborGraph(neighbour[:, None], np.ones((6, 1), np.float32))
    logs = torch.from_numpy(np.log(np.stack([shares, shares[neighbour]])))
    expected = sum(scan_loss(np.ascontiguousarray(shares[:, head]), graph, 5.0) for head in range(2))
    np.testing.assert_allclose(float(_loss(logs, 5.0)), expected, rtol=1e-5)


def test_well_parted_groups_become_the_clusters_and_new_rows_join_them():
    pool, truth = three_groups()
    heads = fit_scan_head(pool, neighbor_graph(pool, 8), 3, QUICK)
    clusters = heads.best.predict_proba(pool).argmax(axis=1)
    name = np.array([np.bincount(clusters[truth == group]).argmax() for group in range(3)])
    assert sorted(name) == [0, 1, 2]
    assert (clusters == name[truth]).mean() > 0.95
    tomorrow, groups = three_groups(seed=1)
    assert (heads.best.predict_proba(tomorrow).argmax(axis=1) == name[groups]).mean() > 0.95


def test_without_entropy_all_samples_may_share_a_cluster():
    pool, _ = three_groups()
    graph = neighbor_graph(pool, 8)
    config = Scan(entropy_weight=0.0, n_heads=1, n_epochs=60, batch_size=64, learning_rate=0.05)
    alone = predict_rows(fit_scan_head(pool, graph, 3, config).best, pool).mean(axis=0)
    spread = predict_rows(fit_scan_head(pool, graph, 3, QUICK).best, pool).mean(axis=0)
    assert alone.max() > spread.max() + 0.1


def test_the_best_head_is_that_of_the_least_loss_on_the_pool():
    pool, _ = three_groups()
    graph = neighbor_graph(pool, 8)
    heads = fit_scan_head(pool, graph, 3, Scan(n_heads=4, n_epochs=3, batch_size=64))
    assert heads.losses.shape == (4,) and np.ptp(heads.losses) > 0
    np.testing.assert_allclose(scan_loss(predict_rows(heads.best, pool), graph, 5.0), heads.losses.min(), rtol=1e-9)


def test_the_same_seed_gives_the_same_bytes_whatever_the_threads_and_another_seed_does_not():
    pool, _ = three_groups()
    graph = neighbor_graph(pool, 8)
    threads = torch.get_num_threads()
    first = fit_scan_head(pool, graph, 3, QUICK).best.weights
    torch.set_num_threads(1 if threads > 1 else 2)
    try:
        torch.rand(3)  # the global state has no say
        np.testing.assert_array_equal(fit_scan_head(pool, graph, 3, QUICK).best.weights, first)
    finally:
        torch.set_num_threads(threads)
    assert np.any(fit_scan_head(pool, graph, 3, QUICK, seed=1).best.weights != first)


def test_every_epoch_takes_each_row_that_has_a_neighbour_once_with_one_of_its_own():
    indices = np.array([[1, 2], [0, -1], [-1, -1], [0, 1]])
    graph = NeighborGraph(indices, np.where(indices >= 0, 1, -np.inf).astype(np.float32))
    batches = list(_batches(graph, np.random.default_rng(0), Scan(n_epochs=5, batch_size=2)))
    rows = np.concatenate([rows for rows, _ in batches]).reshape(5, 3)
    np.testing.assert_array_equal(np.sort(rows, axis=1), [[0, 1, 3]] * 5)
    assert all(there in indices[row] and there >= 0 for batch in batches for row, there in zip(*batch, strict=True))


def test_the_sure_samples_teach_a_probe_that_keeps_their_clusters():
    pool, _ = three_groups()
    head = fit_scan_head(pool, neighbor_graph(pool, 8), 3, QUICK).best
    shares = predict_rows(head, pool)
    sure = shares.max(axis=1) > 0.9
    taught = predict_rows(self_label(pool, head, threshold=0.9), pool)
    assert sure.any()
    assert (taught.argmax(axis=1) == shares.argmax(axis=1))[sure].mean() > 0.98
    with pytest.raises(ValueError, match=r"threshold 1\.0: no sample"):
        self_label(pool, head, threshold=1.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_clusters": 1}, "n_clusters must be at least 2, got 1"),
        ({"graph": NeighborGraph(np.array([[1], [0]]), np.ones((2, 1), np.float32))}, "each of the 180 rows, got 2"),
        ({"graph": NeighborGraph(np.full((180, 1), -1), np.ones((180, 1), np.float32))}, "has none"),
    ],
)
def test_a_bad_call_names_the_argument(options, message):
    pool, _ = three_groups()
    graph = NeighborGraph(np.zeros((180, 1), np.int64), np.ones((180, 1), np.float32))
    with pytest.raises(ValueError, match=message):
        fit_scan_head(**{"embeddings": pool, "graph": graph, "n_clusters": 3, "config": QUICK, **options})
