"""The product's pipeline in this process, one piece of work after the other, so that a test sees all that happens."""

from dataclasses import replace

from windrow.tasks.config import CurationConfig
from windrow.tasks.executors import ExecutorConfig
from windrow.tasks.pipeline import curate
from windrow.tasks.runner import PlainRunner
from windrow.tasks.storage.store.run_records import Run


def curate_inline(config: CurationConfig, attended: bool = True) -> Run:
    """Run the pipeline; nothing is tried again."""
    runner = PlainRunner(n_threads=1, delays=())
    return curate(replace(config, executor=ExecutorConfig("inline")), runner, attended=attended).run
