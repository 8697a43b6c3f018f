"""A night that keeps what an earlier one said, killed while it does and run again, ends with the same bytes."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from faults.conftest import Points
from faults.disturbance import Fault, curate_disturbed
from faults.small_pool import config_of, write_new, write_pool
from faults.store_state import Contents, contents, left_behind

from windrow.schemas.stages import Part
from windrow.tasks.storage.store.outputs import all_outputs

KEEPING = ("outputs/predictions", "outputs/label_checks", "outputs/belonging", "outputs/worth")
N_KILLS = 2
EVERY_MAKER: dict[str, object] = {}  # as it is set by default


@dataclass(frozen=True)
class Night:
    """The store before a night with few new samples, the contents after it, and the numbers of the night's events in
    which it keeps what was said.
    """

    pool: Path
    before: Path
    contents: Contents
    keeping: tuple[int, ...]


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    """Run the first night and one after it, without a fault."""
    folder = tmp_path_factory.mktemp("night")
    pool, before, after = write_pool(folder / "pool"), folder / "before", folder / "after"
    assert curate_disturbed(config_of(pool, before, labels=EVERY_MAKER), Fault("none"), attended=False).code == 0
    shutil.copytree(before, after)
    write_new(pool)
    ended = curate_disturbed(config_of(pool, after, labels=EVERY_MAKER), Fault("none"), attended=False)
    assert ended.code == 0, ended.error
    kept = [output for output in all_outputs(after, Part.PREDICTIONS) if output.inputs.get("keeps")]
    assert {output.inputs["maker"] for output in kept} == {"propagation", "smoothed", "smoothed_probe"}
    keeping = tuple(n for n, event in enumerate(ended.events, 1) if any(part in event for part in KEEPING))
    return Night(pool, before, contents(after), keeping)


@pytest.mark.parametrize("kill", range(N_KILLS))
def test_killed_while_it_keeps_and_run_again(night: Night, points: Points, tmp_path: Path, kill: int) -> None:
    at = night.keeping[points.draw(len(night.keeping), kill, N_KILLS) - 1]
    config = config_of(night.pool, tmp_path / "store", labels=EVERY_MAKER)
    shutil.copytree(night.before, tmp_path / "store")
    assert curate_disturbed(config, Fault("kill", at), attended=False).code == -9
    again = curate_disturbed(config, Fault("none"), attended=False)
    assert again.code == 0, again.error
    assert contents(tmp_path / "store") == night.contents
    assert left_behind(tmp_path / "store") == []
