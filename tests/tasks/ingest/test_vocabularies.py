"""A source with a vocabulary keeps an empty list of classes, which says that none is there; others are read as ever."""

import pytest

from windrow.tasks.ingest.ingestion import _inputs
from windrow.tasks.storage.sources.source_fields import make_fields
from windrow.tasks.storage.sources.source_shard import IngestConfig, SourceShard


@pytest.mark.parametrize(("vocabulary", "kept"), [((), None), (("cat",), '{"label": []}')])
def test_an_empty_list_stays_where_it_has_a_meaning(vocabulary: tuple[str, ...], kept: str | None) -> None:
    found = make_fields([("column label", {"label": []})], IngestConfig(vocabulary=vocabulary))
    assert (found.label, found.label_from, found.metadata) == (None, "column label", kept)


def test_another_vocabulary_asks_for_no_new_ingest() -> None:
    shard = SourceShard("s", "file", "", "identity")
    none, some, more = (_inputs(shard, IngestConfig(vocabulary=each)) for each in ((), ("cat",), ("cat", "dog")))
    assert "vocabulary" not in none["config"]
    assert some == more != none
