"""A limit of this process's memory for as long as something lasts, which is lifted when the process is told to end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MAPPED = Path("/proc/self/statm")


@contextmanager
def limited_memory(more: int) -> Iterator[None]:
    """Let this process have so many bytes of address space beside what it has; on Linux, elsewhere it does nothing."""
    if not MAPPED.exists():
        yield
        return
    import resource

    wanted = int(MAPPED.read_text().split()[0]) * resource.getpagesize() + more
    before = resource.getrlimit(resource.RLIMIT_AS)
    most = min((limit for limit in before if limit != resource.RLIM_INFINITY), default=wanted)
    resource.setrlimit(resource.RLIMIT_AS, (min(wanted, most), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def lift_limit() -> None:
    """Let this process have what it may: code that ends it needs a little, which a question may have taken."""
    if MAPPED.exists():
        import resource

        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
