"""Pruned near-duplicates are those of all pairs, to the bit, and from few comparisons."""

import io
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from windrow.tasks.algorithms.neighbors import cosine_bounds, near_cells, near_pairs, pruned_duplicates
from windrow.tasks.algorithms.neighbors.cosine_pairs import CosinePairs
from windrow.tasks.algorithms.neighbors.deduplication import NearDuplicates, near_duplicates
from windrow.tasks.algorithms.neighbors.near_cells import NearCells
from windrow.tasks.algorithms.neighbors.pairs_between import pairs_between

SHARED = Path(__file__).parents[5] / "shared" / "data" / "cifar10-20k"
find = pruned_duplicates.pruned_duplicates


@contextmanager
def small_parts(p: int, rows_a_cell: int, few: int, block: int) -> Iterator[None]:
    """As many directions, and cells, products and blocks of a few rows."""
    with ExitStack() as stack:
        for module, name, value in (
            (cosine_bounds, "PREFIXES", (p,)),
            (near_cells, "ROWS_A_CELL", rows_a_cell),
            (near_cells, "LEAST_CELLS", 2),
            (near_pairs, "FEW", few),
            (near_pairs, "BASE", 4),
            (near_pairs, "QUERIES", 3),
            (near_pairs, "COMPARED_AT_ONCE", 5),
            (pruned_duplicates, "BLOCK", block),
            (pruned_duplicates, "QUERIES", 3),
        ):
            stack.enter_context(patch.object(module, name, value))
        yield


def clumped(rng: np.random.Generator, n: int, d: int, n_clumps: int, spread: float) -> np.ndarray:
    points = rng.standard_normal((n_clumps, d))[rng.integers(n_clumps, size=n)] + spread * rng.standard_normal((n, d))
    points[rng.random(n) < 0.05] = 0
    return (points * rng.uniform(0.1, 10, (n, 1))).astype(rng.choice([np.float16, np.float32]))


def at_a_pair(rng: np.random.Generator, points: np.ndarray, lowest: float) -> float:
    """The similarity of some pair, at which it is just a near-duplicate; or one that no pair has."""
    pairs = CosinePairs(points, 1.0)
    value = float(pairs.similarity(*rng.integers(len(points), size=(2, 1)))[0])
    return value if lowest < value else lowest


def check_same(found: NearDuplicates, wanted: NearDuplicates) -> None:
    assert np.array_equal(found.duplicate_of, wanted.duplicate_of)
    dropped = wanted.duplicate_of >= 0
    assert found.similarity[dropped].tobytes() == wanted.similarity[dropped].tobytes()
    assert (found.similarity[~dropped] == -1).all()


pools = {
    "seed": st.integers(0, 10**6),
    "n": st.integers(1, 120),
    "d": st.sampled_from([1, 2, 3, 8, 40]),
    "n_clumps": st.integers(1, 40),
    "spread": st.sampled_from([0.0, 0.01, 0.1, 0.5]),
    "lowest": st.sampled_from([1e-6, 0.3, 0.9, 0.99, 1.0]),
    "parts": st.tuples(
        st.sampled_from([0, 1, 2, 16, 64]),
        st.sampled_from([1, 3, 10, 1000]),
        st.sampled_from([-1, 3, 10**6]),
        st.sampled_from([1, 7, 1000]),
    ),
}


