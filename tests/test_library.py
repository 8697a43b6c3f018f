"""`import windrow`: light, every name there with an example that holds, and the same code by whatever way."""

import doctest
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
from workshop import Workshop

import windrow
from windrow import PLACES

ROOT = Path(__file__).parent.parent


def python(program: str, cwd: Path = ROOT, **environment: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def needed(name: str) -> str:
    """The module of a name."""
    if find_spec(PLACES[name]) is None:
        pytest.skip(f"{PLACES[name]} is not written yet")
    return PLACES[name]


def test_importing_it_loads_nothing_and_costs_less_than_50_ms() -> None:
    program = """
import sys, time
before = set(sys.modules)
started = time.process_time()
import windrow
seconds = time.process_time() - started
heavy = {name.split(".")[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)
print(seconds, *heavy)
"""
    told = [python(program).split() for _ in range(3)]
    assert {tuple(heavy) for _, *heavy in told} == {("windrow",)}
    assert min(float(seconds) for seconds, *_ in told) < 0.05


def test_what_it_lists_is_what_it_has() -> None:
    assert {*windrow.__all__} == {*PLACES, "__version__"} <= {*dir(windrow)}
    with pytest.raises(AttributeError, match="module 'windrow' has no attribute 'curat'"):
        _ = windrow.curat


@pytest.fixture(scope="module")
def folder(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder as the examples have it: windrow.yaml, and the store that it made in data/store."""
    made = tmp_path_factory.mktemp("examples")
    shutil.copytree(workshop.store, made / "data" / "store")  # an example may add a run to it
    config = workshop.config.read_text()
    (made / "windrow.yaml").write_text(config.replace(str(workshop.store), "data/store"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made)
        yield made


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.usefixtures("folder")
def test_every_name_has_an_example_that_holds(name: str) -> None:
    module = import_module(needed(name))
    assert getattr(windrow, name) is getattr(module, name)
    found = doctest.DocTestFinder().find(getattr(windrow, name), name, globs={})
    runner = doctest.DocTestRunner()
    told: list[str] = []
    for example in found:
        runner.run(example, out=told.append)
    assert runner.tries > 0, f"{name} has no example"
    assert runner.failures == 0, "".join(told)


def test_the_command_line_is_a_module_and_tells_the_version() -> None:
    ended = subprocess.run([sys.executable, "-m", "windrow", "--version"], capture_output=True, text=True, cwd=ROOT)
    assert (ended.returncode, ended.stdout) == (0, f"windrow {windrow.__version__}\n")


@pytest.mark.parametrize("path", ["", ".typing"])
def test_a_checkout_runs_its_own_code_whatever_is_installed(path: str) -> None:
    program = "import windrow.flows, windrow.tasks.user_code as module, windrow.schemas; print(module.__file__)"
    assert Path(python(program, PYTHONPATH=str(ROOT / path))).resolve() == ROOT / "tasks" / "user_code.py"
