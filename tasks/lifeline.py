"""A process that ends with the one that started it, however that ends, and whatever it is doing.

PR_SET_PDEATHSIG would tell when the parent's thread ends, not its process; and a thread that waits for the end of a
pipe needs the interpreter, which a long call may hold.
"""

from __future__ import annotations

import os
import signal


def die_with(line: int) -> None:
    """End this process when the last writer of a pipe is gone; `line` is its reading end, and nothing is ever written.

    The kernel's signal of that has by default no other effect, and comes in the middle of anything.
    """
    import fcntl

    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(line, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(line, fcntl.F_SETFL, fcntl.fcntl(line, fcntl.F_GETFL) | os.O_ASYNC)
