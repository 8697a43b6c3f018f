"""What loaded models said of themselves, kept in the store: a run that has nothing to do loads none of them again.

It holds while the files that a model came from are as they were (size, times, inode), and with the same settings,
code and libraries, on a machine with a GPU or on one without.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from windrow.tasks.backbones.weight_files import hash_files
from windrow.tasks.executors.environment import visible_gpus
from windrow.tasks.storage.files.seals import broken_seal, read_sealed, sealed_json
from windrow.tasks.storage.files.whole_or_absent import write_atomically
from windrow.tasks.storage.store.outputs import REMEMBERED, fingerprint, refuse_new_work
from windrow.tasks.user_code import is_user_code, user_code_digest

LIBRARIES = ("torch", "transformers", "timm", "open_clip_torch", "pillow", "numpy")
_CODE = ("backbones/*.py", "scorers/*.py", "features/*.py", "pictures/decoding.py", "user_code.py")

Told = tuple[dict[str, Any], Sequence[Path] | None]


def remembered(path: Path) -> dict[str, Any] | None:
    """What was remembered at `path`, None where nothing was, or where a file has changed since."""
    if not path.exists() or broken_seal(path):
        return None
    kept = read_sealed(path)
    facts: dict[str, Any] = kept["facts"]
    return facts if kept["files"] == _states([Path(name) for name in kept["files"]]) else None


def recall(path: Path, load: Callable[[], Told]) -> dict[str, Any]:
    """What is remembered at `path`, else what `load` tells: facts (JSON-able), and the files that they hang on.

    These are None where they hang on more than files. Nothing is kept either when a file changed after loading began.
    """
    facts = remembered(path)
    if facts is not None:
        return facts
    refuse_new_work(path.name)
    started = time.time_ns()
    facts, files = load()
    states = _states(files or ())
    if files is not None and not any(state and max(state[1:3]) >= started for state in states.values()):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, sealed_json({"facts": facts, "files": states}))
    return facts


def memory_path(store: Path, name: str, settings: Mapping[str, Any]) -> Path:
    """Where the facts of the model `name` are kept, for these settings, this code, these libraries and this machine.

    Raises ValueError when the name is of code of the user's own that is not there.
    """
    digest = user_code_digest(name) if is_user_code(name) else None
    tasks = Path(__file__).parents[1]
    code = hash_files(sorted(file for pattern in _CODE for file in tasks.glob(pattern)))
    libraries = [_version(each) for each in LIBRARIES]
    has_gpu = any(gpu != "-1" for gpu in visible_gpus())
    return store / REMEMBERED / f"{fingerprint(name, settings, digest, code, libraries, has_gpu)}.json"


def _states(files: Sequence[Path]) -> dict[str, list[int] | None]:
    return {str(file): _state(file) for file in files}


def _state(file: Path) -> list[int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
