"""What the run took, by which config, and what to ask next."""

from __future__ import annotations

import json

from windrow.tasks.report.answers.answer import Answer, Reported
from windrow.tasks.report.formats import count, duration, percent
from windrow.tasks.report.linked import Column, table, text
from windrow.tasks.report.questions import QUESTIONS

STAGES_SQL = """
SELECT replace(stage, '_', ' ') AS stage, seconds, seconds / nullif(max(seconds) OVER (), 0) AS share, n_samples,
    CASE WHEN n_found = 0 AND seconds > 0 THEN n_samples / seconds END AS speed, n_outputs, n_found
FROM stages WHERE run_id = $1
"""
STAGES_ALL_SQL = """
SELECT sum(seconds) AS seconds, count(*) AS n, sum(n_outputs)::BIGINT AS n_outputs, sum(n_found)::BIGINT AS n_found
FROM stages WHERE run_id = $1
"""


def took(reported: Reported) -> Answer:
    """What the run took, by which config, and what to ask next."""
    ask, run = reported.ask, reported.run
    stages = ask.execute(STAGES_SQL, [run.run_id])
    told = table(
        stages,
        Column("Stage", "stage", text),
        Column("Time", "seconds", duration),
        Column("", "share", percent, "fill-curated"),
        Column("Samples", "n_samples"),
        Column("Samples/s", "speed", _rounded),
        Column("Outputs", "n_outputs"),
        Column("Found done", "n_found"),
    )
    config = json.dumps(run.config, indent=2, sort_keys=True, ensure_ascii=False, default=str)
    total = ask.execute(STAGES_ALL_SQL, [run.run_id]).first()
    return Answer({"stages": told if len(stages) else None, "total": total, "config": config, "questions": QUESTIONS})


def _rounded(value: float) -> str:
    return count(round(value))
