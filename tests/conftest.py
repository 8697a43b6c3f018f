"""The demo's pool, curated once with the real command: a store that the tests of the command line read."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

# Before any library starts its threads: those that wait for work sleep. By default they spin, those of OpenBLAS for
# tens of milliseconds after every product of matrices, which is most of the processor time of small ones.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")

from made_once import made_once
from prefect_server import prefect_server
from small_pool import SmallPool, curate_small, make_small_pool, small_pool
from workshop import Workshop

from windrow.flows.demo.demo_pool import make_demo_pool

# Where it is set, each of the many processes that the tests start compiles the package anew, for half a second.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Say how many random faults the tests in faults/ try, and from which seed they are drawn."""
    parser.addoption("--faults", type=int, default=6, metavar="N", help="points at which runs are disturbed")
    seed = int.from_bytes(os.urandom(3), "big")
    parser.addoption("--faults-seed", type=int, default=seed, metavar="SEED", help="draw the same points again")


def pytest_report_header(config: pytest.Config) -> str:
    """Print the seed, so that a failure can be had again."""
    return f"faults: {config.getoption('faults')}, drawn with --faults-seed {config.getoption('faults_seed')}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests beside this file first: at the end, those of the docs would keep all other processes waiting."""
    items.sort(key=lambda item: item.path.parent != Path(__file__).parent)


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """The demo's pool, and a store of what `windrow run` made of it, which is a copy for each process of tests."""
    demo = made_once(tmp_path_factory, "demo", _curate)
    folder = tmp_path_factory.mktemp("workshop")
    shutil.copytree(demo / "store", folder / "store")
    made = _workshop(demo, folder)
    made.write_config("store")
    return made


def _curate(demo: Path) -> None:
    made = _workshop(demo, demo)
    ended = made.windrow("run", str(made.write_config("store")))
    assert ended.returncode == 0, ended.stdout + ended.stderr


def _workshop(demo: Path, folder: Path) -> Workshop:
    return Workshop(folder, make_demo_pool(demo / "pool"), folder / "store.yaml", folder / "store")


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> SmallPool:
    """A small pool, and a store with a version of it: for all processes of tests: to read, and to copy."""
    return small_pool(made_once(tmp_path_factory, "small", lambda folder: curate_small(make_small_pool(folder).config)))


@pytest.fixture(scope="module")
def served(workshop: Workshop) -> Iterator[Workshop]:
    """The workshop with a server of Prefect's, which is busy even when nobody asks it."""
    with prefect_server(workshop.folder / "prefect-server", services=True) as api:
        yield replace(workshop, api=api)


@pytest.fixture(scope="session")
def digests() -> Callable[[Path], Mapping[str, str]]:
    """Return a function that hashes every file below a folder."""

    def hashed(folder: Path) -> dict[str, str]:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    return hashed
