"""Where the k-NN graph is approximate, near-duplicates are found without it, and the run says from how many pairs."""

import re
import shutil
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from small_pool import SIDE, curate_small, make_small_pool, png, stripes

from windrow.schemas import EMBEDDINGS, SELECTION
from windrow.schemas.stages import Stage
from windrow.tasks.selection import kept_before, pool_ranking
from windrow.tasks.selection.kept_before import known_far
from windrow.tasks.stage_lines import stage_line
from windrow.tasks.steps import ranking_steps
from windrow.tasks.storage.files.whole_columns import whole
from windrow.tasks.storage.store.outputs import Output
from windrow.tasks.storage.store.run_records import Run


def dropped(run: Run) -> dict[str, str]:
    rows = run.outputs(Stage.RANK)[0].read(SELECTION).to_pylist()
    return {row["sample_id"]: row["duplicate_of"] for row in rows if row["dropped_by"] == "near_duplicate"}


def test_without_an_exact_graph_a_run_drops_the_same_and_says_how_many_pairs_were_compared(tmp_path: Path) -> None:
    found = {}
    for method in ("exact", "approximate"):
        folder = tmp_path / method
        folder.mkdir()
        run, _ = curate_small(make_small_pool(folder, neighbors={"method": method}).config)
        (record,) = (stage for stage in run.stages() if stage.stage == Stage.RANK)
        found[method] = dropped(run), stage_line(record)
    assert found["exact"][0] == found["approximate"][0] != {}
    assert "compared" not in found["exact"][1]
    assert re.search(r"; near-duplicates: \d+ of 78 pairs compared \(\d+", found["approximate"][1])


@pytest.mark.parametrize(("threshold", "goes_on"), [(0.95, True), (0.98, True), (0.8, False)])
def test_a_night_does_not_compare_again_what_the_last_one_kept_and_ranks_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threshold: float, goes_on: bool
) -> None:
    pool = make_small_pool(tmp_path, neighbors={"method": "approximate"})
    first, _ = curate_small(pool.config)
    again = shutil.copytree(pool.store, tmp_path / "again")
    grown = pool.with_source("more", png(np.clip(stripes(3) + np.eye(SIDE)[:, :, None], 0, 255)))
    selection = replace(grown.config.selection, near_duplicate_threshold=threshold)
    config = replace(grown.config, selection=selection)
    found, known = [], []

    def noted(*args: object) -> np.ndarray:
        known.append(known_far(*args))
        return known[-1]

    monkeypatch.setattr(pool_ranking, "known_far", noted)
    for store, forgets in ((pool.store, False), (again, True)):
        if forgets:
            monkeypatch.setattr(ranking_steps, "ranked_before", lambda *_: None)
        run, _ = curate_small(replace(config, store=str(store)))
        found.append(run.outputs(Stage.RANK)[0].read(SELECTION))
    assert found[0].equals(found[1])
    assert len(dropped(first)) < pc.sum(pc.equal(found[0]["dropped_by"], "near_duplicate")).as_py() or threshold != 0.95
    assert [each.sum() for each in known] == [13 - len(dropped(first)) if goes_on else 0, 0]


def test_what_is_known_is_nothing_where_a_correction_came_or_embeddings_are_others(tmp_path: Path) -> None:
    pool = make_small_pool(tmp_path, neighbors={"method": "approximate"})
    run, _ = curate_small(pool.config)
    before, features = ranking_steps.ranked_before(run.store, run.name), run.outputs(Stage.FEATURES)
    table = run.outputs(Stage.RANK)[0].read(SELECTION)
    ids, kept = whole(table["sample_id"]), np.flatnonzero(pc.is_null(table["dropped_by"]))
    none = np.empty((0, 2), np.int64)

    def far(outputs: list[Output], by_hand: list[Output], threshold: float, apart: np.ndarray) -> list[int]:
        return np.flatnonzero(known_far(run.store, before, outputs, by_hand, ids, threshold, apart)).tolist()

    assert far(features, [], 0.95, none) == kept.tolist()
    assert far(features, [], 0.99, none) == kept.tolist()
    lies_again = features[0].read(EMBEDDINGS, ["sample_id"])["sample_id"].to_pylist()
    assert 0 < len(lies_again) < len(ids)
    before = replace(before, features=before.features[1:])
    assert far(features, [], 0.95, none) == [row for row in kept.tolist() if ids[row].as_py() not in lies_again]
    before = replace(before, features=(before.features[0], "outputs/features/gone"))
    assert far(features, [], 0.95, none) == []
    before = ranking_steps.ranked_before(run.store, run.name)
    assert far(features, [], 0.95, kept[None, :2]) == kept[2:].tolist()
    assert (
        far(features, [], 0.94, none)
        == far(features[::-1], [], 0.95, none)
        == far(features, features, 0.95, none)
        == []
    )
    later = [*features[:1], replace(features[1], finished_at=features[1].finished_at + 1e6)]
    assert far(later, [], 0.95, none) == []
    assert known_far(run.store, None, features, [], ids, 0.95, none).tolist() == [False] * len(ids)


def test_a_night_after_a_run_of_an_older_version_or_whose_ranking_is_damaged_compares_all(tmp_path: Path) -> None:
    pool = make_small_pool(tmp_path, neighbors={"method": "approximate"})
    run, _ = curate_small(pool.config)
    before, ids = ranking_steps.ranked_before(run.store, run.name), pa.array(["a"])
    replace(run, code_version="0.0.1").save()
    assert ranking_steps.ranked_before(run.store, run.name) is None
    run.save()
    assert ranking_steps.ranked_before(run.store, run.name) == before
    selection = run.outputs(Stage.RANK)[0].table_path(SELECTION)
    selection.write_bytes(selection.read_bytes()[:-40])
    found = known_far(run.store, before, run.outputs(Stage.FEATURES), [], ids, 0.95, np.empty((0, 2), np.int64))
    assert found.tolist() == [False]
    with patch.object(kept_before, "THRESHOLD", EMBEDDINGS):
        assert ranking_steps.ranked_before(run.store, run.name) is None
