"""What no kept run needs is taken away; what one needs never is, whatever happened in the store before."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from inline_run import curate_inline
from small_pool import SmallPool, make_small_pool, png, stripes

from windrow.flows.commands.stores.gc import gone
from windrow.tasks.executors import ExecutorConfig
from windrow.tasks.pipeline import curate_tonight
from windrow.tasks.recording import begin_run
from windrow.tasks.runner import PlainRunner
from windrow.tasks.storage.catalog.views import connect_run
from windrow.tasks.storage.files.store_lock import at_work
from windrow.tasks.storage.files.whole_or_absent import temporary_directory
from windrow.tasks.storage.published.versions import list_versions
from windrow.tasks.storage.store.garbage import MARGIN, find_garbage, take_away
from windrow.tasks.storage.store.outputs import MANIFEST, all_outputs
from windrow.tasks.storage.store.run_records import Run, list_runs
from windrow.tasks.storage.verify.verification import verify

DAY = 2 * MARGIN


@pytest.fixture
def pool(tmp_path: Path) -> SmallPool:
    made = make_small_pool(tmp_path, n_others=5)
    return replace(made, config=replace(made.config, executor=ExecutorConfig("inline")))


def a_day_later(store: Path) -> None:
    """Let all that was done so far lie further back: marks and the starts of runs."""
    for output in all_outputs(store):
        manifest = output.path / MANIFEST
        os.utime(manifest, (0, manifest.stat().st_mtime - DAY))
    for run in list_runs(store):
        started = datetime.fromtimestamp(datetime.fromisoformat(run.started_at).timestamp() - DAY).astimezone()
        replace(run, started_at=started.isoformat()).save()


def paths(store: Path) -> set[Path]:
    return {output.path for output in all_outputs(store)}


def still_whole(run: Run) -> bool:
    """Whether every table of a run can be read."""
    connection = connect_run(run.store, run.run_id)
    return all(connection.sql(f"SELECT count(*) FROM {name}").fetchall() for name in ("samples", "pool", "outcomes"))


def test_what_only_an_old_run_needed_goes_and_the_run_is_withdrawn(pool: SmallPool) -> None:
    first = curate_inline(pool.config)
    of_first = paths(pool.store)
    a_day_later(pool.store)
    (pool.folder / "pool" / "loose" / "new.png").write_bytes(png(stripes(99)))
    second = curate_inline(pool.config)
    found = find_garbage(pool.store, 1)
    assert found.outputs and set(found.outputs) < of_first
    assert [run.run_id for run in found.runs] == [first.run_id]
    assert sum(usage.n_needless for usage in found.usage.values()) == len(found.outputs)
    assert find_garbage(pool.store, 2).outputs == ()
    taken = take_away(pool.store, 1)
    assert taken.outputs == found.outputs
    assert not any(path.exists() for path in found.outputs)
    assert still_whole(second)
    assert not verify(pool.store).damage
    with pytest.raises(ValueError, match="taken away by `windrow gc`"):
        connect_run(pool.store, first.run_id)
    assert find_garbage(pool.store, 1).outputs == ()
    before = paths(pool.store)
    again = curate_inline(pool.config)  # finds all that it needs
    assert all(record.n_found == len(record.outputs) for record in again.stages() if record.stage != "account")
    assert before <= paths(pool.store)


def begun(store: Path, name: str, n_bytes: int) -> Path:
    """A folder beside outputs that a process has left with a file in it."""
    folder = store / "outputs" / "neighbors" / "ab" / name
    (folder / "pool").mkdir(parents=True)
    (folder / "pool" / "vectors").write_bytes(bytes(n_bytes))
    return folder


def test_what_killed_processes_had_begun_goes_once_no_set_can_go_on_with_it(pool: SmallPool) -> None:
    first = curate_inline(pool.config)
    left, work = begun(pool.store, ".tmp-ab", 10), begun(pool.store, ".work-ab12", 1000)
    within = begun(pool.store, ".work-ab12/.tmp-cd", 0)
    assert find_garbage(pool.store, 1).begun == (left, work)
    cut_short = begin_run(pool.config)
    cut_short.finish("failed", "by hand")
    for status in ("failed", "killed"):
        replace(cut_short, status=status).save()
        assert find_garbage(pool.store, 1).begun == (left, within), "a next run goes on with it"
    taken = take_away(pool.store, 1)
    assert (taken.begun, taken.n_bytes, left.exists(), within.exists()) == ((left, within), 10, False, False)
    os.utime(work, (0, datetime.fromisoformat(first.started_at).timestamp() - DAY))
    assert find_garbage(pool.store, 1).begun == (work,), "the run that finished since would have gone on with it"
    os.utime(work)
    a_day_later(pool.store)
    curate_inline(replace(pool.config, name="another"))
    assert find_garbage(pool.store, 1).begun == (), "another set's runs do not say that it is of no use"
    curate_inline(pool.config)
    taken = take_away(pool.store, 1)
    assert (taken.begun, taken.n_bytes, work.exists()) == ((work,), 1000, False)
    assert gone(taken) == "0 outputs and 1 that killed runs had begun, 1.0 kB"


def test_a_store_of_no_finished_run_keeps_the_work_of_one_that_was_killed(pool: SmallPool) -> None:
    curate_inline(pool.config).finish("failed", "by hand")
    left, work = begun(pool.store, ".tmp-ab", 10), begun(pool.store, ".work-ab12", 1000)
    assert take_away(pool.store, 1).begun == (left,)
    assert work.exists() and not left.exists()


def test_a_temporary_folder_that_a_process_holds_stays(pool: SmallPool) -> None:
    curate_inline(pool.config)
    with temporary_directory(pool.store / "outputs" / "features") as held:
        assert take_away(pool.store, 1).begun == ()
        assert held.exists()


COMES_AND_GOES = """
import itertools, shutil, sys
from pathlib import Path
parent = Path(sys.argv[1])
for number in itertools.count():
    folder = parent / f".work-{number % 40}"
    folder.mkdir(exist_ok=True)
    (folder / "block").touch()
    shutil.rmtree(parent / f".work-{(number + 20) % 40}", ignore_errors=True)
