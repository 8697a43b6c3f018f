"""Install a wheel into a new environment, away from the checkout, and use it there."""

import os
import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path

WITHOUT_PREFECT = """
import sys
sys.modules["prefect"] = None
from importlib.metadata import version
import windrow
pool = [[0, 1], [0, 2], [5, 0], [6, 0]]
paths = windrow.HierarchicalKMeans(2, n_rounds=0).fit(pool).paths_
assert sorted(windrow.rank(paths, [0, 1, 0, 1])) == [1, 2, 3, 4]
assert windrow.near_duplicates(pool, 0.99).duplicate_of.tolist() == [-1, 0, -1, 2]
assert windrow.spread_labels(pool, ["a", "a", "b", "b"]).label.tolist() == ["a", "a", "b", "b"]
assert windrow.find_label_errors(None, [0, 1], probabilities=[[1, 0], [0, 1]]).worst.tolist() == []
for name in ("CurationConfig", "curate", "data_loader", "load_config", "open_catalog"):
    getattr(windrow, name)
assert windrow.__version__ == version("windrow")
print("windrow", windrow.__version__, "computes without Prefect, from", *windrow.__path__)
"""


def main(wheel: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder, "bin", "python")
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, wheel.resolve()], check=True, cwd=folder)
        # The dependencies are those of this environment: the wheel is what is on trial. Path files are not read from
        # PYTHONPATH, so this environment's editable windrow stays out of sight.
        environment = {**os.environ, "PYTHONPATH": sysconfig.get_path("purelib")}
        subprocess.run([python, "-m", "windrow", "--version"], check=True, cwd=folder, env=environment)
        subprocess.run([Path(folder, "bin", "windrow"), "query", "--help"], check=True, cwd=folder, env=environment)
        subprocess.run([python, "-c", WITHOUT_PREFECT], check=True, cwd=folder, env=environment)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
