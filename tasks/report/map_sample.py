"""The samples of the embedding map: a few thousand, drawn by a hash, whatever the size of the pool."""

from __future__ import annotations

from typing import Any

import numpy as np

from windrow.schemas.stages import Stage
from windrow.tasks.algorithms.arrays import Float64Array
from windrow.tasks.report.cited import Asked
from windrow.tasks.report.drawings.embedding_map import EmbeddingMap, project
from windrow.tasks.report.pool_map import found_map
from windrow.tasks.storage.catalog.connections import open_connection
from windrow.tasks.storage.files.literal_paths import parquet_scan
from windrow.tasks.storage.files.parquet import vectors_to_array
from windrow.tasks.storage.store.run_records import Run

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
PLACES_SQL = "SELECT sample_id, x, y FROM {map} WHERE list_contains($1::VARCHAR[], sample_id)"
SIZES_SQL = (
    "SELECT count(*) AS n_pool, count(*) FILTER (selected) AS n_curated FROM pool WHERE cluster_path IS NOT NULL"
)


def read_map(ask: Asked, run: Run, seed: int, prefix: str = "") -> EmbeddingMap | None:
    """Draw up to POOL_DOTS samples of the pool and CURATED_DOTS of the curated set, and place them; None below 3.

    Their places are those of the map that `windrow explore` made of this pool, if it did; else on the principal
    components of the pool's draw. `prefix` goes before the names of classes.
    """
    connection = ask.connection
    pool = _drawn(connection, seed, POOL_DOTS, curated=False)
    curated = _drawn(connection, seed, CURATED_DOTS, curated=True)
    ids, plane, explained = _placed(connection, run, pool, curated)
    row = {sample_id: n for n, sample_id in enumerate(ids)}
    pool, curated = [name for name in pool if name in row], [name for name in curated if name in row]
    if len(pool) < 3:
        return None
    classes = dict(connection.execute(CLASSES_SQL, [curated]).fetchall())
    labels = tuple(prefix + classes[name] if name in classes else NO_CLASS for name in curated)
    sizes = ask.execute(SIZES_SQL).fetchone() or (0, 0)
    return EmbeddingMap(
        plane[[row[name] for name in pool]], plane[[row[name] for name in curated]], labels, explained, *sizes
    )


def _placed(
    connection: Any, run: Run, pool: list[str], curated: list[str]
) -> tuple[list[str], Float64Array, tuple[float, float] | None]:
    """Return samples, their places, and what share of the variance these show; None of a neighbour map."""
    drawn = found_map(
        run.store,
        [str(output.path.relative_to(run.store)) for output in run.outputs(Stage.FEATURES)],
        int(run.config.get("seed", 0)),
    )
    wanted = sorted({*pool, *curated})
    if drawn is not None:
        with open_connection([drawn]) as places:
            found = places.sql(PLACES_SQL.format(map=parquet_scan([drawn])), params=[wanted]).to_arrow_table()
        plane = np.stack([found[name].to_numpy() for name in ("x", "y")], axis=1).astype(np.float64)
        return found["sample_id"].to_pylist(), plane, None
    found = connection.sql(VECTORS_SQL, params=[wanted]).to_arrow_table()
    ids = found["sample_id"].to_pylist()
    if len(ids) < 3:
        return [], np.zeros((0, 2)), None
    there = set(pool)
    order = sorted(range(len(ids)), key=lambda row: ids[row] not in there)
    vectors = vectors_to_array(found["embedding"])[order]
    plane, explained = project(vectors.astype(np.float32), sum(name in there for name in ids))
    return [ids[row] for row in order], plane, explained


def _drawn(connection: Any, seed: int, n: int, *, curated: bool) -> list[str]:
    rows = connection.execute(DRAWN_SQL, [str(seed), n, curated]).fetchall()
    return [row[0] for row in rows]
