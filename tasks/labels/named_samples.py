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
# Of an image as much of a path counts as it and the place of a sample both have. At best the place, which is the folder
# of the source and the key, ends with the path; else the path ends with the key, with the folder before it where the
# key has none: train/1.jpg is not val/1.jpg. Then without an extension: keys in tars have none. Paths are compared by
# as many last parts as the other side has, so that a name that is in each folder takes no longer than any.
_BY_PLACE = r"""
CREATE TEMP TABLE by_place AS
WITH named AS (
    SELECT DISTINCT line, says, nfc_normalize(key) AS name FROM given_rows WHERE key IS NOT NULL
),
spelt AS (
    SELECT *, name AS path, 0 AS cut FROM named
    UNION SELECT *, regexp_replace(name, '[.][^./]*$', ''), 2 FROM named
    UNION SELECT *, regexp_replace(name, '[.][^/]*$', ''), 2 FROM named
),
paths AS (SELECT *, string_split(path, '/') AS parts FROM spelt),
seen AS (
    SELECT DISTINCT coalesce(sample_id, occurrence_id) AS sample_id, shard, source_uri, kind, key,
           nfc_normalize(key) AS path, regexp_replace(shard, '#[0-9]+$', '') AS file,
           regexp_replace(rtrim(replace(source_uri, '\', '/'), '/'), '/[^/]*[*?\[{].*$', '') AS source
    FROM occurrences WHERE key IS NOT NULL
),
placed AS (
    SELECT * EXCLUDE (file, source), CASE WHEN ends_with(source, '/' || file) THEN left(source, -1 - length(file))
        ELSE source END || CASE kind WHEN 'tar' THEN regexp_replace('/' || file, '/[^/]*$', '') ELSE '' END AS folder
    FROM seen
),
cut AS (
    SELECT *, 0 AS cut FROM placed
    UNION ALL SELECT * REPLACE (regexp_replace(path, '[.][^./]*$', '') AS path), 1 FROM placed WHERE kind <> 'tar'
),
keys AS (
    SELECT *, string_split(folder || '/' || path, '/') AS parts, greatest(len(string_split(path, '/')), 2) AS n FROM cut
),
found AS (
    SELECT p.line, p.says, p.name, k.sample_id, k.shard, k.source_uri, k.key,
           CASE WHEN p.path = k.path AND p.cut + k.cut = 0 THEN -1 ELSE p.cut + k.cut END AS distance
    FROM paths p
    JOIN (SELECT *, array_to_string(parts[-m:], '/') AS ending
          FROM keys, (SELECT DISTINCT len(parts) AS m FROM paths) WHERE m <= len(parts)) k ON p.path = k.ending
    WHERE p.cut = 0 OR k.kind = 'tar'
    UNION ALL
    SELECT p.line, p.says, p.name, k.sample_id, k.shard, k.source_uri, k.key, p.cut + k.cut + 4
    FROM (SELECT *, array_to_string(parts[-m:], '/') AS ending
          FROM paths, (SELECT DISTINCT n AS m FROM keys) WHERE m < len(parts)) p
    JOIN (SELECT *, array_to_string(parts[-n:], '/') AS least FROM keys) k ON p.ending = k.least
    WHERE p.cut = 0 OR k.kind = 'tar'
)
SELECT DISTINCT line, says, name, sample_id, shard, source_uri, key FROM found
QUALIFY distance = min(distance) OVER (PARTITION BY line)
    AND distance = min(distance) OVER (PARTITION BY sample_id, shard, source_uri, key);
INSERT INTO by_key SELECT DISTINCT line, sample_id, shard, source_uri FROM by_place
WHERE says AND line NOT IN (SELECT line FROM by_key)
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
    f"DROP TABLE IF EXISTS {name}"
    for name in ("given_rows", "by_key", "by_place", "named_rows", "file_labels", "file_classes")
)
AMBIGUOUS = """
SELECT line, count(DISTINCT sample_id), count(DISTINCT shard), count(DISTINCT source_uri)
FROM by_key GROUP BY line HAVING count(DISTINCT sample_id) > 1 ORDER BY line
"""
"""How many samples, shards and sources a row fits that fits several."""
SHARED = """
SELECT key, min({'name': name, 'line': line}), max({'name': name, 'line': line}), count(*) OVER ()
FROM by_place SEMI JOIN samples USING (sample_id) GROUP BY sample_id, shard, source_uri, key
HAVING count(DISTINCT name) > 1 ORDER BY min(line), key LIMIT 1
"""
"""The key of the first readable sample that several paths are as near to, two of them, and how many such there are."""


def find_samples(connection: Any, rows: pa.Table, by_place: bool) -> None:
    """Make the tables `given_rows`, of the rows, `by_key` and `file_labels`, of those that name a readable sample.

    The connection is a catalog's; rows have the columns line, sample_id, key, shard, source_uri, label, annotator,
    weight, state and says, whether anything is said. `by_place`: a key that is none of the pool's whole ones may be a
    path with folders before it, or without those of the pool, and with an extension or without; a sample is then named
    by the nearest of its paths alone, which are in the table `by_place`.
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
