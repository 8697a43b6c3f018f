"""The samples of the embedding map: a few thousand, drawn by a hash, whatever the size of the pool."""

from __future__ import annotations

from typing import Any

import numpy as np

from windrow.tasks.report.figures import EmbeddingMap, project

POOL_DOTS = 3000
CURATED_DOTS = 2000
NO_CLASS = "no label"

# Two draws: of a small curated set, a draw of the whole pool would show next to nothing.
DRAWN_SQL = """
SELECT a.sample_id FROM assignments a JOIN selection e USING (sample_id)
WHERE e.selected OR NOT $3 ORDER BY md5(a.sample_id || $1), a.sample_id LIMIT $2
"""
VECTORS_SQL = """
SELECT e.sample_id, e.embedding::FLOAT[] AS embedding, coalesce(l.classes[1], $2) AS label
FROM embeddings e LEFT JOIN (SELECT sample_id, classes FROM labels WHERE label_set = 'pseudo') l USING (sample_id)
WHERE e.embedding IS NOT NULL AND e.sample_id IN (SELECT unnest($1::VARCHAR[]))
"""
SIZES_SQL = "SELECT count(*), count(*) FILTER (selected) FROM selection JOIN assignments USING (sample_id)"


def read_map(connection: Any, seed: int, prefix: str = "") -> EmbeddingMap | None:
    """Draw up to POOL_DOTS samples of the pool and CURATED_DOTS of the curated set, and project them; None below 3.

    The components are those of the pool's draw. `prefix` goes before the names of classes.
    """
    pool = _drawn(connection, seed, POOL_DOTS, curated=False)
    curated = _drawn(connection, seed, CURATED_DOTS, curated=True)
    rows = connection.execute(VECTORS_SQL, [list({*pool, *curated}), NO_CLASS]).fetchall()
    known = {sample_id: (vector, label) for sample_id, vector, label in rows}
    pool, curated = [name for name in pool if name in known], [name for name in curated if name in known]
    if len(pool) < 3:
        return None
    plane, explained = project(np.array([known[name][0] for name in [*pool, *curated]], np.float32), len(pool))
    labels = tuple(known[name][1] for name in curated)
    labels = tuple(label if label == NO_CLASS else prefix + label for label in labels)
    sizes = connection.execute(SIZES_SQL).fetchone()
    return EmbeddingMap(plane[: len(pool)], plane[len(pool) :], labels, explained, *sizes)


def _drawn(connection: Any, seed: int, n: int, *, curated: bool) -> list[str]:
    rows = connection.execute(DRAWN_SQL, [str(seed), n, curated]).fetchall()
    return [row[0] for row in rows]
