"""Slow hosts and those that want a pause delay no other; what a budget leaves over is left to the next run."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from web_server import Web, picture, serving

from windrow.schemas import OCCURRENCES
from windrow.tasks.fetching import turns
from windrow.tasks.fetching.fetch_config import FetchConfig
from windrow.tasks.fetching.hosts import begin_run
from windrow.tasks.fetching.reasons import OVER, SLOW_HOST
from windrow.tasks.ingest.ingestion import ingest_shards
from windrow.tasks.storage.sources.source_kinds import iterate_shard
from windrow.tasks.storage.sources.source_plan import plan_shards
from windrow.tasks.storage.sources.source_shard import IngestConfig
from windrow.tasks.storage.store.outputs import open_output


@pytest.fixture
def other() -> Iterator[Web]:
    """Yield another host: another port is one."""
    with serving() as web:
        yield web


@pytest.fixture(autouse=True)
def _a_run_without_end() -> Iterator[None]:
    yield
    begin_run(math.inf)


def config(**fetch: Any) -> IngestConfig:
    wanted = {"allow_private": True, "retry_seconds": 0.001, "concurrency": 4, "per_host": 4, "respect_opt_out": False}
    return IngestConfig(fetch=FetchConfig(**{**wanted, **fetch}))


def listed(folder: Path, urls: list[str]) -> str:
    (folder / "urls.csv").write_text("\n".join(["url", *urls]) + "\n")
    return f"list:{folder}/urls.csv"


def reasons(folder: Path, wanted: IngestConfig, until: float = math.inf) -> tuple[list[str | None], dict[str, int]]:
    shards = plan_shards([f"list:{folder}/urls.csv"], wanted)
    [done] = ingest_shards(folder / "store", shards, wanted, until)
    found: list[str | None] = open_output(folder / "store" / done.path).read(OCCURRENCES)["unreadable"].to_pylist()
    return found, done.counts


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("says", ["seconds", "date"])
def test_a_host_that_wants_a_pause_delays_no_other(
    web: Web, other: Web, tmp_path: Path, status: int, says: str
) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=3), usegmt=True)
    other.pause = (status, "2" if says == "seconds" else date)
    paused = [f"{other.url}/paused/{n}" for n in range(8)]
    quick = [f"{web.url}/img/{n}.png" for n in range(60)]
    source = listed(tmp_path, paused + quick)
    [shard] = plan_shards([source], config())
    started = time.monotonic()
    rows = iterate_shard(shard, config())
    assert next(rows).data == picture(4)  # of the host that wanted to be asked later
    assert 0.9 < time.monotonic() - started < 20
    assert web.asked.total() == 60
    assert web.last_asked < other.last_asked - 0.5  # all of the other's were there before
    assert [one.data for one in rows] == [picture(4)] * 7 + [picture(n) for n in range(60)]
    assert other.asked.total() <= 4 + 8  # those under way when it said so, and each once more


def test_hosts_that_drip_delay_no_other(web: Web, other: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "SLOW_SECONDS", 0.2)
    dripping = [f"{other.url}/drip/{n}" for n in range(4)]
    source = listed(tmp_path, dripping + [f"{web.url}/img/{n}.png" for n in range(60)])
    wanted = config(read_seconds=9, total_seconds=5, tries=1)
    [shard] = plan_shards([source], wanted)
    rows = iterate_shard(shard, wanted)
    started = time.monotonic()
    assert next(rows).error == "timed out"
    assert time.monotonic() - started > 4.5
    assert web.last_asked - started < 2
    assert [one.error for one in rows] == ["timed out"] * 3 + [None] * 60


def test_a_host_that_uses_up_its_time_is_left_to_the_next_run_and_nothing_is_lost(
    web: Web, other: Web, tmp_path: Path
) -> None:
    listed(tmp_path, [f"{other.url}/drip/{n}" for n in range(9)] + [f"{web.url}/img/1.png"])
    wanted = config(total_seconds=0.3, tries=1, per_host=1, host_seconds=0.5, runs=2)
    for run in range(1, 5):  # more runs than `runs`: what was not tried has not failed
        found, counts = reasons(tmp_path, wanted, time.time() + 1000 + run)
        assert found[9] is None
        assert found.count("timed out") + found.count(SLOW_HOST) == 9
        assert counts["n_left"] == found.count(SLOW_HOST) >= 6
        assert counts["n_to_retry"] == 9
        assert other.asked.total() <= 3 * run


def test_when_the_time_of_a_run_is_up_the_rest_is_fetched_in_the_next(web: Web, tmp_path: Path) -> None:
    listed(tmp_path, [f"{web.url}/img/{n}.png" for n in range(5)])
    found, counts = reasons(tmp_path, config(), time.time() - 1)
    assert (found, counts["n_left"], web.asked.total()) == ([OVER] * 5, 5, 0)
    found, counts = reasons(tmp_path, config(), time.time() + 1000)
    assert (found, counts["n_to_retry"]) == ([None] * 5, 0)
    assert "n_left" not in counts


def test_no_host_has_more_requests_at_once_than_it_may(web: Web, tmp_path: Path) -> None:
    source = listed(tmp_path, [f"{web.url}/slow/{n}.png" for n in range(12)])
    wanted = config(concurrency=8, per_host=2)
    [shard] = plan_shards([source], wanted)
    assert [one.data for one in iterate_shard(shard, wanted)] == [picture(n) for n in range(12)]
    assert web.most_at_once == 2
