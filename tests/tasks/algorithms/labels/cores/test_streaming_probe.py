from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.arrays import unit_rows
from windrow.tasks.algorithms.labels.cores.logistic_objective import HeldRows, minimise_logistic, unit_float32
from windrow.tasks.algorithms.labels.cores.logistic_probe import fit_logistic_probe
from windrow.tasks.algorithms.labels.cores.row_stream import array_stream, labelled_blocks
from windrow.tasks.algorithms.labels.cores.streaming_probe import fit_streaming_probe
from windrow.tasks.algorithms.labels.makers.mlp import Mlp, fit_mlp

FEW = settings(max_examples=8, deadline=None)
SMALL = Mlp(n_hidden=16, n_epochs=30, batch_size=16, learning_rate=0.01)
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def random_pool(seed, n=1500, d=20, n_classes=4, labelled=0.9):
    rng = np.random.default_rng(seed)
    truth = rng.integers(n_classes, size=n)
    labels = np.where(rng.random(n) < labelled, truth, -1)
    return (rng.standard_normal((n, d)) + 1.5 * np.eye(d)[truth]).astype(np.float16), labels


def shards(pool, labels, cuts):
    """The pool as a stream in blocks that end at these places."""
    return lambda: zip(np.split(pool, cuts), np.split(labels, cuts), strict=True)


@FEW
@given(st.integers(0, 999), st.booleans(), st.sampled_from([None, 1e-2]), st.sampled_from(DEVICES))
def test_the_streamed_probe_is_the_one_in_memory(seed, balanced, l2, device):
    pool, labels = random_pool(seed)
    streamed = fit_streaming_probe(array_stream(pool, labels), 5, l2, balanced, device)
    held = fit_logistic_probe(pool, labels, 5, l2, balanced)
    np.testing.assert_allclose(streamed.predict_proba(pool), held.predict_proba(pool), atol=1e-4)


def test_even_curvature_is_another_way_to_the_same_minimum():
    pool, labels = random_pool(1, labelled=1.0)
    stretched = pool * np.geomspace(1, 30, pool.shape[1])
    held = HeldRows(unit_float32(stretched), labels, np.full(len(labels), 1 / len(labels)))
    ways = [minimise_logistic(held, (21, 4), 1e-3, shaped) for shaped in (True, False)]
    np.testing.assert_allclose(ways[0][:-1], ways[1][:-1], atol=5e-3)
    for table in ways:
        _, gradient = held.likelihood(table)
        gradient[:-1] += 1e-3 * table[:-1]
        assert np.abs(gradient).max() <= 1e-6


def test_the_gradient_and_the_curvature_are_those_of_the_loss():
    pool, labels = random_pool(2, n=40, d=3, n_classes=2, labelled=1.0)
    held = HeldRows(unit_float32(pool), labels, np.full(40, 1 / 40))
    table = np.random.default_rng(0).normal(size=(4, 2))
    loss, gradient = held.likelihood(table)
    step = 1e-6 * np.random.default_rng(1).normal(size=(4, 2))
    assert held.likelihood(table + step)[0] - loss == pytest.approx((gradient * step).sum(), rel=1e-3)
    wide = np.hstack([unit_rows(pool)[0], np.ones((40, 1))])
    np.testing.assert_allclose(held.curvature(), wide.T @ wide / 40, atol=1e-6)


@FEW
@given(st.integers(0, 999), st.lists(st.integers(0, 1500), max_size=6))
def test_no_shard_changes_a_bit(seed, cuts):
    pool, labels = random_pool(seed)
    ways = array_stream(pool, labels), shards(pool, labels, sorted(cuts))
    whole, cut = (fit_streaming_probe(stream, 4, 1e-2) for stream in ways)
    np.testing.assert_array_equal(whole.weights, cut.weights)
    config = Mlp(n_hidden=4, n_epochs=2, held_out=0.2)
    whole, cut = (fit_mlp(stream, 4, config) for stream in ways)
    np.testing.assert_array_equal(whole.hidden, cut.hidden)
    assert whole.held_out_loss == cut.held_out_loss


