"""Class indices and extensions of WebDataset shards."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windrow.tasks.pictures.decoding import FORMATS
from windrow.tasks.storage.published.webdataset_shards import (
    class_indices,
    image_extension,
    sort_classes,
)


@pytest.mark.parametrize(
    ("names", "indices"),
    [
        (["10", "9", "0"], {"0": 0, "9": 9, "10": 10}),
        (["7"], {"7": 7}),
        (["pear", "apple"], {"apple": 0, "pear": 1}),
        (["1", "2", "other"], {"1": 0, "2": 1, "other": 2}),
        (["01", "1"], {"01": 0, "1": 1}),  # both are the number 1
        (["-1", "1"], {"-1": 0, "1": 1}),
        (["²", "1"], {"1": 0, "²": 1}),
        ([], {}),
    ],
)
def test_integers_keep_their_number_and_names_get_their_place(names: list[str], indices: dict[str, int]) -> None:
    assert class_indices(names) == indices
    assert list(class_indices(names)) == sort_classes(names)


@given(st.lists(st.text(st.characters(categories=["Nd", "L"]), min_size=1, max_size=3)))
def test_no_two_classes_share_an_index_and_order_does_not_matter(names: list[str]) -> None:
    indices = class_indices(names)
    assert len(set(indices.values())) == len(set(names)) == len(indices)
    assert class_indices(names[::-1] + names) == indices


def test_extensions_are_those_that_readers_know() -> None:
    assert {name: image_extension(name) for name in ("JPEG", "MPO", "PNG", "WEBP", "TIFF", "JPEG2000")} == {
        "JPEG": "jpg",
        "MPO": "jpg",
        "PNG": "png",
        "WEBP": "webp",
        "TIFF": "tiff",
        "JPEG2000": "jp2",
    }
    assert all(image_extension(name).isalnum() and image_extension(name).islower() for name in FORMATS)


@pytest.mark.parametrize("name", ["9" * 19, "1" * 400, "9" * 5000])
def test_numbers_that_no_int64_holds_are_names(name: str) -> None:
    assert class_indices(["7", name]) == {each: place for place, each in enumerate(sorted(["7", name]))}
