"""One undisturbed run, to compare with; and the points at which the others are disturbed."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.disturbance import Fault, curate_disturbed
from faults.small_pool import config_of, write_pool
from faults.store_state import contents
from faults.undisturbed import Undisturbed
from made_once import made_once


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """Run the pipeline once without a fault."""
    folder = made_once(tmp_path_factory, "undisturbed", _curate)
    events = tuple(json.loads((folder / "events.json").read_text()))
    return Undisturbed(folder / "pool", folder / "store", contents(folder / "store"), events)


def _curate(folder: Path) -> None:
    ended = curate_disturbed(config_of(write_pool(folder / "pool"), folder / "store"), Fault("none"))
    assert ended.code == 0, ended.error
    (folder / "events.json").write_text(json.dumps(ended.events))


class Points:
    """Points of a run drawn at random: the n-th of N lies in the n-th N-th of the run."""

    def __init__(self, seed: int, name: str) -> None:
        self._random = random.Random(f"{seed} {name}")

    def draw(self, n_events: int, number: int = 0, of: int = 1) -> int:
        """Return the number of an event, from 1."""
        return 1 + int((number + self._random.random()) / of * n_events)


@pytest.fixture
def points(request: pytest.FixtureRequest) -> Iterator[Points]:
    """Points that depend on the seed and on the test's name; the seed is printed when the test fails."""
    seed = request.config.getoption("faults_seed")
    print(f"--faults-seed {seed}")
    yield Points(seed, request.node.name)
