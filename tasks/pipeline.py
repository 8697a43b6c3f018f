"""The pipeline, wired once: which steps make a curated set, and in what order; `steps/` says what each is given.

`curate` runs it in the hands of a runner (`windrow.tasks.runner`). Every stage is a plain function of its inputs and
its config that finds its work done where it is, so the same call goes on after an interruption.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from windrow.tasks.config import CurationConfig
from windrow.tasks.curation_under_way import Curation
from windrow.tasks.export.answers_file import read_answers
from windrow.tasks.labels.checked_files import check_headers
from windrow.tasks.night_summary import night_lines
from windrow.tasks.recording import begin_run, ending
from windrow.tasks.runner import PlainRunner, Runner
from windrow.tasks.selection.pool_ranking import check_sql
from windrow.tasks.steps.embedding_steps import cluster, extract_features, meet_models, score
from windrow.tasks.steps.ingest_step import ingest
from windrow.tasks.steps.labelling_step import pseudo_label
from windrow.tasks.steps.publishing_steps import conclude, export
from windrow.tasks.steps.ranking_steps import rank, worth
from windrow.tasks.storage.files.literal_paths import literal_path
from windrow.tasks.storage.files.store_lock import at_work
from windrow.tasks.storage.memory_budget import having
from windrow.tasks.storage.published.versions import Version, latest_version
from windrow.tasks.storage.sources.source_plan import check_sources, check_there
from windrow.tasks.storage.sources.source_settings import uris_of
from windrow.tasks.storage.store.garbage import take_away
from windrow.tasks.storage.store.made import Made
from windrow.tasks.storage.store.run_records import Run, latest_run
from windrow.tasks.storage.store.store_format import check_format


@dataclass(frozen=True)
class Curated:
    """What a run came to: `version` is the last one of the curated set, and `is_new` whether this run published it.

    `before`: the last version before the run. `kept_back` says why the guard or a gate let it publish nothing; None
    where they did not.
    """

    run: Run
    version: Version | None
    is_new: bool
    kept_back: str | None = None
    before: Version | None = None


def curate(
    config: CurationConfig, runner: Runner | None = None, until: str | None = None, attended: bool = True
) -> Curated:
    """Turn the sources into a version of a curated set, and account for every occurrence.

    `runner`: who carries the work; threads of this process by default. `until`: the last step to run, a name of STEPS.
    `attended`: where nobody is, PoolShrankError is raised when the pool lost more than `ingest.least_share_of_last`
    allows; otherwise that is said, and the run goes on.
    Raises ValueError for a config that cannot work, and what the stages raise; what they finished is found next time.

    >>> from windrow import curate, load_config
    >>> curated = curate(load_config("windrow.yaml"))  # a second time: all is found done
    >>> curated.version.version, curated.is_new
    ('v0001', False)
    """
    check_sql(config.selection, bool(config.scores), config.labels.kind == "multi")
    check_places(config)
    check_headers(config.labels, config.worth.evaluate, config.selection.id_lists())
    runner = runner or PlainRunner()
    check_format(Path(config.store))
    before = latest_version(Path(config.store), config.name)
    run = begin_run(config)
    with ending(run), at_work(run.store), having(config.memory_gb):
        curation = Curation(config, run, runner, Made(), attended=attended)
        if until != "ingest":
            meet_models(curation, embeds=until != "score")
        for name, step in _steps(config, until):
            runner.step(name, config, partial(step, curation))
    after = latest_version(run.store, config.name)
    is_new = after is not None and (before is None or before.version != after.version)
    return Curated(curation.run, after, is_new, curation.kept_back, before)


def curate_tonight(config: CurationConfig, runner: Runner | None = None) -> Curated:
    """Curate what the sources hold tonight, and announce how the night ended.

    Raises RuntimeError without a version, unless the guard kept the first one back.
    """
    runner = runner or PlainRunner()
    earlier = latest_run(Path(config.store), config.name)
    curated = curate(config, runner, attended=False)
    version = curated.version
    if version is None and curated.kept_back is None:
        raise RuntimeError(f"the run of {config.name} ended well but published nothing")
    lines = night_lines(curated.run, earlier, version, curated.before)
    for line in lines:
        runner.say(line)
    what: dict[str, Any] = {"run_id": curated.run.run_id, "version": version and version.version, "summary": lines}
    if curated.kept_back is not None:
        what["kept_back"] = curated.kept_back
    elif version is not None:
        what |= {"n_samples": version.n_samples, "path": str(version.path)}
    runner.announce(config.name, what, curated.is_new)
    if config.retention.runs is not None:
        runner.say(f"retention: {_retained(config)}")
    return curated


def _retained(config: CurationConfig) -> str:
    try:
        found = take_away(Path(config.store), config.retention.runs or 1)
    except ValueError as error:  # another run is at work: the next night takes it away
        return str(error)
    begun = f" and {len(found.begun):,} that killed runs had begun" if found.begun else ""
    taken = f"{len(found.outputs):,} outputs of {len(found.runs):,} earlier runs{begun} taken away"
    return f"{taken}, {found.n_bytes:,} bytes"


def check_places(config: CurationConfig) -> None:
    """Raise ValueError when the store cannot lie where it is said to, a source is one or not there, or the card's file
    is none.
    """
    literal_path(config.store)
    check_sources(uris_of(config.sources), Path(config.store))
    check_there(config.sources, config.ingest)
    for place, sources in config.selection.beside().items():
        check_sources(sources, Path(config.store), place, versions=True)
        check_there(sources, config.ingest, place)
    read_answers(config.export.card)


def _steps(config: CurationConfig, until: str | None) -> Iterator[tuple[str, Callable[[Curation], None]]]:
    judged = until != "export" or config.selection.guard != "off"  # an export alone asks nothing else of a set
    for name, step in STEPS.items():
        if (name != "score" or config.scores) and (name != "worth" or judged):
            yield name, step
        if name == until:
            return


STEPS: dict[str, Callable[[Curation], None]] = {
    "ingest": ingest,
    "score": score,
    "extract-features": extract_features,
    "cluster": cluster,
    "pseudo-label": pseudo_label,
    "rank": rank,
    "worth": worth,
    "export": export,
    "conclude": conclude,
}
"""The steps of a run, in their order."""