@settings(max_examples=250, deadline=None)
@given(**pools, n_partitions=st.integers(1, 3), n_apart=st.sampled_from([0, 3, 200]))
@example(0, 120, 8, 1, 0.0, 1.0, (2, 3, 10**6, 7), 1, 0)
def test_they_are_those_of_all_pairs(seed, n, d, n_clumps, spread, lowest, parts, n_partitions, n_apart):
    rng = np.random.default_rng(seed)
    points = clumped(rng, n, d, n_clumps, spread)
    threshold = at_a_pair(rng, points, lowest)
    by = {
        "priority": rng.integers(0, 1 + n // 2, n),
        "partition": rng.integers(0, n_partitions, n),
        "apart": rng.integers(0, n, (n_apart, 2)),
    }
    with small_parts(*parts):
        found = find(points, threshold, **by)
    check_same(found, near_duplicates(points, threshold, **by))
    assert found.n_compared <= n * (n - 1) // 2


@settings(max_examples=250, deadline=None)
@given(**pools, n_before=st.integers(1, 120), rises=st.booleans(), n_partitions=st.integers(1, 3))
def test_what_an_earlier_search_kept_is_not_compared_again_and_changes_nothing(
    seed, n, d, n_clumps, spread, lowest, parts, n_before, rises, n_partitions
):
    rng = np.random.default_rng(seed)
    points = clumped(rng, n, d, n_clumps, spread)
    threshold = at_a_pair(rng, points, lowest)
    before = np.sort(rng.permutation(n)[:n_before])
    far = np.zeros(n, bool)
    far[before[near_duplicates(points[before], threshold, priority=rng.random(len(before))).duplicate_of < 0]] = True
    now = max(threshold, at_a_pair(rng, points, lowest)) if rises else threshold
    by = {"priority": rng.integers(0, 1 + n // 2, n), "partition": rng.integers(0, n_partitions, n)}
    with small_parts(*parts):
        found = find(points, now, **by, far=far)
    check_same(found, near_duplicates(points, now, **by))


def test_of_what_an_earlier_search_kept_few_pairs_are_looked_at() -> None:
    rng = np.random.default_rng(0)
    points = rng.standard_normal((4000, 3))
    far = find(points, 0.9999).duplicate_of < 0
    far[rng.permutation(4000)[:40]] = False
    looked_at = []
    with patch.object(near_pairs.NearPairs, "_candidates", autospec=True) as candidates:
        candidates.side_effect = lambda _, left, right: looked_at.append(len(left) * len(right)) or (left[:0], left[:0])
        find(points, 0.9999, far=far)
        some, looked_at[:] = sum(looked_at), []
        find(points, 0.9999)
    assert some < sum(looked_at) / 2


@settings(max_examples=80, deadline=None)
@given(**pools, m=st.integers(1, 120))
def test_between_sets_every_pair_is_found_once_and_none_is_invented(seed, n, d, n_clumps, spread, lowest, parts, m):
    rng = np.random.default_rng(seed)
    points = clumped(rng, n + m, d, n_clumps, spread)
    threshold = at_a_pair(rng, points, lowest)
    with small_parts(*parts):
        found = pairs_between(points[:n], points[n:], threshold)
    i, j = np.divmod(np.arange(n * m), m)
    similarity = CosinePairs(points, threshold).similarity(i, n + j)
    reached = similarity >= threshold
    order = np.lexsort((found.right, found.left))
    assert np.array_equal(found.left[order], i[reached]) and np.array_equal(found.right[order], j[reached])
    assert found.similarity[order].tobytes() == similarity[reached].tobytes()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([2, 30, 300]), st.sampled_from([0, 1, 16, 64]), st.booleans())
def test_no_product_of_short_rows_falls_below_the_similarity(seed: int, d: int, p: int, are_bad: bool) -> None:
    rng = np.random.default_rng(seed)
    points = clumped(rng, 150, d, 20, float(rng.choice([0, 1e-4, 0.1])))
    with patch.object(cosine_bounds, "PREFIXES", (p,)), patch.object(cosine_bounds, "SAMPLED", 1 if are_bad else 2048):
        bounds = cosine_bounds.cosine_bounds(CosinePairs(points, 0.9), 10**6)
    assert bounds.short.shape == (150, min(p, d) + 1)
    i, j = np.divmod(np.arange(150 * 150), 150)
    similarity = CosinePairs(points, 0.9).similarity(i, j).reshape(150, 150)
    there = similarity != 0
    assert (bounds.short @ bounds.short.T >= similarity - bounds.slack)[there].all()


def test_cells_hold_a_row_against_all_that_are_near_and_against_few_others() -> None:
    rng = np.random.default_rng(0)
    points = clumped(rng, 6000, 4, 500, 0.02)
    pairs = near_pairs.NearPairs(points, 0.999, 6000**2 // 2)
    with patch.object(near_cells, "ROWS_A_CELL", 15):
        cells = NearCells(pairs.bounds, np.arange(6000), 0.999)
    cells.add(np.arange(2000, 5000))
    cells.add(np.arange(5000, 6000))
    held = np.zeros((2000, 6000), bool)
    for rows, others in cells.sides(np.arange(2000)):
        assert not held[np.ix_(rows, others)].any()
        held[np.ix_(rows, others)] = True
    near = pairs.compare(np.arange(2000), np.arange(6000))[1]
    assert near[:, 2000:].sum() > 5000
    assert held[near & (np.arange(6000) >= 2000)].all()
    assert held[:, 2000:].mean() < 0.2


def test_a_hundred_thousand_copies_are_as_many_pairs() -> None:
    rng = np.random.default_rng(0)
    n = 100_000
    points = np.repeat(rng.standard_normal((1, 24)), n, axis=0).astype(np.float16)
    points[rng.choice(n, 50, replace=False)] = rng.standard_normal((50, 24))
    found = find(points, 0.99)
    kept = found.duplicate_of < 0
    assert kept.sum() == 51
    assert len(np.unique(found.duplicate_of[~kept])) == 1
    assert found.n_compared < 51 * n


def test_of_a_pool_that_a_few_directions_describe_a_hundredth_is_compared() -> None:
    rng = np.random.default_rng(0)
    points = rng.standard_normal((4000, 20)) @ rng.standard_normal((20, 256)) + 0.3 * rng.standard_normal((4000, 256))
    points[2000:] = points[:2000] + 0.2 * rng.standard_normal((2000, 256))
    found = find(points, 0.97)
    check_same(found, near_duplicates(points, 0.97))
    assert (found.duplicate_of >= 0).sum() > 1900
    assert found.n_compared < 4000**2 // 2 // 100


def test_one_thread_and_two_find_the_same() -> None:
    points = clumped(np.random.default_rng(1), 5000, 48, 2000, 0.1)
    threads, found = torch.get_num_threads(), []
    try:
        for n_threads in (1, 2):
            torch.set_num_threads(n_threads)
            found.append(find(points, 0.98))
    finally:
        torch.set_num_threads(threads)
    check_same(found[0], found[1])


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared/data")
def test_of_photographs_and_copies_of_them_none_is_lost() -> None:
    from windrow.tasks.backbones import BackboneConfig, load_backbone
    from windrow.tasks.backbones.extract import embed_images

    with tarfile.open(SHARED / "cifar10-20k-00.tar") as tar:
        files = [tar.extractfile(member) for member in tar if not member.name.endswith((".cls", ".json", ".txt"))]
        images = [file.read() for file in files[:400] if file]
    images += [softened(data) for data in images[:100]]
    backbone = load_backbone(BackboneConfig("lite0", image_size=64))
    batches = embed_images(backbone, ((str(i), data) for i, data in enumerate(images)))
    points = np.concatenate([batch.embeddings for batch in batches])
    for threshold in (0.8, 0.9, 0.95):
        wanted = near_duplicates(points, threshold)
        for parts in ((16, 10, 10**6, 64), (64, 10, 10**6, 64)):
            with small_parts(*parts):
                check_same(find(points, threshold), wanted)
    assert (near_duplicates(points, 0.8).duplicate_of >= 0).sum() > 50


def softened(data: bytes) -> bytes:
    image = Image.open(io.BytesIO(data)).convert("RGB")
    file = io.BytesIO()
    image.resize((24, 24), Image.Resampling.BICUBIC).resize(image.size).save(file, "PNG")
    return file.getvalue()


def test_a_bad_call_is_refused() -> None:
    points = np.ones((3, 2), np.float32)
    with pytest.raises(ValueError, match=r"threshold: expected a cosine similarity in \(0, 1\], got 2"):
        find(points, 2)
    with pytest.raises(ValueError, match=r"partition: expected shape \(3,\), got \(2,\)"):
        find(points, 0.9, partition=[1, 2])
    points[2, 0] = np.nan
    with pytest.raises(ValueError, match="embeddings: row 2 is not finite"):
        find(points, 0.9)
    assert find(np.zeros((0, 4), np.float32), 0.9).duplicate_of.tolist() == []
