"""The samples of the pool that rows of a file name: by id, by key, and images by the end of a path."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

# What a row of a key fits, where it says of which shard and source; an occurrence that was not read is one, too.
_BY_KEY = """
SELECT DISTINCT f.line, coalesce(o.sample_id, o.occurrence_id) AS sample_id, o.shard, o.source_uri
FROM given_rows f JOIN occurrences o ON {keys}
WHERE f.sample_id IS NULL AND f.key IS NOT NULL AND f.says
  AND (f.shard IS NULL OR f.shard = o.shard) AND (f.source_uri IS NULL OR f.source_uri = o.source_uri)
"""
# Macs spell letters with marks in two characters, most others in one.
_SPELT_OTHERWISE = f"""
{_BY_KEY.format(keys="nfc_normalize(f.key) = nfc_normalize(o.key)")}
  AND regexp_matches(f.key, '[^ -~]') AND f.line NOT IN (SELECT line FROM by_key)
"""
# Of an image the last part of a path is that of a key, and the shorter path ends the longer one: at best with the place
# of the source before the key, else the key alone. Then without an extension: keys in tars have none.
_BY_PLACE = r"""
INSERT INTO by_key
WITH named AS (
    SELECT DISTINCT line, '/' || nfc_normalize(key) AS path FROM given_rows
    WHERE key IS NOT NULL AND says AND line NOT IN (SELECT line FROM by_key)
),
seen AS (
    SELECT DISTINCT coalesce(sample_id, occurrence_id) AS sample_id, shard, source_uri, kind,
           '/' || nfc_normalize(key) AS path, rtrim(replace(source_uri, '\', '/'), '/') AS source
    FROM occurrences WHERE key IS NOT NULL
),
paths AS (
    SELECT *, 0 AS cut FROM named
    UNION SELECT line, regexp_replace(path, '[.][^./]*$', ''), 2 FROM named
    UNION SELECT line, regexp_replace(path, '[.][^/]*$', ''), 2 FROM named
),
keys AS (
    SELECT *, 0 AS cut FROM seen
    UNION ALL SELECT * REPLACE (regexp_replace(path, '[.][^./]*$', '') AS path), 1 FROM seen WHERE kind <> 'tar'
),
found AS (
    SELECT p.line, k.sample_id, k.shard, k.source_uri,
           p.cut + k.cut + CASE WHEN ends_with(k.source || k.path, p.path) THEN 0 ELSE 4 END AS distance
    FROM paths p JOIN keys k ON regexp_extract(p.path, '[^/]*$') = regexp_extract(k.path, '[^/]*$')
    WHERE (ends_with(k.source || k.path, p.path) OR ends_with(p.path, k.path))
        AND (p.cut = 0 OR k.kind = 'tar')
)
SELECT DISTINCT line, sample_id, shard, source_uri FROM found
QUALIFY distance = min(distance) OVER (PARTITION BY line)
"""
_NAMING = """
CREATE TEMP TABLE named_rows AS
    SELECT f.line, f.sample_id FROM given_rows f SEMI JOIN occurrences o ON o.sample_id = f.sample_id
    WHERE f.says
    UNION ALL SELECT DISTINCT line, sample_id FROM by_key;
CREATE TABLE file_labels AS
    SELECT f.line, n.sample_id, f.label, f.annotator, f.weight, f.state FROM given_rows f JOIN named_rows n USING (line)
    WHERE n.sample_id IN (SELECT sample_id FROM samples) ORDER BY f.line
"""
_BY_WHOLE_KEY = f"""
CREATE TEMP TABLE by_key AS {_BY_KEY.format(keys="f.key = o.key")};
INSERT INTO by_key {_SPELT_OTHERWISE}
"""
_EMPTYING = "; ".join(
    f"DROP TABLE IF EXISTS {name}" for name in ("given_rows", "by_key", "named_rows", "file_labels", "file_classes")
)
AMBIGUOUS = """
SELECT line, count(DISTINCT sample_id), count(DISTINCT shard), count(DISTINCT source_uri)
FROM by_key GROUP BY line HAVING count(DISTINCT sample_id) > 1 ORDER BY line
"""
"""How many samples, shards and sources a row fits that fits several."""


def find_samples(connection: Any, rows: pa.Table, by_place: bool) -> None:
    """Make the tables `given_rows`, of the rows, `by_key` and `file_labels`, of those that name a readable sample.

    The connection is a catalog's; rows have the columns line, sample_id, key, shard, source_uri, label, annotator,
    weight, state and says, whether anything is said. `by_place`: a key that is none of the pool's whole ones may be a
    path with folders before it, or without those of the pool, and with an extension or without.
    """
    connection.execute(_EMPTYING)
    create_table(connection, "given_rows", rows)
    connection.execute(_BY_WHOLE_KEY)
    if by_place:
        connection.execute(_BY_PLACE)
    connection.execute(_NAMING)


def create_table(connection: Any, name: str, rows: pa.Table) -> None:
    """Make a table of a connection from rows in memory."""
    connection.register("_rows", rows)
    connection.execute(f"CREATE TABLE {name} AS FROM _rows")
    connection.unregister("_rows")
