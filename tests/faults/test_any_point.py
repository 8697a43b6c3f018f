"""Killed, or failed, at any point: nothing partial is seen, and the same run again ends with the same bytes.

`pytest tests/faults --faults 500` tries more points than the default, and `--faults-seed` the same ones again.
"""

from collections import Counter
from pathlib import Path
from typing import get_args

import pytest
from faults.conftest import Points
from faults.disturbance import Fault, Kind, curate_disturbed
from faults.small_pool import config_of
from faults.store_state import contents, left_behind
from faults.undisturbed import Undisturbed, ends_well_when_run_again

FAILURES: tuple[Kind, ...] = tuple(kind for kind in get_args(Kind) if kind not in ("none", "kill", "pause"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Half of the points are for kills, half for failures."""
    n = metafunc.config.getoption("faults")
    if "kill" in metafunc.fixturenames:
        metafunc.parametrize("kill", range(-(-n // 2)))
    if "failure" in metafunc.fixturenames:
        metafunc.parametrize("failure", range(n // 2))


def kinds_of(events: tuple[str, ...]) -> Counter[str]:
    """Count the events of each kind: a folder's files are listed in no order that could be relied on."""
    return Counter(event.split()[0] for event in events)


def test_every_run_has_the_same_events(undisturbed: Undisturbed, tmp_path: Path) -> None:
    ended = curate_disturbed(config_of(undisturbed.pool, tmp_path / "store"), Fault("none"))
    assert kinds_of(ended.events) == kinds_of(undisturbed.events)
    assert contents(tmp_path / "store") == undisturbed.contents


def test_killed_at_any_point_and_run_again(
    undisturbed: Undisturbed, points: Points, tmp_path: Path, kill: int, request: pytest.FixtureRequest
) -> None:
    n = len(undisturbed.events)
    at = points.draw(n, kill, -(-request.config.getoption("faults") // 2))
    print(f"killed at event {at} of {n}: {undisturbed.events[at - 1]}")
    store = tmp_path / "store"
    assert curate_disturbed(config_of(undisturbed.pool, store), Fault("kill", at)).code == -9
    ends_well_when_run_again(undisturbed, store)


def test_failed_at_any_point_and_run_again(
    undisturbed: Undisturbed, points: Points, tmp_path: Path, failure: int, request: pytest.FixtureRequest
) -> None:
    n = len(undisturbed.events)
    at = points.draw(n, failure, request.config.getoption("faults") // 2)
    kind = FAILURES[failure % len(FAILURES)]
    print(f"{kind} at event {at} of {n}: {undisturbed.events[at - 1]}")
    store = tmp_path / "store"
    ended = curate_disturbed(config_of(undisturbed.pool, store), Fault(kind, at))
    assert ended.code == 0 or isinstance(ended.error, OSError), ended
    if kind == "full disk":
        # it can still remove; rounds of a clustering are meant to stay, so that the next run goes on from them
        assert [path for path in left_behind(store) if not Path(path).name.startswith(".work-")] == []
    ends_well_when_run_again(undisturbed, store)
