"""What a run makes of the pool when nothing happens, and the demand that any disturbed one comes to the same."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from faults.disturbance import Fault, curate_disturbed
from faults.small_pool import config_of
from faults.store_state import Contents, check_readers, contents, finished_outputs, left_behind

from windrow.tasks.storage.store.run_records import list_runs
from windrow.tasks.storage.store.store_format import FORMAT_FILE


@dataclass(frozen=True)
class Undisturbed:
    """The pool, the store after a run without a fault, its contents, and the run's events."""

    pool: Path
    store: Path
    contents: Contents
    events: tuple[str, ...]


def copy_backbone(undisturbed: Undisturbed, store: Path) -> None:
    """Put the fitted backbone into a new store: the one large file, and early, it would meet every limit first."""
    shutil.copytree(undisturbed.store / "outputs" / "fit_backbone", store / "outputs" / "fit_backbone")
    shutil.copyfile(undisturbed.store / FORMAT_FILE, store / FORMAT_FILE)


def ends_well_when_run_again(undisturbed: Undisturbed, store: Path) -> None:
    """Look at a disturbed store as a reader, run the same again without a fault, and compare."""
    check_readers(store)
    finished = finished_outputs(store)
    again = curate_disturbed(config_of(undisturbed.pool, store), Fault("none"))
    assert again.code == 0, again.error
    assert contents(store) == undisturbed.contents
    assert check_readers(store) >= 1
    assert finished_outputs(store).items() >= finished.items(), "what was finished was made again"
    assert left_behind(store) == []
    assert "running" not in {run.status for run in list_runs(store)}
