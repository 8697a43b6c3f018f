"""What is lost with its whole folder is missed by what still names it; what the tool itself took away is not."""

import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from verified_store import change_json, named, version_of

from windrow.tasks.storage.files.signs_of_life import ALIVE
from windrow.tasks.storage.store.run_records import JOURNAL, RUN, latest_run, start_run
from windrow.tasks.storage.verify.verification import verify
from windrow.tasks.takedown import removal as takedown


@pytest.fixture
def run_id(store: Path) -> str:
    run = latest_run(store)
    assert run is not None
    return run.run_id


LOST = {
    "runs": "runs/{run_id}",
    "runs/{run_id}": "runs/{run_id}",
    "runs/{run_id}/stages": "runs/{run_id}/stages/rank.json",
    "curated": "curated/small/v0001",
    "curated/small": "curated/small/v0001",
    "curated/small/v0001": "curated/small/v0001",
    "outputs": "runs/{run_id}/stages/features.json",
    "outputs/rank": "runs/{run_id}/stages/rank.json",
    "registry": "curated/small/v0001/samples.parquet",
    JOURNAL: JOURNAL + "/{run_id}.json",
}


@pytest.mark.parametrize("folder", LOST)
def test_a_folder_that_is_gone_is_missed(store: Path, run_id: str, folder: str) -> None:
    assert verify(store, quick=True).damage == ()
    shutil.rmtree(store / folder.format(run_id=run_id))
    assert LOST[folder].format(run_id=run_id) in named(verify(store, quick=True))


def test_a_version_that_is_gone_is_missed_by_a_later_one(store: Path) -> None:
    later = shutil.copytree(version_of(store), version_of(store).with_name("v0003"))
    change_json(later / "manifest.json", lambda manifest: manifest.update(version="v0003"))
    (damage,) = verify(store, quick=True).damage
    assert (damage.path, damage.reason) == ("curated/small/v0002", "is missing, though it was published")


def test_a_run_that_began_but_was_killed_before_it_was_entered_is_no_damage(store: Path) -> None:
    one, other = start_run(store, "small", {}), start_run(store, "small", {})
    for run in (one, other):
        (store / JOURNAL / f"{run.run_id}.json").unlink()
    (other.path / RUN).unlink()
    assert (other.path / ALIVE).exists()
    assert verify(store, quick=True).damage == ()


@pytest.fixture
def taken(store: Path) -> str:
    """Forget a sample of the version; return the take-down."""
    sample_id = pq.read_table(version_of(store) / "samples.parquet")["sample_id"][0].as_py()
    manifest = takedown.forget(store, [{"sample_id": sample_id, "because_of": sample_id, "similarity": None}], None)
    assert [version["version"] for version in manifest["versions"]] == ["v0001"]
    assert manifest["runs"]
    return str(manifest["takedown"])


LOST_AFTER_A_TAKEDOWN = {
    "takedowns": "takedowns/{taken}.json",
    "forgotten": "forgotten",
    "curated/small/v0001": "curated/small/v0001",
}


@pytest.mark.parametrize("folder", LOST_AFTER_A_TAKEDOWN)
def test_what_a_takedown_took_is_not_missed_but_what_it_left_is(store: Path, taken: str, folder: str) -> None:
    assert verify(store).damage == ()
    shutil.rmtree(store / folder)
    assert LOST_AFTER_A_TAKEDOWN[folder].format(taken=taken) in named(verify(store))


def test_a_version_that_names_a_lost_takedown_misses_it(store: Path, taken: str) -> None:
    shutil.rmtree(store / "takedowns")
    shutil.rmtree(store / "forgotten")
    assert f"takedowns/{taken}.json" in named(verify(store))
