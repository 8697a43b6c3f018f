"""What is installed, what is missing, and what to do about it."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

EXTRAS = {"transformers": "hf", "timm": "timm", "open_clip": "open-clip", "ray": "ray", "s3fs": "s3", "sklearn": "demo"}
REQUIRED = ("torch", "prefect", "duckdb", "pyarrow", "faiss-cpu", "webdataset", "pillow", "numpy", "scipy")
GIB = 2**30


@dataclass(frozen=True)
class Finding:
    """One line of `windrow doctor`. 'bad' stops a run; 'note' is worth knowing."""

    state: Literal["good", "note", "bad"]
    subject: str
    text: str


def examine(store: Path) -> list[Finding]:
    """Look at everything that a run needs. Never raises: what fails is a finding."""
    findings: list[Finding] = []
    for look in (installation, extras, lambda: machine(store), gpu, lambda: contents(store), prefect_api):
        findings += _safely(look)
    return findings


def _safely(look: Callable[[], Iterator[Finding]]) -> list[Finding]:
    try:
        return list(look())
    except Exception as error:
        return [Finding("bad", "doctor", f"{type(error).__name__}: {error}")]


def installation() -> Iterator[Finding]:
    """Versions of what windrow needs."""
    yield Finding("good", "windrow", f"{version('windrow')}, Python {platform.python_version()}, {sys.prefix}")
    found = []
    for name in REQUIRED:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            yield Finding("bad", name, f"is not installed: pip install {name}")
    yield Finding("good", "packages", ", ".join(found))
    if find_spec("torchvision") is not None:
        try:
            import torchvision  # noqa: F401
        except Exception as error:
            yield Finding("bad", "torchvision", f"does not fit this PyTorch ({error}): pip uninstall torchvision")


def extras() -> Iterator[Finding]:
    """Which optional parts are there."""
    for module, extra in EXTRAS.items():
        if find_spec(module) is None:
            yield Finding("note", extra, f"not installed; when you need it: pip install 'windrow[{extra}]'")
        else:
            yield Finding("good", extra, f"{module} is installed")


def machine(store: Path) -> Iterator[Finding]:
    """Cores and free disk."""
    yield Finding("good", "machine", f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}")
    existing = next(path for path in (store.absolute(), *store.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    state: Literal["good", "bad"] = "good" if free > GIB else "bad"
    yield Finding(state, "disk", f"{free / GIB:.1f} GiB free at {existing}" + ("" if free > GIB else ": make room"))
    if not os.access(existing, os.W_OK):
        yield Finding("bad", "disk", f"{existing} cannot be written: choose another --store, or change its owner")


def gpu() -> Iterator[Finding]:
    """Whether PyTorch and Faiss see a GPU."""
    import faiss
    import torch

    if not torch.cuda.is_available():
        nvidia = shutil.which("nvidia-smi")
        text = (
            "nvidia-smi is here but this PyTorch sees no GPU: install a CUDA build of torch"
            if nvidia
            else "none: CPU it is"
        )
        yield Finding("note", "GPU", text)
        return
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    yield Finding("good", "GPU", ", ".join(names))
    if getattr(faiss, "get_num_gpus", lambda: 0)() == 0:
        yield Finding("note", "faiss", "this is the CPU build; for the GPU: pip install 'windrow[gpu]'")


def contents(store: Path) -> Iterator[Finding]:
    """What is in the store."""
    from windrow.tasks.report.formats import plural
    from windrow.tasks.storage.published.versions import list_versions
    from windrow.tasks.storage.store.run_records import list_runs
    from windrow.tasks.storage.store.store_format import check_format
    from windrow.tasks.takedown.removal import unfinished

    if not store.exists():
        yield Finding("note", "store", f"{store} does not exist yet: `windrow run` makes it")
        return
    if not store.is_dir():
        yield Finding("bad", "store", f"{store} is a file, and a store is a folder: choose another --store")
        return
    try:
        check_format(store)
    except ValueError as error:
        yield Finding("bad", "store", str(error))
        return
    runs = list_runs(store)
    if not runs and any(store.iterdir()):
        yield Finding("note", "store", f"{store} has files but no run: is it the store? `windrow run` makes one there")
        return
    ended = [run for run in runs if run.status == "finished"]
    n_running = sum(run.status == "running" for run in runs)
    told = [plural(len(runs), "run"), f"{len(ended)} finished", f"{n_running} running"]
    told.append(plural(len(list_versions(store)), "version"))
    yield Finding("good", "store", f"{store}: {', '.join(told)}")
    failed = [run for run in runs if run.status in ("failed", "killed")]
    if failed and (not ended or failed[-1].number > ended[-1].number):
        yield Finding("note", "last run", f"{failed[-1].run_id} {failed[-1].status}: {failed[-1].error}")
    for name in unfinished(store):
        yield Finding("bad", "take-down", f"{name} was cut short: `windrow forget` (without a sample) finishes it")
    left = [*store.glob("**/.tmp-*"), *store.glob("**/.work-*")]
    if left:
        yield Finding(
            "note",
            "store",
            f"{plural(len(left), 'folder')} of runs at work, or left by killed ones, such as {left[0]}: `windrow gc` "
            "says what can go",
        )


def prefect_api() -> Iterator[Finding]:
    """Whether Prefect's API answers."""
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL

    url = PREFECT_API_URL.value()
    if not url:
        yield Finding(
            "good", "Prefect", "no server is set: runs start a temporary one (the UI: `prefect server start`)"
        )
        return
    with get_client(sync_client=True) as client:
        error = client.api_healthcheck()
    if error is None:
        yield Finding("good", "Prefect", f"{url} answers")
    else:
        yield Finding(
            "bad", "Prefect", f"{url} does not answer ({error}): start it, or `prefect config unset PREFECT_API_URL`"
        )
