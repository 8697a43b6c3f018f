"""Two runs over one store share the work: of two that make the same output the first rename wins, the other finds it.

Nobody waits, and both end well with one version.
"""

from pathlib import Path

import pytest
from faults.conftest import Points
from faults.disturbance import Disturbed, Fault, curate_disturbed
from faults.small_pool import config_of
from faults.store_state import check_readers, contents, finished_outputs, left_behind
from faults.undisturbed import Undisturbed

N_PAUSES = 2


def test_two_started_together(undisturbed: Undisturbed, tmp_path: Path) -> None:
    store = tmp_path / "store"
    config = config_of(undisturbed.pool, store)
    both = [Disturbed(config, Fault("pause", 1)) for _ in range(2)]
    for run in both:
        run.wait_until_paused()
    for run in both:
        run.go_on()
    n_looks = 0
    while any(run.running() for run in both):
        check_readers(store)
        n_looks += 1
    assert n_looks > 1
    for run in both:
        ended = run.end()
        assert ended.code == 0, ended.error
    ended_well(undisturbed, store)


@pytest.mark.parametrize("pause", range(N_PAUSES))
def test_one_stops_anywhere_while_the_other_runs_from_start_to_end(
    undisturbed: Undisturbed, points: Points, tmp_path: Path, pause: int
) -> None:
    at = points.draw(len(undisturbed.events), pause, N_PAUSES)
    print(f"stopped at event {at}: {undisturbed.events[at - 1]}")
    one_passes_the_other(undisturbed, tmp_path / "store", at)


@pytest.mark.parametrize("place", ["/outputs/ingest", "/registry", "/curated/tiny"])
def test_a_directory_that_the_other_sweeps_before_it_is_locked_is_made_again(
    undisturbed: Undisturbed, tmp_path: Path, place: str
) -> None:
    locks = [n for n, event in enumerate(undisturbed.events, start=1) if event.startswith("fcntl.flock")]
    at = next(n for n in locks if undisturbed.events[n - 2].startswith(f"open {place}"))
    one_passes_the_other(undisturbed, tmp_path / "store", at)


def one_passes_the_other(undisturbed: Undisturbed, store: Path, at: int) -> None:
    """Stop a run at an event, run another whole, and let the first go on."""
    config = config_of(undisturbed.pool, store)
    slow = Disturbed(config, Fault("pause", at))
    slow.wait_until_paused()
    quick = curate_disturbed(config, Fault("none"))
    assert quick.code == 0, quick.error
    assert check_readers(store) >= 1
    finished = finished_outputs(store)
    slow.go_on()
    ended = slow.end()
    assert ended.code == 0, ended.error
    assert finished_outputs(store) == finished
    ended_well(undisturbed, store)


def ended_well(undisturbed: Undisturbed, store: Path) -> None:
    """Both runs are finished, and there is what one of them would have made."""
    assert check_readers(store) == 2
    assert contents(store) == undisturbed.contents
    assert left_behind(store) == []
