"""Where the k-NN graph is approximate, near-duplicates are found without it, and the run says from how many pairs."""

import re
from pathlib import Path

from small_pool import curate_small, make_small_pool

from windrow.schemas import SELECTION
from windrow.schemas.stages import Stage
from windrow.tasks.stage_lines import stage_line
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
