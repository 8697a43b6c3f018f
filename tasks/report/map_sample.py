"""The samples of the embedding map: a few thousand, drawn by a hash, whatever the size of the pool."""

from __future__ import annotations

from typing import Any

import numpy as np

from windrow.tasks.report.embedding_map import EmbeddingMap, project
from windrow.tasks.storage.files.parquet import vectors_to_array

POOL_DOTS = 3000
CURATED_DOTS = 2000
NO_CLASS = "no label"

# Two draws: of a small curated set, a draw of the whole pool would show next to nothing.
DRAWN_SQL = """
SELECT sample_id FROM pool WHERE cluster_path IS NOT NULL AND (selected OR NOT $3)
ORDER BY md5(sample_id || $1), sample_id LIMIT $2
"""
# list_contains, and not IN: this filter reaches the Parquet files, so vectors of the others are never in memory.
VECTORS_SQL = """
SELECT sample_id, embedding FROM embeddings
WHERE embedding IS NOT NULL AND list_contains($1::VARCHAR[], sample_id)
"""
CLASSES_SQL = """
SELECT sample_id, classes[1] FROM pool WHERE len(classes) > 0 AND list_contains($1::VARCHAR[], sample_id)
"""
SIZES_SQL = "SELECT count(*), count(*) FILTER (selected) FROM pool WHERE cluster_path IS NOT NULL"


def read_map(connection: Any, seed: int, prefix: str = "") -> EmbeddingMap | None:
    """Draw up to POOL_DOTS samples of the pool and CURATED_DOTS of the curated set, and project them; None below 3.

    The components are those of the pool's draw. `prefix` goes before the names of classes.
    """
    pool = _drawn(connection, seed, POOL_DOTS, curated=False)
    curated = _drawn(connection, seed, CURATED_DOTS, curated=True)
    found = connection.sql(VECTORS_SQL, params=[sorted({*pool, *curated})]).to_arrow_table()
    row = {sample_id: n for n, sample_id in enumerate(found["sample_id"].to_pylist())}
    pool, curated = [name for name in pool if name in row], [name for name in curated if name in row]
    if len(pool) < 3:
        return None
    vectors = vectors_to_array(found["embedding"])[[row[name] for name in (*pool, *curated)]]
    plane, explained = project(vectors.astype(np.float32), len(pool))
    classes = dict(connection.execute(CLASSES_SQL, [curated]).fetchall())
    labels = tuple(prefix + classes[name] if name in classes else NO_CLASS for name in curated)
    sizes = connection.execute(SIZES_SQL).fetchone()
    return EmbeddingMap(plane[: len(pool)], plane[len(pool) :], labels, explained, *sizes)


def _drawn(connection: Any, seed: int, n: int, *, curated: bool) -> list[str]:
    rows = connection.execute(DRAWN_SQL, [str(seed), n, curated]).fetchall()
    return [row[0] for row in rows]
