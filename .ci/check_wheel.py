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
import windrow.tasks.algorithms.clustering.hierarchy
import windrow.tasks.algorithms.labels.cores.logistic_probe
import windrow.tasks.algorithms.selection.ranking
import numpy as np
from windrow.tasks.algorithms.clustering.kmeans import kmeans
assert kmeans(np.eye(4, dtype=np.float32), 2, seed=0).centroids.shape == (2, 4)
from importlib.metadata import version
print("windrow", version("windrow"), "computes without Prefect, from", windrow.__path__[0])
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
        subprocess.run([python, "-m", "windrow.flows.commands.cli", "--help"], check=True, cwd=folder, env=environment)
        subprocess.run([Path(folder, "bin", "windrow"), "query", "--help"], check=True, cwd=folder, env=environment)
        subprocess.run([python, "-c", WITHOUT_PREFECT], check=True, cwd=folder, env=environment)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
