import io
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from windrow.tasks.backbones import Backbone, BackboneConfig, load_backbone
from windrow.tasks.backbones.extract import NON_FINITE, Embedded, embed_images
from windrow.tasks.backbones.patches import fit_patches, save_patches
from windrow.tasks.pictures.decoding import decode_rgb
from windrow.tasks.pictures.guarded import prepare_all_guarded


@pytest.fixture(scope="module")
def backbone(pictures: list[Image.Image], tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    file = tmp_path_factory.mktemp("patches") / "patches.npz"
    save_patches(fit_patches(pictures, n_centroids=8, dim=8), file)
    return load_backbone(BackboneConfig("patches", batch_size=16), file)


@pytest.fixture(scope="module")
def samples(pictures: list[Image.Image]) -> list[tuple[str, bytes]]:
    """Sixty pictures; every seventh is damaged, in one of two ways."""
    out = []
    for i, picture in enumerate(pictures):
        file = io.BytesIO()
        picture.save(file, "PNG")
        out.append((f"{i:032x}", b"" if i % 14 == 0 else file.getvalue()[:60] if i % 7 == 0 else file.getvalue()))
    return out


def joined(batches: Iterator[Embedded]) -> tuple[list[str], np.ndarray, list[str | None]]:
    parts = list(batches)
    vectors = np.concatenate([p.embeddings for p in parts])
    return [i for p in parts for i in p.sample_ids], vectors, [e for p in parts for e in p.errors]


def test_every_sample_comes_out_once_in_order_with_a_vector_or_a_reason(
    backbone: Backbone, samples: list[tuple[str, bytes]]
) -> None:
    ids, vectors, errors = joined(embed_images(backbone, samples))
    assert ids == [sample_id for sample_id, _ in samples]
    assert vectors.dtype == np.float16
    assert vectors.shape == (60, 8)
    for i, error in enumerate(errors):
        assert error == ("empty file" if i % 14 == 0 else "truncated image" if i % 7 == 0 else None)
        assert bool(vectors[i].any()) is (error is None)


class PreparedHere:
    """A backbone whose pictures are decoded in a sandbox and prepared in this process, as a user's own are."""

    preparation = None

    def __init__(self, inner: Backbone) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)


def test_no_bit_depends_on_where_a_picture_is_prepared(
    backbone: Backbone, samples: list[tuple[str, bytes]], pictures: list[Image.Image]
) -> None:
    large = io.BytesIO()
    pictures[1].resize((900, 700)).save(large, "JPEG")
    samples = [*samples, ("large", large.getvalue())]
    _, there, errors = joined(embed_images(backbone, samples))
    _, here, same_errors = joined(embed_images(PreparedHere(backbone), samples))
    assert np.array_equal(there, here)
    assert errors == same_errors
    good = [decode_rgb(data, backbone.min_side) for _, data in samples if len(data) > 60]
    batch = np.stack([backbone.prepare(picture) for picture in good])
    inputs = prepare_all_guarded(
        [data for _, data in samples if len(data) > 60], backbone.min_side, backbone.preparation
    )
    assert np.array_equal(np.stack(inputs), batch)


@given(st.integers(1, 70), st.integers(1, 4), st.integers(1, 5), st.integers(0, 60))
@settings(max_examples=15, deadline=None)
def test_no_bit_depends_on_batches_threads_or_neighbours(
    backbone: Backbone, samples: list[tuple[str, bytes]], batch_size: int, threads: int, prefetch: int, n: int
) -> None:
    _, expected, _ = joined(embed_images(backbone, samples))
    found = list(embed_images(backbone, samples[:n], batch_size=batch_size, decode_threads=threads, prefetch=prefetch))
    assert [len(part.sample_ids) for part in found[:-1]] == [batch_size] * (len(found) - 1)
    if found:
        assert np.array_equal(joined(iter(found))[1], expected[:n])
    assert sum(len(part.sample_ids) for part in found) == n


def test_reading_stays_at_most_the_prefetch_ahead(backbone: Backbone, samples: list[tuple[str, bytes]]) -> None:
    read = []

    def source() -> Iterator[tuple[str, bytes]]:
        for sample in samples:
            read.append(threading.current_thread())
            yield sample

    batches = embed_images(backbone, source(), batch_size=4, prefetch=2)
    assert read == []
    next(batches)
    assert len(read) == 12
    assert set(read) == {threading.current_thread()}
    batches.close()
    assert not any(t.name.startswith("decode") for t in threading.enumerate())


def test_a_failing_source_fails_the_call(backbone: Backbone, samples: list[tuple[str, bytes]]) -> None:
    def source() -> Iterator[tuple[str, bytes]]:
        yield from samples[:5]
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(embed_images(backbone, source(), batch_size=2))


class Overflowing:
    """A real backbone whose numbers do not fit float16 for bright pictures."""

    def __init__(self, inner: Backbone) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)

    def embed(self, batch: np.ndarray) -> np.ndarray:
        return self.inner.embed(batch) * np.where(batch.mean((1, 2, 3)) > 128, 1e9, 1)[:, None].astype(np.float32)


def test_an_embedding_that_is_not_finite_becomes_an_error(
    backbone: Backbone, samples: list[tuple[str, bytes]], pictures: list[Image.Image]
) -> None:
    good = [s for i, s in enumerate(samples) if i % 7]
    bright = [backbone.prepare(p).mean() > 128 for i, p in enumerate(pictures) if i % 7]
    _, vectors, errors = joined(embed_images(Overflowing(backbone), good))
    assert [e == NON_FINITE for e in errors] == bright
    assert any(bright)
    assert np.isfinite(vectors).all()


def test_a_bad_number_is_refused_before_anything_runs(backbone: Backbone) -> None:
    for name in ("batch_size", "decode_threads", "prefetch"):
        with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
            embed_images(backbone, [], **{name: 0})
    assert list(embed_images(backbone, [])) == []


@pytest.mark.shared
def test_photos_go_through_mobilenet_with_drafted_jpegs(
    shared_mobilenet: Path, photo_bytes: Callable[[int], list[bytes]]
) -> None:
    pytest.importorskip("transformers", reason="the extra 'hf' is not installed")
    mobilenet = load_backbone(BackboneConfig(f"hf:{shared_mobilenet}", batch_size=4, image_size=96))
    data = photo_bytes(6)
    ids, vectors, errors = joined(embed_images(mobilenet, [(str(i), d) for i, d in enumerate(data)]))
    assert errors == [None] * 6
    assert vectors.shape == (6, 1280)
    assert (vectors > 0).any(axis=1).all()
    assert len(ids) == 6
