"""Disks that are really full, really read-only, and processes that end in the middle of a write."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from faults.conftest import Points
from faults.disturbance import Fault, curate_disturbed
from faults.small_pool import config_of
from faults.store_state import check_readers
from faults.undisturbed import Undisturbed, copy_backbone, ends_well_when_run_again

LARGEST_FILE = 40_000  # bytes, of an exported shard
BACKBONE, EVERYTHING = 450, 900  # KiB, of a store with nothing but a backbone and, nearly, of a whole one
MOUNTS = pytest.mark.skipif(
    not sys.platform.startswith("linux") or os.geteuid() != 0, reason="only root can mount a disk of a few KiB"
)


def limit_files(n_bytes: int, kill: bool) -> None:
    """In a child: no file may grow beyond `n_bytes`; what tries to is killed, or sees its write fail half-way."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL if kill else signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, n_bytes))


@pytest.mark.parametrize("kill", [True, False], ids=["killed", "failed"])
def test_a_write_that_is_cut_off_half_way(undisturbed: Undisturbed, points: Points, tmp_path: Path, kill: bool) -> None:
    n_bytes = points.draw(LARGEST_FILE)
    print(f"no file beyond {n_bytes} bytes")
    store = tmp_path / "store"
    copy_backbone(undisturbed, store)
    ended = curate_disturbed(config_of(undisturbed.pool, store), Fault("none"), partial(limit_files, n_bytes, kill))
    if kill:
        assert ended.code == -signal.SIGXFSZ
    else:
        assert isinstance(ended.error, OSError), ended
    ends_well_when_run_again(undisturbed, store)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 8 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount("-t", "tmpfs", "-o", "size=8k", "tmpfs", str(disk))
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def mount(*words: str) -> None:
    """Call mount; skip the test where it is not allowed, as in most containers."""
    done = subprocess.run(["mount", *words], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")


@MOUNTS
def test_a_disk_that_runs_full(undisturbed: Undisturbed, points: Points, small_disk: Path) -> None:
    n_kib = BACKBONE + points.draw(EVERYTHING - BACKBONE)
    print(f"a disk of {n_kib} KiB")
    mount("-o", f"remount,size={n_kib}k", str(small_disk))
    store = small_disk / "store"
    copy_backbone(undisturbed, store)
    ended = curate_disturbed(config_of(undisturbed.pool, store), Fault("none"))
    assert isinstance(ended.error, OSError), ended
    mount("-o", "remount,size=100m", str(small_disk))
    ends_well_when_run_again(undisturbed, store)


@MOUNTS
def test_a_disk_that_becomes_read_only_is_still_read(undisturbed: Undisturbed, small_disk: Path) -> None:
    mount("-o", "remount,size=100m", str(small_disk))
    store = small_disk / "store"
    assert curate_disturbed(config_of(undisturbed.pool, store), Fault("none")).code == 0
    mount("-o", "remount,ro", str(small_disk))
    ended = curate_disturbed(config_of(undisturbed.pool, store), Fault("none"))
    assert isinstance(ended.error, OSError)
    assert "Read-only file system" in str(ended.error)
    assert check_readers(store) == 1
    mount("-o", "remount,rw", str(small_disk))
    ends_well_when_run_again(undisturbed, store)
