"""A pool that was read last is there for the next who wants it, and is never another's."""

from pathlib import Path

import numpy as np
import pytest
from small_features import ids, write_features

from windrow.schemas import EMBEDDINGS
from windrow.tasks.storage import memory_budget
from windrow.tasks.storage.store.outputs import Output, open_output
from windrow.tasks.storage.store.pool import read_pool


@pytest.fixture
def features(tmp_path: Path) -> list[Output]:
    vectors = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float16)
    names = ids(40)
    return [open_output(tmp_path / write_features(tmp_path, names[a:b], vectors[a:b])) for a, b in ((0, 25), (25, 40))]


def test_the_same_files_are_read_once_and_nobody_writes_to_what_others_have(features: list[Output]) -> None:
    first = read_pool(features)
    assert read_pool(features) is first
    with pytest.raises(ValueError, match="read-only"):
        first.embeddings[0] = 0


def test_other_files_are_another_pool(features: list[Output]) -> None:
    both, one = read_pool(features), read_pool(features[:1])
    assert (len(both.sample_ids), len(one.sample_ids)) == (40, 25)
    assert read_pool(features) is not both
    assert read_pool(features).embeddings.tolist() == both.embeddings.tolist()


def test_a_file_that_was_damaged_since_is_not_taken_for_whole(features: list[Output]) -> None:
    read_pool(features)
    path = features[0].table_path(EMBEDDINGS)
    bad = path.with_suffix(".bad")
    bad.write_bytes(path.read_bytes()[:-40])
    bad.replace(path)
    with pytest.raises(ValueError, match="embeddings"):
        read_pool(features)


def test_what_would_fill_the_memory_is_not_kept(features: list[Output], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_budget, "_told", 16)
    assert read_pool(features) is not read_pool(features)
