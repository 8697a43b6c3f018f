"""A stage is told in one line that people can read."""

import pytest

from windrow.tasks.stage_lines import stage_line
from windrow.tasks.storage.store.run_records import StageRecord


def told(stage: str, n_found: int = 0, **counts: int) -> str:
    return stage_line(StageRecord(stage, ("a", "b"), n_found, 0, 1.5, counts))


def test_the_whole_comes_before_its_parts_and_only_zeros_that_matter_are_told() -> None:
    assert told("features", n_errors=0, n_samples=1006) == "features: 1,006 samples, 0 errors (1.5 s)"
    assert told("rank", n_dropped_by_rule=0, n_ranked=7, n_selected=0) == "rank: 7 ranked, 0 selected (1.5 s)"
    assert told("hash_groups", n_hash_groups=0, n_in_hash_groups=0) == "hash groups: nothing to do (1.5 s)"


def test_one_of_a_kind_is_told_in_the_singular_and_bytes_as_a_size() -> None:
    assert told("export", n_bytes=10_923_080, n_samples=1) == "export: 1 sample, 10.9 MB (1.5 s)"
    assert told("ingest", n_source_columns=1) == "ingest: 1 source column (1.5 s)"
    assert told("x", n_classes=1, n_hash_groups=1, n_abstained=1).startswith(
        "x: 1 group of alike pictures, 1 class, 1 abstained ("
    )


@pytest.mark.parametrize(("n_found", "words"), [(0, ""), (1, "1 of 2 outputs found done, "), (2, "found done, ")])
def test_what_was_found_done_is_said(n_found: int, words: str) -> None:
    assert told("cluster", n_found, n_levels=2) == f"cluster: 2 levels ({words}1.5 s)"


@pytest.mark.parametrize(("matched", "is_told"), [(200, False), (150, True)])
def test_rows_of_a_file_are_told_where_some_fit_no_sample(matched: int, is_told: bool) -> None:
    line = told("labels", n_given=200, n_given_rows=200, n_given_rows_matched=matched, n_given_rows_unknown=0)
    assert ("200 given rows, 150 given rows matched" in line) is is_told
    assert "unknown" not in line
