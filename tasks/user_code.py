"""Code of the user's own, named `python:module:Name` in a config.

It is trusted as the program itself is: importing it runs it. The module is found on `sys.path`, or in the current
folder. Its source is part of the fingerprints of what it makes, so that work is done again when it changes.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PREFIX = "python:"


def is_user_code(name: str) -> bool:
    """Whether a name in a config stands for code of the user's own."""
    return name.startswith(PREFIX)


def load_user_code(name: str) -> Any:
    """Import what `python:module:Name` names.

    Raises ValueError when it is not of that form, when there is no such module, or nothing of that name in it, or when
    its source changed since this process imported it. What the module itself raises while it is imported, is raised.
    """
    module, attribute = _parts(name)
    _find(name, module)
    loaded = importlib.import_module(module)
    digest = user_code_digest(name)
    if vars(loaded).setdefault("_windrow_source", digest) != digest:  # it would be taken for what its source is now
        raise ValueError(f"{name!r}: the source of {module} has changed since it was imported: start Python anew")
    try:
        return getattr(loaded, attribute)
    except AttributeError:
        raise ValueError(f"{name!r}: module {module} has no {attribute!r}") from None


def user_code_digest(name: str) -> str:
    """Return the SHA-256 of the source of the module that `python:module:Name` names, without importing it."""
    origin = _find(name, _parts(name)[0])
    return hashlib.sha256(origin.read_bytes()).hexdigest()


def _parts(name: str) -> tuple[str, str]:
    module, colon, attribute = name.removeprefix(PREFIX).partition(":")
    if not (is_user_code(name) and colon and module and attribute.isidentifier()):
        raise ValueError(f"{name!r}: wants python:module:Name, as in 'python:my_models:Encoder'")
    return module, attribute


def _find(name: str, module: str) -> Path:
    """Where the module's source is; the current folder becomes a place to look when it is not found without it."""
    spec = _spec(module)
    if spec is None and (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)
        importlib.invalidate_caches()
        spec = _spec(module)
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        raise ValueError(f"{name!r}: there is no module {module!r} on Python's path or in {Path.cwd()}")
    return Path(spec.origin)


def _spec(module: str) -> importlib.machinery.ModuleSpec | None:
    try:
        return importlib.util.find_spec(module)
    except ModuleNotFoundError:  # of a package that the module would be in
        return None


def make_user_object(name: str, methods: Sequence[str], *args: Any) -> Any:
    """Call the class that `python:module:Name` names, and see that what it makes has these methods.

    Raises ValueError saying what is missing, or what the class itself raised.
    """
    kind = load_user_code(name)
    try:
        made = kind(*args)
    except Exception as error:
        raise ValueError(f"{name!r}: making it raised {type(error).__name__}: {error}") from error
    missing = [method for method in methods if not callable(getattr(made, method, None))]
    if missing:
        raise ValueError(f"{name!r}: wants the methods {', '.join(methods)}; it has no {missing[0]}")
    return made
