"""How far a stage is: in samples, which workers count, and told while the first output is still being made."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path

import pytest
from rich.console import Console

from windrow.flows.prefect_runner import PrefectRunner
from windrow.tasks import progress as progress_module
from windrow.tasks.executors import ExecutorConfig, open_executor
from windrow.tasks.progress import StageProgress, stage_progress
from windrow.tasks.tally import count, counted, tally


def half_of(things: list[int]) -> list[int]:
    """For workers: count some things, and stop in the middle."""
    return [thing for _, thing in zip(range(len(things) // 2 + 1), count(things), strict=False)]


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What is said, by a clock that ticks fast."""
    monkeypatch.setattr(progress_module, "SECONDS_BETWEEN_LINES", 0.01)
    yield []


def test_workers_count_what_they_have_done_of_each_call() -> None:
    with tally(2) as counts:
        executor = open_executor(ExecutorConfig(n_workers=1))
        executor.run(counted, counts.path, 0, half_of, list(range(10)))
        assert counts.n_done() == 5
        executor.run(counted, counts.path, 0, half_of, list(range(4)))  # tried again
        counts.finish(1, 30)  # found done
        assert counts.n_done() == 32
    assert not Path(counts.path).exists()


def test_where_nobody_counts_or_the_file_is_elsewhere_nothing_is_counted(tmp_path: Path) -> None:
    assert list(count([1, 2])) == [1, 2]
    assert counted(str(tmp_path / "none"), 0, half_of, [1, 2, 3, 4]) == [1, 2, 3]


def test_a_stage_of_one_shard_says_how_many_samples_are_done_and_how_long_it_takes(lines: list[str]) -> None:
    said = threading.Event()

    def say(text: str) -> None:
        lines.append(text)
        if "50 of 200" in text:
            said.set()

    with stage_progress("ingest", 1, say, lambda _: None, n_calls=1, n_samples=200) as shown:
        counted(shown.tally.path, 0, list, count(range(50)))
        assert said.wait(10)
    line = next(line for line in lines if "50 of 200" in line)
    assert re.fullmatch(r"ingest: 50 of 200 samples, [\d,]+ a second, about \d+ s left", line)


def test_where_the_number_of_samples_is_unknown_outputs_are_counted_and_samples_are_told_beside() -> None:
    with tally(1) as counts:
        shown = StageProgress("ingest", 40, lambda _: None, lambda _: None, None, counts)
        shown.advance(3)
        assert shown.words() == "3 of 40"
        counted(counts.path, 0, list, count(range(1234)))
        assert re.fullmatch(r"3 of 40 shards, 1,234 samples, [\d,]+ a second", shown.words())
        shown.note("a list")
        assert shown.words().endswith(", a list")


def test_a_terminal_shows_a_bar_with_samples_and_it_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = io.StringIO()
    frame = threading.Event()
    monkeypatch.setattr(progress_module, "SECONDS_BETWEEN_FRAMES", 0.01)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)

    def console(**_: object) -> Console:
        return Console(file=drawn, force_terminal=True, width=120)

    monkeypatch.setattr(progress_module, "Console", console)
    with stage_progress("features", 1, lambda _: None, lambda _: None, n_calls=1, n_samples=8) as shown:
        counted(shown.tally.path, 0, list, count(range(6)))
        while "6 of 8 samples" not in drawn.getvalue():
            assert not frame.wait(0.01)
    assert "features" in drawn.getvalue()


def test_lines_are_said_in_the_context_of_the_stage_as_the_log_of_a_flow_run_asks(lines: list[str]) -> None:
    said, flow_run = threading.Event(), ContextVar[str]("flow run")

    def say(_: str) -> None:
        lines.append(flow_run.get("none"))
        said.set()

    flow_run.set("this one")
    with stage_progress("ingest", 2, say, lambda _: None):
        assert said.wait(10)
    assert set(lines) == {"this one"}


def test_a_line_said_outside_of_any_flow_run_does_not_take_prefect_for_lost(
    caplog: pytest.LogCaptureFixture,
) -> None:
    runner = PrefectRunner()
    with caplog.at_level("INFO", logger="windrow"):
        runner.say("half done")
        runner.say("all done")
    assert [record.getMessage() for record in caplog.records] == ["half done", "all done"]


def test_a_stage_that_turns_out_to_be_long_counts_its_samples_from_then_on() -> None:
    said: list[str] = []
    shares: list[float] = []
    with stage_progress("neighbors", 1, said.append, lambda _: None, n_calls=2) as shown:
        assert shown.words() == "0 of 1"
        shown.begin(2, 500, shares.append)
        shown.tally.finish(1, 200)
        assert shown.words().startswith("200 of 500 samples, ")
        shown.advance(1)
        shown.advance(1)
    assert shares == [1.0]
