"""What people have corrected: counted by kind and by what the run took."""

from __future__ import annotations

from windrow.tasks.report.answers.answer import Answer, Reported
from windrow.tasks.report.gallery import Gallery, Shot, Strip, one_each
from windrow.tasks.report.linked import Column, table, text

SHOTS = 18

ALL_SQL = """
SELECT count(*) AS n, count(DISTINCT who) AS n_people, (SELECT count(*) FROM taken_corrections) AS n_taken
FROM corrections WHERE kind <> 'forgotten'
"""
KINDS_SQL = """
SELECT replace(c.kind, '_', ' ') AS kind, count(*) AS said, count(t.number) AS taken, count(DISTINCT c.who) AS people
FROM corrections c LEFT JOIN taken_corrections t USING (number) WHERE c.kind <> 'forgotten'
GROUP BY ALL ORDER BY said DESC, kind
"""
LAST_SQL = """
SELECT sample_id, replace(kind, '_', ' ') AS kind, value, who, count(*) OVER () AS n
FROM taken_corrections ORDER BY number DESC LIMIT $1
"""


def corrected(reported: Reported) -> Answer:
    """Count what people said of samples, and show the last of it that the run took."""
    ask = reported.ask
    kinds, last = ask.execute(KINDS_SQL), ask.execute(LAST_SQL, [SHOTS])
    told = table(
        kinds,
        Column("What", "kind", text),
        Column("Said", "said"),
        Column("Taken", "taken"),
        Column("People", "people"),
    )
    found = last.fetchall()
    shots = one_each(Shot(name, (kind, *([value] if value else []), who)) for name, kind, value, who, _ in found)
    strips = (Strip("", shots, last.anchor, found[0][-1] - len(found)),) if found else ()
    gallery = Gallery("The last that this run took", "What was said, and who said it.", strips, "It took none.")
    return Answer({"all": ask.execute(ALL_SQL).first(), "kinds": told}, {"last": gallery})
