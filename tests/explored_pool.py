"""A pool of stripes whose class names and keys would run in a page, curated, for the explorer to show."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import webdataset
from inline_run import curate_inline
from small_pool import png, stripes

from windrow.tasks.config import parse_config
from windrow.tasks.storage.store.run_records import Run

HOSTILE = "<img src=x onerror=alert(1)>"
CLASSES = (HOSTILE, "'\"><script>alert(2)</script>", "plain")
N = 30


def curate_hostile(folder: Path, size: int = 12) -> Run:
    """Write the pool, a tar, unless it is there, and run the pipeline over it."""
    tar = folder / "pool" / "some.tar"
    if not tar.exists():
        tar.parent.mkdir(parents=True)
        with webdataset.TarWriter(str(tar), mtime=0) as writer:
            for number in range(N):
                key = f"{number:02d}<b onclick=alert(3)>"
                writer.write({"__key__": key, "png": png(stripes(number)), "cls": CLASSES[number % len(CLASSES)]})
    values = {
        "sources": [str(tar)],
        "name": "hostile",
        "store": str(folder / "store"),
        "features": {"name": "patches"},
        "clustering": {"n_clusters": [4, 2], "n_rounds": 1},
        "selection": {"target_size": size, "near_duplicate_threshold": 0.99},
        "worth": {"holdout_share": 0.0},
    }
    return curate_inline(parse_config(values))


@contextmanager
def explored(store: Path, *options: str) -> Iterator[str]:
    """Run `windrow explore` over a store, and give its address; then end it as Ctrl-C does."""
    command = [sys.executable, "-m", "windrow", "explore", "--store", str(store), "--no-browser", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    said = []
    try:
        for line in process.stdout:
            said.append(line)
            if found := re.search(r"http://\S+", line):
                yield found[0]
                break
        else:
            raise AssertionError("".join(said))
    finally:
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(20) == 130, "".join(said) + rest
        assert rest.endswith("interrupted\n"), rest
        process.stdout.close()
