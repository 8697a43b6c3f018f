"""How quickly a command starts: what takes seconds to import is left to the workers that need it."""

import subprocess
import sys

# 1.5 to 2 s of processor time for torch, 0.3 to 0.6 s for each of the others.
HEAVY = {"torch", "faiss", "scipy.optimize", "scipy.sparse", "scipy.stats", "sklearn", "transformers", "ray"}


def test_the_process_of_a_command_imports_only_what_it_needs_itself() -> None:
    program = f"import sys, windrow.flows.nightly; print(sorted({HEAVY!r} & set(sys.modules)))"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
