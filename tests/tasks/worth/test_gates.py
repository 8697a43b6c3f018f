"""What a night must not publish without being asked is kept back, with the reason; `windrow run` publishes it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from inline_run import curate_inline
from small_pool import SmallPool, make_small_pool

from windrow.schemas.clusters import DRIFT
from windrow.schemas.stages import Stage
from windrow.tasks.config import CurationConfig, parse_config
from windrow.tasks.executors import ExecutorConfig
from windrow.tasks.pipeline import Curated, curate_tonight
from windrow.tasks.runner import PlainRunner
from windrow.tasks.storage.catalog.views import open_catalog
from windrow.tasks.storage.store.made import Made
from windrow.tasks.storage.store.outputs import OutputWriter, make_output
from windrow.tasks.storage.store.run_records import Run, list_runs
from windrow.tasks.worth.gates import READ, held_at_gates
from windrow.tasks.worth.gates_config import GatesConfig


class Night(PlainRunner):
    """Remembers what it was told."""

    def __init__(self) -> None:
        super().__init__(n_threads=1, delays=())
        self.said: list[str] = []
        self.what: dict[str, Any] = {}

    def say(self, text: str) -> None:
        self.said.append(text)

    def announce(self, name: str, what: Any, is_new: bool) -> None:  # noqa: ARG002
        self.what = dict(what)


def tonight(config: CurationConfig, **changes: Any) -> tuple[Curated, Night]:
    """A night of the config with some sections changed."""
    night = Night()
    return curate_tonight(changed(config, **changes), night), night


def changed(config: CurationConfig, **changes: Any) -> CurationConfig:
    for name, values in changes.items():
        config = replace(config, **{name: replace(getattr(config, name), **values)})
    return config


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[SmallPool]:
    """A pool with a version of 12 samples."""
    made = make_small_pool(tmp_path)
    made = replace(made, config=replace(made.config, executor=ExecutorConfig("inline")))
    _, night = tonight(made.config)
    assert night.said[-3:] == [
        "came: 13 new samples; the pool has 13",
        "changed: v0001 is the first version, of 12 samples",
        "to look at: nothing",
    ]
    yield made


def test_a_night_that_would_replace_too_much_keeps_the_last_version_and_a_run_publishes_it(pool: SmallPool) -> None:
    small = {"selection": {"target_size": 5}}
    curated, night = tonight(pool.config, **small)
    why = "7 of the 12 samples of v0001 are not in it (58%), more than gates.most_replaced (0.5) allows"
    assert curated.kept_back == f"{why}. If that is meant, `windrow run` publishes it"
    assert curated.version is not None and curated.version.version == "v0001"
    assert night.said[-2:] == ["changed: nothing; v0001 stays", f"to look at: {curated.kept_back}"]
    assert night.what["kept_back"] == curated.kept_back
    reasons = open_catalog(pool.store).sql("SELECT DISTINCT reason FROM outcomes WHERE outcome = 'not_published'")
    assert reasons.fetchall() == [(curated.kept_back,)]
    curate_inline(changed(pool.config, **small))
    after, night = tonight(pool.config, **small)
    assert after.version is not None and after.version.version == "v0002"
    assert after.kept_back is None
    assert night.said[-3:] == [
        "came: 0 new samples; the pool has 13",
        "changed: nothing; v0002 stays",
        "to look at: nothing",
    ]


def test_as_much_as_a_gate_allows_may_change_and_is_counted(pool: SmallPool) -> None:
    curated, night = tonight(pool.config, selection={"target_size": 6})
    assert curated.kept_back is None
    assert night.said[-2].startswith("changed: v0002, 6 samples: 0 came in, 6 went out, ")
    assert night.what["summary"] == night.said[-3:]


def test_a_class_that_is_lost_is_named(pool: SmallPool) -> None:
    rule = {"name": "no ones", "keep": "label IS DISTINCT FROM '1'"}
    values = {"selection": {"target_size": 100, "near_duplicate_threshold": 0.95, "filters": [rule]}}
    filtered = parse_config({"sources": ["x"], **values}).selection
    gates = {"most_replaced": 1.0}
    curated, _ = tonight(replace(pool.config, selection=filtered), gates=gates)
    assert curated.kept_back is not None
    assert curated.kept_back.startswith("it has no sample of '1' any more (gates.keep_classes). If that is meant")
    curated, _ = tonight(replace(pool.config, selection=filtered), gates={**gates, "keep_classes": False})
    assert curated.kept_back is None
    assert curated.is_new


def with_drift(store: Path, run: Run, share_far: float) -> Made:
    """What a run made, but that its new samples lie otherwise."""
    row = {"refitted": False, "reasons": "", "n_new": 200, "mean_distance": 1.0, "expected_distance": 1.0}
    row |= {"share_far": share_far, "n_new_regions": 0, "share_unchanged": None}

    def write(writer: OutputWriter) -> None:
        writer.write(DRIFT, DRIFT.build({name: [value] for name, value in row.items()}))

    drifted = make_output(store, Stage.CLUSTER, 99, {"share_far": share_far}, write)
    made = {stage: tuple(str(output.path.relative_to(store)) for output in run.outputs(stage)) for stage in READ}
    return Made(cluster=(drifted.path,), **{str(stage): paths for stage, paths in made.items()})


def test_new_samples_that_lie_far_from_all_clusters_are_held_when_that_is_asked_for(pool: SmallPool) -> None:
    (run,) = list_runs(pool.store)
    gates = GatesConfig(most_unlike=0.3)
    assert held_at_gates(pool.store, "small", with_drift(pool.store, run, 0.3), "pseudo", gates) is None
    far = with_drift(pool.store, run, 0.304)
    assert held_at_gates(pool.store, "small", far, "pseudo", GatesConfig()) is None
    why = "30% of the 200 new samples lie far from all clusters, more than gates.most_unlike (0.3) allows"
    assert (
        held_at_gates(pool.store, "small", far, "pseudo", gates)
        == f"{why}. If that is meant, `windrow run` publishes it"
    )
    assert held_at_gates(pool.store, "another", far, "pseudo", gates) is None
