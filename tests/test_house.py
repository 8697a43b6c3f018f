"""How the house is built: what imports what, how large the rooms are, that nothing in them is dead."""

import ast
import subprocess
import sys
import tomllib
from collections import Counter, defaultdict
from graphlib import TopologicalSorter

from code_graph import PLACE, PROGRAM, ROOT, TOPS, Name, definitions, imports, modules, unreachable

MOST_MODULES = 20
# What a layer may import, beside itself; of tasks the others are the stages, each a room.
LAYERS = {
    "flows": {"tasks", "schemas"},
    "tasks": {"schemas"},
    "schemas": set(),
    "windrow": {"flows", "tasks"},
}


def layer(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in LAYERS else "windrow"


def room(module: str) -> str:
    """A folder of tasks, or another layer."""
    parts = module.split(".")
    return parts[2] if layer(module) == "tasks" and len(parts) > 2 else layer(module)


def test_imports_go_one_way() -> None:
    wrong = [
        f"{module} imports {other}"
        for module in modules()
        for other in imports(module)
        if layer(other) not in {layer(module), *LAYERS[layer(module)]} and other != "windrow"
    ]
    assert wrong == []


def test_no_imports_go_round_neither_of_modules_nor_of_rooms() -> None:
    order = list(TopologicalSorter({module: imports(module) for module in modules()}).static_order())
    assert set(order) >= set(modules())
    rooms: dict[str, set[str]] = defaultdict(set)
    for module in modules():
        if module != "windrow":  # its names are loaded when they are asked for
            rooms[room(module)] |= {room(other) for other in imports(module) - {"windrow"}} - {room(module)}
    assert len(list(TopologicalSorter(rooms).static_order())) > 12


def test_algorithms_are_arrays_in_arrays_out() -> None:
    """Without the orchestrator, the store and its libraries, every one of them can be imported."""
    ours = sorted(module for module in modules() if room(module) == "algorithms")
    assert {room(other) for module in ours for other in imports(module)} <= {"algorithms", "schemas"}
    barred = ("prefect", "windrow.tasks.storage", "windrow.flows", "duckdb", "pyarrow", "fsspec", "webdataset")
    program = f"""
import sys, importlib, importlib.util
sys.modules |= dict.fromkeys({barred!r})
for module in {ours!r}:
    if module.endswith("fused_search") and importlib.util.find_spec("triton") is None:
        continue
    importlib.import_module(module)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def test_no_folder_is_a_heap() -> None:
    sizes = Counter(str(file.parent.relative_to(ROOT)) for file in modules().values() if file.name != "__init__.py")
    assert {folder: n for folder, n in sizes.items() if n > MOST_MODULES} == {}


def test_one_name_is_in_one_room() -> None:
    named: dict[str, list[str]] = defaultdict(list)
    for module, file in modules().items():
        if not file.name.startswith("__"):
            named[file.stem].append(module)
    assert {name: places for name, places in named.items() if len(places) > 1} == {}


def test_every_folder_of_code_is_in_the_wheel_and_in_the_image() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert settings["package-dir"] == {"windrow": "windrow", **{f"windrow.{top}": top for top in TOPS[1:]}}
    folders = {".".join(file.parent.relative_to(ROOT).parts) for file in modules().values()}
    assert set(settings["packages"]) == {name if name == "windrow" else f"windrow.{name}" for name in folders}
    assert all((file.parent / "__init__.py").exists() for file in modules().values())
    assert (ROOT / "windrow" / "py.typed").exists()
    image, let_in = ((ROOT / "deploy" / name).read_text() for name in ("Dockerfile", "Dockerfile.dockerignore"))
    assert all(f"COPY {top} /tmp/source/{top}\n" in image and f"!{top}\n" in let_in for top in TOPS)


def test_type_checkers_see_the_package_as_it_is_installed() -> None:
    seen = {path.name: path.resolve() for path in (ROOT / ".typing" / "windrow").glob("[!_]*")}
    seen |= {path.name: path.resolve() for path in (ROOT / ".typing" / "windrow").glob("*.py")}
    there = {file.name: file for file in (ROOT / "windrow").iterdir() if file.suffix == ".py"}
    assert seen == {**there, **{top: ROOT / top for top in TOPS[1:]}}


def entry_points() -> set[Name]:
    """Commands, what deployments name, the library's names, and modules that are run."""
    (table,) = (node.value for node in definitions("windrow")["PLACES"] if isinstance(node, ast.Assign))
    found = {(module, name) for name, module in ast.literal_eval(table).items()}
    for file in (path for path in (ROOT / "deploy").rglob("*") if path.is_file()):
        found |= set(PLACE.findall(file.read_text()))
    for file in (ROOT / ".ci").glob("*.py"):
        found |= {(module, name) for module, names in PROGRAM.findall(file.read_text()) for name in names.split(", ")}
    run = [module for module, file in modules().items() if '__name__ == "__main__"' in file.read_text()]
    return found | {(module, "main") for module in run} | {("windrow", "PLACES")}


def test_nothing_is_dead() -> None:
    """Every name at the top of a module is reached from a command, a deployment or the library; tests do not count."""
    roots = entry_points()
    assert {("windrow.flows.commands.cli", "main"), ("windrow.flows.deployment", "read_deployment")} <= roots
    dead = sorted(".".join(name) for name in unreachable(roots))
    assert not dead, "\n".join(dead)
