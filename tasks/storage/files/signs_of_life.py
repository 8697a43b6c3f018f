"""Is the process of a run still there? It holds a lock on the run's file `alive`, and touches it every few seconds.

The lock (flock) ends with its process, however that ends, also when the machine goes down. Where the lock is free, and
this is the machine (the same boot, with the same mounts: not another container) that the run was started on, the
process is gone. Seen from anywhere else a free lock proves nothing, as some network file systems and FUSE mounts do not
share locks; there a run is taken for gone once it has not touched its file for LEASE seconds. So a run of another
machine is wrongly taken for gone only when locks are not shared, and its process was stopped, or the clocks of the two
differ, by more than that; and only until it goes on, as nothing of this is written down.
"""

from __future__ import annotations

import fcntl
import os
import platform
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TextIO

ALIVE = "alive"
BEAT = 15.0
LEASE = 300.0


class SignsOfLife:
    """What a run that is at work gives, in a folder that no other run has, until `end` or the end of the process."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / ALIVE
        self._file: TextIO = self._path.open("w")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self._file.write(f"{_machine()}\n")
        self._file.flush()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="signs of life", daemon=True)
        self._thread.start()

    def _beat(self) -> None:
        while not self._ended.wait(BEAT):
            with suppress(OSError):  # a disk that fails for a while
                os.utime(self._file.fileno())

    def end(self) -> None:
        """Give no more; the file goes."""
        self._ended.set()
        self._thread.join()
        self._path.unlink(missing_ok=True)
        self._file.close()


def is_gone(folder: Path) -> bool:
    """Say whether the process that gave signs of life in a folder is gone, as far as can be told from here."""
    path = folder / ALIVE
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            is_ours = file.read().strip() == _machine().encode()
        return is_ours or time.time() - path.stat().st_mtime > LEASE
    except FileNotFoundError:
        return True
    except OSError:  # the lock is held, or the file may not be read, or there are no locks here
        return False


def _machine() -> str:
    """Name this boot, and the mounts that this process sees; the host where the system tells neither."""
    try:
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {Path('/proc/self/ns/mnt').readlink()}"
    except OSError:
        return platform.node()
