"""The product's code as a graph, without importing it: modules, what they import, and which names nothing reaches."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
TOPS = ("windrow", "flows", "tasks", "schemas")
PLACE = re.compile(r"(windrow(?:\.\w+)+)[:.](\w+)")
PROGRAM = re.compile(r"from (windrow(?:\.\w+)+) import (\w+(?:, \w+)*)")  # of another process, or a user's
# What makes a function or class part of something, without a name that refers to it.
HARMLESS = re.compile(r"dataclass|property|cache|lru_cache|contextmanager|runtime_checkable")

Name = tuple[str, str]  # module, name at its top level


@cache
def modules() -> Mapping[str, Path]:
    """Return the file of every module of the product, by its dotted name."""
    found = {}
    for file in (file for top in TOPS for file in (ROOT / top).rglob("*.py")):
        parts = file.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts if parts[0] == "windrow" else ("windrow", *parts))
        found[name.removesuffix(".__init__")] = file
    return found


@cache
def tree(module: str) -> ast.Module:
    """Return a module's syntax tree."""
    return ast.parse(modules()[module].read_text())


@cache
def bindings(module: str) -> Mapping[str, Name]:
    """Return what each imported name stands for: a module and a name in it, which is '' for the module itself."""
    bound: dict[str, Name] = {}
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "windrow":
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                bound[alias.asname or alias.name] = (
                    (whole, "") if whole in modules() else (node.module or "", alias.name)
                )
        elif isinstance(node, ast.Import):
            bound |= {alias.asname or alias.name: (alias.name, "") for alias in node.names if alias.name in modules()}
    return bound


def imports(module: str) -> set[str]:
    """Return the modules that a module imports anywhere, functions and TYPE_CHECKING included."""
    return {imported for imported, _ in bindings(module).values()} - {module}


@cache
def definitions(module: str) -> Mapping[str, list[ast.stmt]]:
    """Return the statements that define each name at the top level of a module."""
    found: dict[str, list[ast.stmt]] = {}
    for node in _statements(tree(module).body):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for name in [getattr(node, "name", None), *(getattr(target, "id", None) for target in targets)]:
            if name is not None and not name.startswith("__"):
                found.setdefault(name, []).append(node)
    return found


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module, those in its `if` and `else` too."""
    for node in body:
        if isinstance(node, ast.If):
            yield from _statements([*node.body, *node.orelse])
        else:
            yield node


def _references(module: str, node: ast.AST) -> Iterator[Name]:
    for part in ast.walk(node):
        if isinstance(part, ast.Return) and isinstance(part.value, ast.Name):
            place, name = bindings(module).get(part.value.id, ("", ""))
            if place in modules() and not name:  # a module as a whole is handed on
                yield from ((place, each) for each in definitions(place))
        if isinstance(part, ast.Name):
            yield module, part.id
        elif isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name):
            yield bindings(module).get(part.value.id, (module, ""))[0], part.attr
        elif isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield from PLACE.findall(part.value)
            for place, names in PROGRAM.findall(part.value):
                yield from ((place, name) for name in names.split(", "))
            if re.fullmatch(r"[\w\[\], .|]+", part.value):  # an annotation in quotes
                yield from ((module, word) for word in re.findall(r"\w+", part.value))


def _defined(module: str, name: str) -> Name | None:
    """Follow a name through imports to the module that defines it."""
    seen: set[Name] = set()
    while (module, name) not in seen and module in modules():
        seen.add((module, name))
        if name in definitions(module):
            return module, name
        everything = bindings(module).get("*", (module, ""))[0]  # of `from ... import *`
        module, name = bindings(module).get(name, (everything, name))
    return None


def _used_on_import(module: str) -> Iterator[Name]:
    """What runs when a module is imported: its statements, and decorators that keep what they decorate."""
    for node in tree(module).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            if any(not HARMLESS.match(ast.unparse(each)) for each in node.decorator_list):
                yield module, node.name
        elif not isinstance(node, ast.Assign | ast.AnnAssign | ast.Import | ast.ImportFrom):
            yield from _references(module, node)


def unreachable(roots: set[Name]) -> set[Name]:
    """Return the names at the top level of modules that nothing refers to, from roots and what is run on import."""
    reached: set[Name] = set()
    imported: set[str] = set()
    waiting = list(roots)
    while waiting:
        found = _defined(*waiting.pop())
        if found is None or found in reached:
            continue
        reached.add(found)
        for module in {found[0]} - imported:
            imported.add(module)
            waiting += _used_on_import(module)
        for node in definitions(found[0])[found[1]]:
            waiting += _references(found[0], node)
    return {(module, name) for module in modules() for name in definitions(module)} - reached
