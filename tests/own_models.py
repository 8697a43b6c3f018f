"""What a user of Windrow writes: a backbone, a scorer and a source, in a module of their own."""

import sys
from pathlib import Path

import numpy as np
import pytest

SOURCE = '''
import io
from pathlib import Path

import numpy as np
from PIL import Image


class Thumbnails:
    """Embeds a picture as its own thumbnail, scaled by a number from a file."""

    dim = 27

    def __init__(self, config):
        self.files = [path for path in [Path(__file__).with_name("scale.txt")] if path.exists()]
        self.scale = float(self.files[0].read_text()) if self.files else 1.0

    def prepare(self, image):
        return np.asarray(image.resize((3, 3), Image.Resampling.BOX))

    def embed(self, batch):
        return batch.reshape(len(batch), 27) * np.float32(self.scale / 255)


class Brightness:
    def __init__(self, config):
        assert config.classes == ("light",)

    def score(self, images):
        return np.array([[np.asarray(image).mean() / 255] for image in images])


class Stacks:
    """Pictures stacked in .npy files: uint8 (n, height, width, 3)."""

    def __init__(self, place):
        self.folder = Path(place)

    def shards(self):
        return [(path.name, str(path.stat().st_mtime_ns)) for path in sorted(self.folder.glob("*.npy"))]

    def samples(self, shard):
        for n, pixels in enumerate(np.load(self.folder / shard)):
            out = io.BytesIO()
            Image.fromarray(pixels).save(out, "PNG")
            yield f"{shard}/{n}.png", out.getvalue(), {"label": "even" if n % 2 == 0 else "odd", "n": n}
'''


def write_module(folder: Path, monkeypatch: pytest.MonkeyPatch, source: str = SOURCE, name: str = "own_toys") -> str:
    """Write a module where Python finds it, as if in a new process; returns the file's path."""
    file = folder / f"{name}.py"
    file.write_text(source)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.delitem(sys.modules, name, raising=False)
    return str(file)


def write_stacks(folder: Path, n_stacks: int = 2, n: int = 10) -> Path:
    """Write stacks of small pictures of stripes, all of them different."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(n_stacks):
        cells = random.integers(0, 256, (n, 5, 6, 3), dtype=np.uint8)
        np.save(folder / f"{number}.npy", cells.repeat(8, axis=1).repeat(8, axis=2))
    return folder
