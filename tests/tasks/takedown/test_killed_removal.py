"""A take-down that is killed anywhere is finished by doing it again."""

import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

from small_pool import SmallPool
from taken_down import copied, forget_again, state

from windrow.tasks.takedown.removal import unfinished

KILLS = 4
FILE_EVENTS = {"open", "os.rename", "os.remove", "os.rmdir", "os.link", "os.mkdir", "os.chmod", "shutil.rmtree"}


def forget_in_child(pool: SmallPool, kill_at: int) -> list[str]:
    """Forget in a process that is killed at its n-th file event in the store; return the events of one that is not."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        seen: list[str] = []

        def note(event: str, args: tuple[Any, ...]) -> None:
            if event in FILE_EVENTS and args and str(args[0]).startswith(str(pool.store)):
                seen.append(event)
                if len(seen) == kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(note)
        forget_again(pool)
        os.write(writing, " ".join(seen).encode())
        os._exit(0)
    os.close(writing)
    _, status = os.waitpid(child, 0)
    with os.fdopen(reading) as file:
        text = file.read()
    assert os.WIFEXITED(status) or os.WTERMSIG(status) == signal.SIGKILL
    return text.split()


def test_killed_at_any_point_the_same_command_ends_in_the_same_state(curated: SmallPool, tmp_path: Path) -> None:
    whole = copied(curated, tmp_path / "whole")
    events = forget_in_child(whole, kill_at=0)
    wanted = state(whole.store)
    # Every point takes minutes: some all over, and the first renames, which publish, withdraw, and replace a shard.
    renames = [number for number, event in enumerate(events, start=1) if event == "os.rename"]
    points = {*range(1, len(events), len(events) // KILLS), *renames[:8]}
    n_unfinished = 0
    for kill_at in sorted(points):
        killed = copied(curated, tmp_path / f"killed-{kill_at}")
        assert forget_in_child(killed, kill_at) == []
        n_unfinished += bool(unfinished(killed.store))
        forget_again(killed)
        assert state(killed.store) == wanted, f"killed at {events[kill_at - 1]}, event {kill_at} of {len(events)}"
        shutil.rmtree(killed.store)
    assert n_unfinished > len(points) // 2
