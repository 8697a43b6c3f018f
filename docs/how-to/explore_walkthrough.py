"""A walk through `windrow explore` without hands: run, look at what is most doubtful, correct 30 samples, run, diff.

    python docs/how-to/explore_walkthrough.py SHARED FOLDER

SHARED has `photos/` (photographs) and `cifar10-20k/` (WebDataset tars with .cls); FOLDER is for the store. 600 of 2,000
CIFAR images come with a label, every tenth of them a wrong one. Corrections go through the explorer's own address, as
its keys do; who corrects here knows the true classes. It prints what was done and how long it took.
"""

from __future__ import annotations

import csv
import json
import random
import re
import signal
import subprocess
import sys
import tarfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import yaml

N_TARS, N_GIVEN, N_CORRECTED = 2, 600, 30


def truth(tars: list[Path]) -> dict[str, str]:
    """Return the number of the true class of each key."""
    found = {}
    for path in tars:
        with tarfile.open(path) as tar:
            for member in tar:
                if member.name.endswith(".cls"):
                    found[member.name.removesuffix(".cls")] = tar.extractfile(member).read().decode().strip()  # type: ignore[union-attr]
    return found


def prepare(shared: Path, folder: Path) -> tuple[Path, dict[str, str]]:
    """Write the pool without its classes, a file of labels with wrong ones, and a config."""
    tars = sorted((shared / "cifar10-20k").glob("*.tar"))[:N_TARS]
    named = (shared / "cifar10-20k" / "classes.txt").read_text().split()
    classes = {key: named[int(number)] for key, number in truth(tars).items()}
    pool = folder / "cifar"
    pool.mkdir(parents=True)
    for path in tars:
        with tarfile.open(path) as old, tarfile.open(pool / path.name, "w") as new:
            for member in old:
                if not member.name.endswith(".cls"):
                    new.addfile(member, old.extractfile(member))
    drawn, names = random.Random(0), sorted(set(classes.values()))
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["key", "label"])
        for number, key in enumerate(drawn.sample(sorted(classes), N_GIVEN)):
            wrong = drawn.choice([name for name in names if name != classes[key]])
            writer.writerow([key, wrong if number % 10 == 0 else classes[key]])
    config = folder / "windrow.yaml"
    settings = {
        "name": "walk",
        "store": str(folder / "store"),
        "sources": [str(shared / "photos"), str(pool)],
        "labels": {"given": str(folder / "labels.csv")},
        "selection": {"target_size": 1000},
    }
    config.write_text(yaml.safe_dump(settings))
    return config, classes


def windrow(*words: str) -> str:
    """Run a command, and return what it prints."""
    begun = time.monotonic()
    ended = subprocess.run([sys.executable, "-m", "windrow", *words], check=True, capture_output=True, text=True)
    print(f"\n$ windrow {' '.join(words)}    # {time.monotonic() - begun:.1f} s", flush=True)
    return ended.stdout


def numbers(address: str, kind: type) -> Any:
    """Return the numbers of an address, without the line before them."""
    with urllib.request.urlopen(address) as answer:
        return np.frombuffer(answer.read().partition(b"\n")[2], kind)


def correct(address: str, classes: dict[str, str]) -> None:
    """Look at the given labels, most doubtful first, and say what is true of those that are wrong."""
    begun = time.monotonic()
    doubtful = np.argsort(numbers(f"{address}column/quality", np.float32))  # what has no given label comes last
    looked = said = 0
    for row in doubtful[:N_GIVEN].tolist():
        with urllib.request.urlopen(f"{address}sample/{row}") as answer:
            facts = json.load(answer)
        looked += 1
        if facts["key"] not in classes or facts["given_label"] == classes[facts["key"]]:
            continue
        body = json.dumps({"row": row, "kind": "label", "value": classes[facts["key"]], "why": "looked at it"}).encode()
        request = urllib.request.Request(f"{address}corrections", body, {"content-type": "application/json"})
        urllib.request.urlopen(request).close()
        said += 1
        if said == N_CORRECTED:
            break
    print(f"\n{said} corrections; looked at the {looked} most doubtful labels    # {time.monotonic() - begun:.1f} s")


def explore(config: Path, classes: dict[str, str]) -> None:
    """Start the explorer, correct, and end it as Ctrl-C does."""
    begun = time.monotonic()
    command = [sys.executable, "-m", "windrow", "explore", str(config), "--no-browser", "--who", "walker"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        address = next(found[0] for line in process.stdout if (found := re.search(r"http://\S+", line)))
        print(f"\n$ windrow explore {config}    # {time.monotonic() - begun:.1f} s until it answers", flush=True)
        correct(address, classes)
        process.send_signal(signal.SIGINT)


def main() -> None:
    """Walk."""
    shared, folder = (Path(word).resolve() for word in sys.argv[1:3])
    config, classes = prepare(shared, folder)
    windrow("run", str(config), "--runner", "plain")
    explore(config, classes)
    windrow("run", str(config), "--runner", "plain")
    print(windrow("diff", "walk", "--store", str(folder / "store")))


if __name__ == "__main__":
    main()