def test_a_memory_map_is_read_in_blocks(tmp_path):
    pool, labels = random_pool(3)
    np.save(tmp_path / "pool.npy", pool)
    mapped = np.load(tmp_path / "pool.npy", mmap_mode="r")
    ways = [fit_streaming_probe(array_stream(each, labels), 4) for each in (pool, mapped)]
    np.testing.assert_array_equal(ways[0].weights, ways[1].weights)
    sizes = [len(rows) for rows, _ in labelled_blocks(array_stream(mapped, labels), 4, 500)]
    assert sizes == [500, 500, int((labels >= 0).sum()) - 1000]


def test_unit_rows_in_float32_are_the_unit_rows_at_every_scale():
    rows = np.random.default_rng(0).normal(size=(4, 9))
    rows[1] = 0
    for dtype, scale in ((np.float16, 1.0), (np.float32, 1e-40), (np.float32, 1e37), (np.float64, 1e200)):
        scaled = (rows * scale).astype(dtype)
        np.testing.assert_allclose(unit_float32(scaled), unit_rows(scaled)[0], atol=1e-7)


@pytest.mark.parametrize("device", DEVICES)
def test_the_network_learns_what_no_line_parts_and_the_seed_decides(device):
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, 2 * np.pi, 600)
    pool = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    labels = (pool[:, 0] * pool[:, 1] > 0).astype(np.int64)
    line = fit_streaming_probe(array_stream(pool, labels), 2, 1e-3, device=device)
    assert (line.predict_proba(pool).argmax(axis=1) == labels).mean() < 0.7
    config = replace(SMALL, device=device)
    before = torch.random.get_rng_state()
    first, again = (fit_mlp(array_stream(pool, labels), 3, config) for _ in range(2))
    assert torch.equal(before, torch.random.get_rng_state())
    probabilities = first.predict_proba(pool)
    assert (probabilities.argmax(axis=1) == labels).mean() > 0.95
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert not probabilities[:, 2].any()
    if device == "cpu":
        np.testing.assert_array_equal(again.hidden, first.hidden)
    other = fit_mlp(array_stream(pool, labels), 3, config, seed=1)
    assert not np.array_equal(other.hidden, first.hidden)


def test_rows_held_out_stop_the_training_before_it_learns_noise_by_heart():
    pool, _ = random_pool(4, n=300)
    labels = np.random.default_rng(1).integers(4, size=300)
    config = Mlp(n_hidden=64, n_epochs=40, batch_size=16, learning_rate=0.01, held_out=0.3)
    stopped = fit_mlp(array_stream(pool, labels), 4, config)
    assert stopped.n_epochs < 10
    assert stopped.held_out_loss == pytest.approx(np.log(4), abs=0.3)
    free = fit_mlp(array_stream(pool, labels), 4, replace(config, held_out=0.0))
    assert free.n_epochs == 40 and free.held_out_loss is None
    assert (free.predict_proba(pool).argmax(axis=1) == labels).mean() > 0.9


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: fit_streaming_probe(s, 4, l2=-1.0), "l2 must be positive, got -1.0"),
        (lambda s: fit_streaming_probe(s, 2), "labels must be int64 from -1 to 1"),
        (lambda _: fit_streaming_probe(lambda: [(np.ones((2, 3)), np.array([-1, -1]))], 2), "at least one label"),
        (lambda _: fit_streaming_probe(lambda: [(np.full((1, 3), np.nan), np.array([0]))], 2), "must be finite"),
        (
            lambda s: fit_mlp(lambda: [*s(), (np.ones((1, 3), np.float16), np.array([0]))], 4, SMALL),
            "embeddings must all have dim 20, got 3",
        ),
    ],
)
def test_a_bad_call_names_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call(array_stream(*random_pool(5)))
