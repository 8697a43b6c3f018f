import base64
import io
from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from PIL import Image
from reported_store import Store

from windrow.tasks.report.thumbnails import SIDE, Thumbnail, read_thumbnails, sample_reader, thumbnail
from windrow.tasks.storage.catalog.views import open_catalog
from windrow.tasks.storage.sources.source import SampleGone
from windrow.tasks.storage.sources.source_shard import sample_id_of


def encoded(size: tuple[int, int], kind: str) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def decoded(shown: Thumbnail) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(shown.uri.partition(",")[2])))


def test_a_tiny_image_keeps_its_pixels() -> None:
    data = encoded((20, 12), "PNG")
    shown = thumbnail(data)
    assert isinstance(shown, Thumbnail) and shown.tiny and shown.uri.startswith("data:image/png;base64,")
    assert np.array_equal(np.asarray(decoded(shown)), np.asarray(Image.open(io.BytesIO(data))))


@pytest.mark.parametrize(("size", "expected"), [((800, 400), (SIDE, SIDE // 2)), ((30, 9000), (1, SIDE))])
def test_a_large_image_becomes_a_small_jpeg_of_the_same_shape(size: tuple[int, int], expected: tuple[int, int]) -> None:
    shown = thumbnail(encoded(size, "JPEG"))
    assert isinstance(shown, Thumbnail) and not shown.tiny
    assert (decoded(shown).format, decoded(shown).size) == ("JPEG", expected)
    assert len(shown.uri) < 12_000


def test_bytes_that_are_no_image_are_a_reason() -> None:
    assert thumbnail(b"%PDF-1.7") == SampleGone("format not accepted: PDF")


def test_a_sample_that_the_reader_does_not_give_is_a_reason_too() -> None:
    def read(sample_ids: Sequence[str]) -> Iterable[tuple[str, bytes | SampleGone]]:
        assert list(sample_ids) == ["a", "b", "c"]
        return [("b", SampleGone("file is gone")), ("a", encoded((5, 5), "PNG"))]

    found = read_thumbnails(read, ["c", "b", "a", "b"])
    assert isinstance(found["a"], Thumbnail)
    assert (found["b"], found["c"]) == (SampleGone("file is gone"), SampleGone("no readable occurrence"))
    assert read_thumbnails(read, []) == {}


def test_the_reader_gives_each_sample_once_with_the_bytes_that_were_ingested(store: Store) -> None:
    connection = open_catalog(store.run.store)
    wanted = [row[0] for row in connection.execute("SELECT sample_id FROM samples ORDER BY 1 LIMIT 7").fetchall()]
    found = list(sample_reader(connection, store.run.store)([*wanted, "f" * 32]))
    assert sorted(name for name, _ in found) == wanted
    assert all(isinstance(data, bytes) and sample_id_of(data) == name for name, data in found)
