"""The page: a list of questions, each answered by a function of the catalog and a template of its name."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from windrow.schemas.stages import Stage
from windrow.tasks.report import formats
from windrow.tasks.report.answers.answer import Answer, Reported
from windrow.tasks.report.answers.changed import compared
from windrow.tasks.report.cited import Asked, Query
from windrow.tasks.report.drawings.figures import bar
from windrow.tasks.report.gallery import Shown
from windrow.tasks.report.linked import linked
from windrow.tasks.report.run_versions import version_of
from windrow.tasks.report.sections import ANSWERS, DETAILS, Section
from windrow.tasks.report.thumbnails import Reader, read_thumbnails, sample_reader
from windrow.tasks.storage.catalog.views import connect_run
from windrow.tasks.storage.files.whole_or_absent import write_atomically
from windrow.tasks.storage.published.versions import Version
from windrow.tasks.storage.store.run_records import Run
from windrow.tasks.texts.terminal import visible

PLACES_SQL = """
SELECT sample_id, selected, source_uri || ' / ' || shard || ' / ' || key
FROM pool WHERE source_uri IS NOT NULL AND sample_id IN (SELECT unnest($1::VARCHAR[]))
"""
BACKBONE_SQL = "SELECT DISTINCT name, dim, version FROM backbones ORDER BY ALL"


@dataclass(frozen=True)
class Part:
    """A section as it stands on a page: `short` is its answer in a sentence or two, '' where it has none."""

    name: str
    question: str
    title: str
    short: Markup
    body: Markup
    queries: Sequence[Query]


def write_report(connection: Any, path: Path, run: Run, read: Reader | None = None, seed: int = 0) -> None:
    """Write the report of a run to `path`: one HTML page that needs no other file and no network.

    `connection` is the catalog of the run. `read` gives the bytes of samples, by default from where the catalog saw
    them; a sample that is gone is shown as such. The same run and seed give the same page.
    """
    write_atomically(path, render(connection, run, read or sample_reader(connection, run.store), seed))


def write_diff(path: Path, run: Run, old: Version, new: Version, seed: int = 0) -> None:
    """Write what changed between two versions to `path`: a page as that of `write_report`, with the one answer.

    `run`: a finished run of the curated set, whose samples and sources are those that the store knows now.
    """
    connection = connect_run(run.store, run.run_id)

    def changed(reported: Reported) -> Answer:
        return compared(reported, old, new, {"came": None, "kept_back": None})

    section = Section(f"What changed from {old.version} to {new.version}?", "Changed", changed)
    page = render(connection, run, sample_reader(connection, run.store), seed, (section,), new)
    write_atomically(path, page)


def render(
    connection: Any,
    run: Run,
    read: Reader,
    seed: int = 0,
    sections: Sequence[Section] = (*ANSWERS, *DETAILS),
    version: Version | None = None,
) -> str:
    """Return the page as text. Whatever comes from data is escaped, in the templates and in every drawing.

    `version`: which version it is about; that of the run by default.
    """
    asked = [Asked(connection, run.run_id, section.name) for section in sections]
    answers = [section.answer(Reported(run, ask, seed)) for section, ask in zip(sections, asked, strict=True)]
    shown = _shown(connection, run, answers, read)
    parts = [_part(*each, shown, run) for each in zip(sections, answers, asked, strict=True)]
    export = run.stage(Stage.EXPORT)
    context = {
        "run": run,
        "store": shlex.quote(str(run.store)),
        "store_path": run.store,
        "parts": [part for part in parts if part.body.strip()],
        "version": version or version_of(run),
        "kept_back": export.kept_back if export and version is None else None,
        "backbones": connection.execute(BACKBONE_SQL).fetchall(),
        "started": datetime.fromisoformat(run.started_at),
        "took": _took(run),
    }
    return str(_environment().get_template("report.html").render(context))


def _part(section: Section, answer: Answer, ask: Asked, shown: Shown, run: Run) -> Part:
    template = _environment().get_template(f"answers/{section.name}.html")
    facts: dict[str, Any] = {
        **answer.facts,
        "galleries": answer.galleries,
        "shown": shown,
        "run": run,
        "store": shlex.quote(str(run.store)),
    }
    drawn = {
        name: Markup("".join(block(template.new_context(facts)))).strip() for name, block in template.blocks.items()
    }
    return Part(
        section.name, section.question, section.title, drawn.get("short", Markup("")), drawn["body"], ask.queries
    )


def _shown(connection: Any, run: Run, answers: Sequence[Answer], read: Reader) -> Shown:
    galleries = (gallery for answer in answers for gallery in answer.galleries.values())
    wanted = sorted({sample_id for gallery in galleries for sample_id in gallery.sample_ids})
    places = connection.execute(PLACES_SQL, [wanted]).fetchall()
    return Shown(
        run.store,
        read_thumbnails(read, wanted),
        {sample_id: place for sample_id, _, place in places},
        {sample_id for sample_id, selected, _ in places if selected},
    )


@cache
def _environment() -> jinja2.Environment:  # to compile the templates takes half of a small page's time
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        finalize=_plain,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(bar=bar)
    environment.filters.update({name: linked(getattr(formats, name)) for name in formats.FILTERS})
    return environment


def _plain(value: Any) -> Any:
    """Text of the data's, without what would turn a line around; what is drawn is Markup, and stays."""
    return visible(value, lines=True) if type(value) is str else value


def _took(run: Run) -> str:
    if run.finished_at is None:
        return "not finished"
    started, finished = datetime.fromisoformat(run.started_at), datetime.fromisoformat(run.finished_at)
    return f"took {formats.duration((finished - started).total_seconds())}"
