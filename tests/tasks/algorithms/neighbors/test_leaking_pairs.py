import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windrow.tasks.algorithms.neighbors.leaking_pairs import FAR, Fingerprints, Leaks, find_leaks


def fingerprints(
    ids: str, hashes: list[int], angles: list[float], without_hash: str = "", without_embedding: str = ""
) -> Fingerprints:
    names = np.array(list(ids))
    vectors = np.stack([np.cos(np.radians(angles)), np.sin(np.radians(angles))], axis=1)
    lacks = [np.isin(names, list(without)) for without in (without_hash, without_embedding)]
    return Fingerprints(names, np.array(hashes, np.int64), ~lacks[0], vectors, ~lacks[1])


def pairs(found: Leaks) -> list[tuple[int, int]]:
    return list(zip(found.left.tolist(), found.right.tolist(), strict=True))


def test_a_pair_is_found_by_bytes_by_hash_or_by_embedding_and_says_which() -> None:
    left = fingerprints("abcd", [0, 0b111, -1, 0x0F0F], [0, 40, 80, 120])
    right = fingerprints("axy", [0, 0b1111, 0x3333 << 32], [0, 200, 85])
    found = find_leaks(left, right, np.cos(np.radians(6)), max_distance=2)
    assert pairs(found) == [(0, 0), (1, 1), (2, 2)]
    assert found.same_bytes.tolist() == [True, False, False]
    assert found.distance.tolist() == [0, 1, FAR]
    assert found.similarity[[0, 2]] == pytest.approx([1, np.cos(np.radians(5))], abs=1e-3)
    assert np.isnan(found.similarity[1])


def test_the_closest_of_each_is_by_bytes_then_by_embedding_then_by_hash() -> None:
    left = fingerprints("bc", [0, 0], [0, 90])
    right = fingerprints("abxy", [0, 3, 1, 0], [0, 20, 88, 200])
    found = find_leaks(left, right, 0.5, max_distance=2)
    closest = found.closest()
    assert [pairs(found)[at] for at in closest] == [(0, 1), (1, 2)]


def test_what_a_sample_lacks_it_is_not_compared_by() -> None:
    left = fingerprints("a", [0], [0], without_hash="a")
    right = fingerprints("xy", [0, 0], [0, 0], without_embedding="x")
    found = find_leaks(left, right, 0.9, 6)
    assert pairs(found) == [(0, 1)] and found.distance.tolist() == [FAR]
    assert not len(find_leaks(left, fingerprints("x", [0], [0], without_embedding="x"), 0.9, 6))


@settings(max_examples=15)
@given(seed=st.integers(0, 999), n=st.integers(0, 30), m=st.integers(0, 30), bits=st.integers(0, 8))
def test_every_pair_is_found_and_none_is_invented(seed: int, n: int, m: int, bits: int) -> None:
    """The cover guarantee, against all pairs."""
    rng = np.random.default_rng(seed)

    def some(size: int) -> Fingerprints:
        hashes = rng.choice(np.array([0, 1, 3, 255, -1, -2, 2**62]), size)
        names = rng.choice([f"{i:02d}" for i in range(60)], size, replace=False)
        vectors = rng.integers(-1, 2, (size, 3)).astype(float)  # exact ties at the threshold, and zero vectors
        return Fingerprints(names, hashes, rng.random(size) < 0.8, vectors, rng.random(size) < 0.8)

    left, right = some(n), some(m)
    threshold = float(np.float32(np.sqrt(0.5)))
    found = find_leaks(left, right, threshold, bits)
    expected = []
    for i in range(n):
        for j in range(m):
            lengths = np.linalg.norm(left.embeddings[i]) * np.linalg.norm(right.embeddings[j])
            cosine = np.float32(left.embeddings[i] @ right.embeddings[j] / lengths if lengths else 0)
            differ = int(left.hashes[i] ^ right.hashes[j]) & (2**64 - 1)
            near = left.has_hash[i] and right.has_hash[j] and differ.bit_count() <= bits
            alike = left.has_embedding[i] and right.has_embedding[j] and cosine >= threshold
            if near or alike or left.ids[i] == right.ids[j]:
                expected.append((i, j))
    assert pairs(found) == expected
    assert found.left[found.closest()].tolist() == sorted({i for i, _ in expected})
    back = find_leaks(right, left, threshold, bits)
    assert sorted((j, i) for i, j in pairs(back)) == expected


def test_a_bad_call_is_refused() -> None:
    one = fingerprints("a", [0], [0])
    wide = Fingerprints(one.ids, one.hashes, one.has_hash, np.ones((1, 3)), one.has_embedding)
    with pytest.raises(ValueError, match="the sets have 2 and 3 dimensions"):
        find_leaks(one, wide, 0.9, 6)
    with pytest.raises(ValueError, match="threshold"):
        find_leaks(one, one, 0.0, 6)
    with pytest.raises(ValueError, match="hashes: expected 1 rows, got 2"):
        fingerprints("a", [0, 1], [0])
