"""What questions cost in a large store: its pool as a join of tables, as it was, and as the table a run ends with.

    python tests/benchmarks/bench_catalog.py --n 1000000

Every question is a process of its own, with its start; memory is the most that it held. The store is drawn, not
computed (`catalog_store`), in a folder that goes at the end.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from catalog_store import Drawn, finish, write_store

from windrow.tasks.report.questions import QUESTIONS
from windrow.tasks.storage.store.run_records import Run

SQL = (
    "SELECT 1",
    "SELECT count(*) FROM pool",
    "SELECT label, count(*), avg(confidence) FROM curated GROUP BY label",
    "SELECT outcome, count(*) AS n FROM outcomes GROUP BY ALL ORDER BY n DESC, outcome",
    "SELECT classes[1] AS class, count(*) AS pool, count(*) FILTER (selected) AS curated FROM pool "
    "WHERE dropped_by IS NULL GROUP BY 1 ORDER BY pool DESC",
    "SELECT sample_id, classes[1], confidence FROM curated ORDER BY confidence, sample_id LIMIT 5",
    *(sql for _, sql in QUESTIONS),
)


def cost(words: list[str]) -> tuple[float, float, float, int]:
    """Run the command line; return CPU seconds, wall seconds, GB held at most, and its exit code."""
    started = time.monotonic()
    process = os.fork()
    if not process:
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
            os.execv(sys.executable, [sys.executable, "-m", "windrow", *words])
    _, status, used = os.wait4(process, 0)
    wall = time.monotonic() - started
    return used.ru_utime + used.ru_stime, wall, used.ru_maxrss / 2**20, os.waitstatus_to_exitcode(status)


def tell(title: str, questions: list[list[str]]) -> None:
    """Print what each costs."""
    print(f"\n### {title}\n\n| question | CPU s | wall s | GB |\n|---|---|---|---|", flush=True)
    for words in questions:
        cpu, wall, memory, code = cost(words)
        name = " ".join(words[0:2]).replace("\n", " ").replace("|", "/")
        print(f"| {name}{'' if code == 0 else f' (exit {code})'} | {cpu:.2f} | {wall:.2f} | {memory:.2f} |", flush=True)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> None:
    """Make the store, and ask before and after."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--n", type=int, default=1_000_000)
    parser.add_argument("--after-only", action="store_true", help="Leave the join out.")
    parser.add_argument("--folder", type=Path, help="Keep the store there, or take it from there.")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=asked.folder and asked.folder.parent)) if not asked.folder else asked.folder
    try:
        bench(folder, asked.n, asked.after_only)
    finally:
        if not asked.folder:
            shutil.rmtree(folder)


def bench(folder: Path, n: int, after_only: bool) -> None:
    """Ask in a store of n samples."""
    started = time.process_time()
    run = write_store(folder, n)
    print(f"{n:,} samples drawn in {time.process_time() - started:.0f} CPU s; {_size(run.store) / n:.0f} bytes each")
    store = ["--store", str(run.store)]
    sample_id = Drawn.roll(n).ids(slice(n // 3, n // 3 + 1))[0].as_py()
    asked = [["query", sql, *store] for sql in SQL]
    asked += [[word, text, *store] for word, text in (("explain", sample_id), ("explain", sample_id[:12]))]
    asked += [["explain", f"photo-{n // 2:09d}", *store], ["diff", "photos", *store]]
    if not after_only:
        unfinished = run.finish("finished")
        tell("pool: a join of 14 tables", asked)
        run = Run(**{**vars(unfinished), "status": "running", "finished_at": None})
    before, wall = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    finished = finish(run)
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    size = _size(run.store / "outputs" / "pool")
    print(
        f"\npool written: {cpu:.1f} CPU s, {time.monotonic() - wall:.1f} s, {size / n:.0f} bytes a sample, "
        f"{used.ru_maxrss / 2**20:.1f} GB held at most"
    )
    tell("pool: a table", [*asked, ["report", *store]])
    print(finished.run_id)


if __name__ == "__main__":
    main()
