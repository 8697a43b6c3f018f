"""What people copy into a store by hand, or what a disk made of a record, stops no reader and is told."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from windrow.tasks.export.publication import _next_version
from windrow.tasks.storage.catalog.views import open_catalog
from windrow.tasks.storage.files.left_out import leave_out
from windrow.tasks.storage.published.versions import latest_version, list_versions
from windrow.tasks.storage.store.run_records import latest_run, list_runs
from windrow.tasks.storage.verify.verification import verify

VERSION = "curated/small/v0001"


def copy(of: str, to: str) -> Callable[[Path], None]:
    """Copy the one file or folder that fits, to a name beside it, or below the store where it begins with a letter."""

    def put(store: Path) -> None:
        (path,) = [each for each in sorted(store.glob(of)) if not each.name.startswith(".")][:1]
        target = store / to.format(name=path.name) if "/" in to else path.with_name(to.format(name=path.name))
        shutil.copytree(path, target) if path.is_dir() else shutil.copy(path, target)

    return put


def linked(store: Path) -> None:
    (store / "curated/small/v0002").symlink_to("v0001")


def spoilt(name: str, text: str) -> Callable[[Path], None]:
    """Copy the version and spoil a file of the copy."""

    def put(store: Path) -> None:
        folder = store / "curated/small/v0002"
        shutil.copytree(store / VERSION, folder)
        (folder / name).unlink(missing_ok=True)
        (folder / name).write_text(text)

    return put


COPIES = {
    "another number": copy(VERSION, "v0005"),
    "a copy": copy(VERSION, "v0001 (copy)"),
    "a backup": copy(VERSION, "v0001.bak"),
    "another set": copy(VERSION, "curated/other/v0001"),
    "a copy of the set": copy("curated/small", "curated/small copy"),
    "inside": copy(VERSION, VERSION + "/v0001"),
    "a link": linked,
    "no JSON": spoilt("manifest.json", "{"),
    "nothing": spoilt("manifest.json", ""),
    "a list": spoilt("manifest.json", "[]"),
    "another manifest": spoilt("manifest.json", '{"name": "small"}'),
    "no text": spoilt("manifest.json", "\x00\x00"),
    "a run": copy("runs/*", "{name}-copy"),
    "a run's backup": copy("runs/*", "00000009-backup"),
    "a run's record": copy("runs/*/run.json", "run (copy).json"),
    "the registry": copy("registry/*.parquet", "000000000000 (copy).parquet"),
    "an output": copy("outputs/rank/*/*", "{name} copy"),
}


@pytest.mark.parametrize("kind", COPIES)
def test_a_copy_made_by_hand_changes_no_answer_and_is_told(store: Path, kind: str) -> None:
    asked = "SELECT (SELECT count(*) FROM pool), (SELECT list(path) FROM exports), (SELECT list(run_id) FROM runs)"
    before = open_catalog(store).sql(asked).fetchall()
    version, run = latest_version(store, "small"), latest_run(store)
    COPIES[kind](store)
    leave_out.cache_clear()
    assert open_catalog(store).sql(asked).fetchall() == before
    assert (latest_version(store, "small"), latest_run(store)) == (version, run)
    assert len(list_versions(store)) == 1
    assert verify(store).damage
    assert not (store / "curated/small" / _next_version(store / "curated/small")).exists()


def test_a_record_that_a_disk_spoilt_is_left_out_and_told(store: Path, caplog: pytest.LogCaptureFixture) -> None:
    (run,) = list_runs(store)
    shutil.copytree(run.path, store / "runs" / run.run_id.replace("00000001", "00000002", 1))
    record = store / "runs" / run.run_id.replace("00000001", "00000002", 1) / "run.json"
    for text in ("", "{", "[]", '{"run_id": "x"}'):
        record.unlink()
        record.write_text(text)
        leave_out.cache_clear()
        caplog.clear()
        assert list_runs(store) == [run]
        assert str(record) in caplog.text
