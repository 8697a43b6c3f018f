"""The whole pipeline: found done the second time, and the same bytes wherever it ran, was killed, or whoever ran it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from workshop import Workshop

from windrow.flows.summary import summarise
from windrow.schemas import OUTCOME_KINDS
from windrow.tasks.pipeline import STEPS
from windrow.tasks.report import page
from windrow.tasks.storage.catalog.views import open_catalog
from windrow.tasks.storage.published.versions import list_versions
from windrow.tasks.storage.store.run_records import latest_run, list_runs
from windrow.tasks.storage.verify.verification import verify
from windrow.tasks.texts.markdown import inline

Digests = Callable[[Path], Mapping[str, str]]


def version_of(store: Path) -> Path:
    """Return the only version of a store."""
    (version,) = list_versions(store)
    return version.path


def test_counts_add_up_from_occurrences_to_the_version(workshop: Workshop) -> None:
    connection = open_catalog(workshop.store)
    outcomes = dict(connection.sql("SELECT outcome, count(*) FROM outcomes GROUP BY 1").fetchall())
    assert sum(outcomes.values()) == 816
    assert set(outcomes) <= set(OUTCOME_KINDS)
    assert outcomes["unreadable"] == 10
    assert outcomes["duplicate"] == 35
    assert outcomes["filtered"] > 0
    assert outcomes["exported"] == 150 == list_versions(workshop.store)[0].n_samples
    assert not verify(version_of(workshop.store)).damage


def test_the_record_and_the_summary_say_which_encoder_was_taken_and_why(workshop: Workshop) -> None:
    run = latest_run(workshop.store)
    assert run is not None
    features = run.stage("features")
    assert features is not None
    assert re.fullmatch(
        r"patches \(1\d\d of 200 pictures looked at are drawings or scans in grey\)", features.choice or ""
    )
    assert f"Encoder: {inline(features.choice)}." in summarise(run)


def test_a_second_run_finds_its_work_done_and_publishes_nothing(workshop: Workshop, digests: Digests) -> None:
    before = digests(workshop.store / "curated")
    ended = workshop.here("nightly", str(workshop.config))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.rstrip().endswith("digits v0001")
    assert digests(workshop.store / "curated") == before
    run = latest_run(workshop.store)
    assert run is not None
    assert {record.stage: len(record.outputs) - record.n_found for record in run.stages()} == {
        "ingest": 0,
        "hash_groups": 0,
        "features": 0,
        "neighbors": 0,
        "cluster": 0,
        "pseudo_label": 0,
        "rank": 0,
        "worth": 0,
        "export": 0,
        "account": 0,
        "pool": 0,
    }


def test_prefect_carries_a_run_to_the_same_bytes_and_shows_what_it_did(served: Workshop, digests: Digests) -> None:
    config = served.write_config("through-prefect")
    ended = served.windrow("run", str(config), "--runner", "prefect")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert digests(version_of(served.folder / "through-prefect")) == digests(version_of(served.store))
    flows = asked(served, "flow_runs/filter", {})
    names = {"curate digits", *(f"{name.replace('-', ' ')} digits" for name in STEPS if name != "score")}
    assert {flow["name"] for flow in flows} == names
    assert {flow["state"]["type"] for flow in flows} == {"COMPLETED"}
    wanted = {"find neighbors", "propagation", "check labels", "publish", "write train 0", "ingest 0-0"}
    deadline, tasks = time.monotonic() + 60, dict[str, Any]()
    while not wanted <= set(tasks) and time.monotonic() < deadline:  # the server makes them of events
        tasks = {task["name"]: task for task in asked(served, "task_runs/filter", {"limit": 200})}
    assert wanted <= set(tasks)
    assert tasks["ingest 0-0"]["tags"] == ["windrow-io"]
    assert tasks["ingest 0-0"]["empirical_policy"]["retries"] == 3
    assert tasks["find neighbors"]["empirical_policy"]["retries"] == 0
    artifacts = {artifact["key"]: artifact for artifact in asked(served, "artifacts/filter", {})}
    assert {"windrow-summary", "windrow-ingest", "windrow-pseudo-label", "windrow-account"} <= artifacts.keys()
    page = artifacts["windrow-summary"]["flow_run_id"]  # that people open
    assert page in [flow["id"] for flow in flows if flow["name"] == "curate digits"]
    of_it = {"logs": {"flow_run_id": {"any_": [page]}, "task_run_id": {"is_null_": True}}}
    logged = [line["message"] for line in asked(served, "logs/filter", of_it)]
    assert [line.split(":")[0] for line in logged if line.endswith(" s)")][:2] == ["ingest", "hash groups"]


def asked(served: Workshop, what: str, query: dict[str, Any]) -> Any:
    """Ask the API of the server."""
    body = json.dumps(query).encode()
    request = Request(f"{served.api}/{what}", body, {"Content-Type": "application/json"})
    with urlopen(request, timeout=30) as answer:
        return json.load(answer)


def start(workshop: Workshop, config: Path) -> subprocess.Popen[bytes]:
    """Start `windrow run` in a process group of its own."""
    command = [sys.executable, "-m", "windrow.flows.commands.cli", "run", str(config), "--runner", "plain"]
    return subprocess.Popen(
        command,
        cwd=workshop.folder,
        env=workshop.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


@pytest.mark.parametrize("stage", ["features"])  # tests/faults kills at any point, without Prefect
def test_a_run_that_was_killed_goes_on_and_ends_with_the_same_bytes(
    workshop: Workshop, digests: Digests, stage: str
) -> None:
    store = workshop.folder / f"killed-{stage}"
    config = workshop.write_config(store.name)
    process = start(workshop, config)
    deadline = time.monotonic() + 200
    while not any((store / "outputs" / stage).glob("*/*")):
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert list_versions(store) == []
    assert [run.status for run in list_runs(store)] == ["killed"]
    ended = workshop.here("run", str(config))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "its process ended without a word" in ended.stdout
    assert digests(version_of(store)) == digests(version_of(workshop.store))


def test_a_report_that_fails_leaves_a_finished_run_with_a_warning(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(workshop.store, workshop.folder / "unreported")
    monkeypatch.setattr(page, "write_report", lambda *_: 1 / 0)
    ended = workshop.here("run", str(workshop.write_config("unreported")))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "report:  the report failed: ZeroDivisionError: division by zero" in ended.stdout
    sql = "SELECT status, error, warning FROM runs ORDER BY run_id"
    *_, row = open_catalog(workshop.folder / "unreported").sql(sql).fetchall()
    assert row == ("finished", None, "the report failed: ZeroDivisionError: division by zero")


def test_one_worker_gives_the_same_bytes_as_two(workshop: Workshop, digests: Digests) -> None:
    config = workshop.write_config("one-worker", executor={"n_workers": 1})
    ended = workshop.here("run", str(config))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert digests(version_of(workshop.folder / "one-worker")) == digests(version_of(workshop.store))


@pytest.mark.ray
@pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed: pip install 'windrow[ray]'")
def test_two_ray_actors_give_the_same_bytes_as_local_processes(workshop: Workshop, digests: Digests) -> None:
    config = workshop.write_config("on-ray", executor={"kind": "ray", "n_workers": 2})
    ended = workshop.windrow("run", str(config))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert digests(version_of(workshop.folder / "on-ray")) == digests(version_of(workshop.store))


def test_a_new_threshold_runs_the_ranking_again_and_nothing_before_it(workshop: Workshop) -> None:
    ended = workshop.here("run", str(workshop.config), "--set", "selection.target_size=40", "--set", "name=small")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    run = latest_run(workshop.store, "small")
    assert run is not None
    made = {record.stage for record in run.stages() if len(record.outputs) > record.n_found}
    assert made == {"rank", "worth", "export", "account", "pool"}
    small = {row[0] for row in open_catalog(workshop.store, run.run_id).sql("SELECT sample_id FROM curated").fetchall()}
    first = latest_run(workshop.store, "digits")
    assert first is not None
    large = open_catalog(workshop.store, first.run_id).sql("SELECT sample_id FROM curated ORDER BY rank").fetchall()
    assert small == {row[0] for row in large[:40]}

    again = workshop.here("run", str(workshop.config), "--set", "selection.target_size=30", "--set", "name=small")
    assert again.returncode == 0, again.stdout + again.stderr
    change = workshop.here("diff", "--store", str(workshop.store)).stdout  # of the last run's set
    assert "small: v0001 (40 samples) to v0002 (30)" in change
    assert [line.split("│")[2].strip() for line in change.splitlines() if "│" in line][:3] == ["0", "10", "0"]


def test_a_night_with_a_new_tar_reads_and_embeds_that_tar_only_and_publishes_a_version(workshop: Workshop) -> None:
    pool = workshop.folder / "growing-pool"
    pool.mkdir()
    first, second, *_ = sorted(workshop.pool.sources[0].glob("*.tar"))
    changes = {"selection": {"target_size": 50}, "executor": {"kind": "inline"}}
    config = workshop.write_config("growing", sources=[str(pool)], **changes)
    store = workshop.folder / "growing"
    for version, name in (("v0001", first), ("v0002", second)):
        shutil.copy(name, pool)
        ended = workshop.here("nightly", str(config), "-s", "gates.most_replaced=1")
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert ended.stdout.rstrip().endswith(f"digits {version}")
    run = latest_run(store)
    assert run is not None
    done = {record.stage: (len(record.outputs), record.n_found) for record in run.stages()}
    assert done["ingest"] == (2, 1)
    assert done["features"] == (2, 1)
    connection = open_catalog(store)
    fits = connection.sql("SELECT count(DISTINCT backbone_id) FROM embeddings").fetchall()
    assert fits == [(1,)]
    registered = connection.sql("SELECT count(*), max(sample_index) + 1 FROM registry").fetchall()
    assert registered[0][0] == registered[0][1]
