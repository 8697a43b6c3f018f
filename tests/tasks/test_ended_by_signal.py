"""A signal that ends a run is told once, wherever in the code it arrives."""

import subprocess
import sys

ARRIVES_WHERE_NOTHING_IS_RAISED = """
import os, signal
from windrow.tasks.ended_by_signal import heed_signals, signal_seen

class Destroyed:
    def __init__(self, act):
        self.act = act
    def __del__(self):
        self.act()

def fail():
    raise ValueError("of another kind")

heed_signals(signal.SIGTERM)
heed_signals(signal.SIGTERM)
Destroyed(lambda: os.kill(os.getpid(), signal.SIGTERM))
Destroyed(fail)
print(signal_seen())
"""


def test_one_that_arrives_in_a_destructor_is_noted_and_prints_nothing() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", ARRIVES_WHERE_NOTHING_IS_RAISED], capture_output=True, text=True, timeout=60, check=True
    )
    assert ended.stdout == "15\n"
    assert "SIGTERM" not in ended.stderr
    assert ended.stderr.count("Traceback") == 1 and "ValueError: of another kind" in ended.stderr
