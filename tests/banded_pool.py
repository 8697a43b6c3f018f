"""A pool whose samples may be of several classes: pictures with bands of colour, and what is known of some of them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from windrow.tasks.config import CurationConfig, parse_config

COLOURS = ("red", "green", "blue")


def picture(rng: np.random.Generator, shown: np.ndarray) -> Image.Image:
    """24 x 24 pixels of noise, in which each colour that is shown has a bright band of its own."""
    pixels = rng.integers(0, 60, (24, 24, 3), np.uint8)
    for number in np.flatnonzero(shown):
        pixels[8 * number : 8 * number + 8, :, number] += 150
    return Image.fromarray(pixels)


def banded_pool(folder: Path, n: int, **changes: Any) -> CurationConfig:
    """Write the pool, and return its config with changes."""
    return parse_config({**banded_values(folder, n), **changes})


def banded_values(folder: Path, n: int) -> dict[str, Any]:
    """Write n pictures, and `shown.npy`, bool (n, 3), with what each of them shows; return the values of a config.

    `listed` has lists and a vocabulary without blue, `mapped` has maps, `bare` has nothing, but for a CSV file.
    """
    rng = np.random.default_rng(0)
    shown = rng.random((n, 3)) < 0.5
    for number in range(n):
        source = ("listed", "mapped", "bare")[number % 3]
        (folder / source).mkdir(exist_ok=True)
        picture(rng, shown[number]).save(folder / source / f"{number}.png")
        there = dict(zip(COLOURS, shown[number].tolist(), strict=True))
        label: object = [name for name, is_there in there.items() if is_there and name != "blue"]
        if source == "mapped":
            label = {name: is_there for name, is_there in there.items() if name != "red"}
        if source != "bare":
            (folder / source / f"{number}.json").write_text(json.dumps({"label": label}))
    np.save(folder / "shown.npy", shown)
    (folder / "labels.csv").write_text(
        "key,label,state\n2.png,red|green,absent\n2.png,blue,\n5.png,red,unknown\n0.png,green,unknown\n"
    )
    return {
        "name": "bands",
        "store": str(folder / "store"),
        "sources": [
            {"uri": str(folder / "listed"), "vocabulary": ["red", "green"]},
            *(str(folder / name) for name in ("mapped", "bare")),
        ],
        "features": {"name": "patches"},
        "neighbors": {"k": 5},
        "clustering": {"n_clusters": [6, 2]},
        "labels": {
            "kind": "multi",
            "given": ["found", str(folder / "labels.csv")],
            "multi": {"separator": "|", "promise": 0.8, "failure_rate": 0.3},
        },
        "selection": {
            "target_size": 90,
            "filters": [{"name": "not only blue", "keep": "NOT list_contains(absent, 'red') OR len(present) <> 1"}],
        },
        "export": {"samples_per_shard": 40},
    }
