"""The order of runs is that in which they were started, whatever the clocks of their machines said."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_pool import curate_small, make_small_pool

from windrow.tasks.report.drawn import report_of
from windrow.tasks.storage.catalog.views import open_catalog
from windrow.tasks.storage.store import run_records
from windrow.tasks.storage.store.run_records import latest_run, list_runs, start_run

NOW = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
CLOCKS = {
    "ahead": [timedelta(days=400), timedelta(0), timedelta(hours=1)],
    "behind": [timedelta(0), timedelta(days=-4000), timedelta(days=-3999)],
    "equal": [timedelta(0)] * 3,
    "summer time": [timedelta(minutes=59), timedelta(0), timedelta(minutes=1)],
    "backwards": [timedelta(seconds=-n) for n in range(3)],
    "another century": [timedelta(days=365 * 200), timedelta(days=-365 * 50), timedelta(0)],
}


def at(monkeypatch: pytest.MonkeyPatch, offset: timedelta) -> None:
    """Set the clock by which runs are dated."""
    monkeypatch.setattr(run_records, "_now", lambda: (NOW + offset).isoformat(timespec="microseconds"))


@pytest.mark.parametrize("clock", CLOCKS)
def test_the_last_run_is_the_one_that_was_started_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: str
) -> None:
    begun = []
    for offset in CLOCKS[clock]:
        at(monkeypatch, offset)
        begun.append(start_run(tmp_path, "digits", {}).finish("finished"))
        assert latest_run(tmp_path) == begun[-1]
    assert list_runs(tmp_path) == begun
    assert [run.number for run in begun] == [1, 2, 3]
    assert sorted(run.run_id for run in begun) == [run.run_id for run in begun]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(-(10**9), 10**9), min_size=2, max_size=6))
def test_no_clock_changes_the_order(tmp_path_factory: pytest.TempPathFactory, seconds: list[int]) -> None:
    store = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patched:
        begun = []
        for offset in seconds:
            at(patched, timedelta(seconds=offset))
            begun.append(start_run(store, "digits", {"seed": offset}).finish("finished").run_id)
    assert [run.run_id for run in list_runs(store)] == begun


def test_runs_that_start_together_have_numbers_of_their_own(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        runs = list(threads.map(lambda n: start_run(tmp_path, "digits", {"n": n % 2}), range(24)))
    assert sorted(run.number for run in runs) == list(range(1, 25))
    for run in runs:
        run.finish("partial")


def test_a_number_is_not_given_again_though_the_last_run_is_gone(tmp_path: Path) -> None:
    first, second = (start_run(tmp_path, "digits", {}).finish("finished") for _ in range(2))
    shutil.rmtree(second.path)
    assert [first.number, start_run(tmp_path, "digits", {}).finish("finished").number] == [1, 3]


def test_all_that_looks_for_the_last_run_finds_it_after_one_by_a_clock_that_was_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = make_small_pool(tmp_path, 5)
    at(monkeypatch, timedelta(days=400))
    early, _ = curate_small(pool.config)
    monkeypatch.undo()
    late, _ = curate_small(pool.with_source("more", pool.wanted[:-1] + b"x").config)
    last = latest_run(pool.store)
    assert last is not None
    assert last.run_id == late.run_id
    with open_catalog(pool.store) as catalog:
        assert catalog.sql("SELECT run_id FROM runs ORDER BY number").fetchall() == [(early.run_id,), (late.run_id,)]
        assert catalog.sql("SELECT count(DISTINCT source_uri) FROM occurrences").fetchall() == [(3,)]
    assert report_of(late) is not None