"""


def test_what_goes_while_it_is_looked_at_counts_as_nothing(pool: SmallPool) -> None:
    curate_inline(pool.config)
    folder = begun(pool.store, ".work-0", 0).parent
    beside = subprocess.Popen([sys.executable, "-c", COMES_AND_GOES, str(folder)])
    try:
        for _ in range(100):
            assert find_garbage(pool.store, 1).n_bytes == 0
    finally:
        beside.kill()
        beside.wait()


def test_copies_of_what_left_its_source_stay_though_no_run_names_their_output(pool: SmallPool) -> None:
    config = replace(pool.config, ingest=replace(pool.config.ingest, mode="copy"))
    curate_inline(config)
    a_day_later(pool.store)
    (pool.folder / "pool" / "loose" / "0.png").unlink()
    curate_inline(config)
    a_day_later(pool.store)
    last = curate_inline(config)
    take_away(pool.store, 1)
    copies = connect_run(pool.store, last.run_id).sql("SELECT DISTINCT copy FROM occurrences WHERE copy IS NOT NULL")
    assert all((pool.store / copy).exists() for (copy,) in copies.fetchall())
    assert not verify(pool.store).damage


def test_while_a_run_is_at_work_nothing_is_taken_away(pool: SmallPool) -> None:
    curate_inline(pool.config)
    with at_work(pool.store), pytest.raises(ValueError, match="a run is at work"):
        take_away(pool.store, 1)


def test_a_store_without_a_finished_run_and_a_number_that_keeps_none_are_left_alone(pool: SmallPool) -> None:
    for run in [curate_inline(pool.config)]:
        run.finish("failed", "by hand")
    assert find_garbage(pool.store, 1).outputs == ()
    with pytest.raises(ValueError, match="at least 1 run"):
        find_garbage(pool.store, 0)


def test_a_night_takes_away_what_its_config_says(pool: SmallPool) -> None:
    said: list[str] = []

    class Night(PlainRunner):
        def say(self, text: str) -> None:
            said.append(text)

    config = replace(pool.config, retention=replace(pool.config.retention, runs=1))
    curate_tonight(config, Night())
    a_day_later(pool.store)
    (pool.folder / "pool" / "loose" / "new.png").write_bytes(png(stripes(99)))
    begun(pool.store, ".tmp-ab", 10)
    curate_tonight(config, Night())
    assert said[-1].startswith("retention: ")
    assert " outputs of 1 earlier runs and 1 that killed runs had begun taken away, " in said[-1]
    assert len(list_versions(pool.store)) >= 1


STEPS = st.lists(
    st.sampled_from(["run", "smaller", "new picture", "other seed", "other set", "gc 1", "gc 2"]), max_size=7
)


@given(STEPS)
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_over_any_history_the_kept_runs_stay_whole(tmp_path_factory: pytest.TempPathFactory, steps: list[str]) -> None:
    made = make_small_pool(tmp_path_factory.mktemp("history"), n_others=5)
    config = replace(made.config, executor=ExecutorConfig("inline"))
    curate_inline(config)
    for number, step in enumerate(steps):
        a_day_later(made.store)
        if step.startswith("gc"):
            n_kept = int(step[-1])
            take_away(made.store, n_kept)
            assert all(still_whole(run) for run in _last(made.store, n_kept))
            continue
        if step == "smaller":
            config = replace(config, selection=replace(config.selection, target_size=3 + number))
        elif step == "new picture":
            (made.folder / "pool" / "loose" / f"new{number}.png").write_bytes(png(stripes(100 + number)))
        elif step == "other seed":
            config = replace(config, seed=number)
        elif step == "other set":
            config = replace(config, name="another" if config.name == "small" else "small")
        curate_inline(config)
    assert not verify(made.store).damage


def _last(store: Path, n: int) -> Iterator[Run]:
    for name in ("small", "another"):
        finished = [run for run in list_runs(store) if run.name == name and run.status == "finished"]
        yield from finished[-n:]
